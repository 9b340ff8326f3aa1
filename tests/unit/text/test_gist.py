"""What is compared of a text: neither greeting nor signature."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamiz.text.gist import gist


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("Hi team,\nThe VPN is down.\nThanks,\nAna Gil", "The VPN is down."),
        ("hello, the vpn is down thx", "the vpn is down"),
        ("VPN\nBuenos días:\nNo funciona la VPN.\nUn saludo", "VPN\nNo funciona la VPN."),
        ("hola, no va la vpn, gracias!", "no va la vpn"),
        ("The VPN is down.\nAna Gil | Buyer\nT 4410", "The VPN is down."),
        ("Requester: Ana Gil\nAsset: NB-1234\nDescription: it is broken", "Asset: NB-1234\nit is broken"),
        ("Team,\nPlease install Visio.\nHave a nice day!", "Please install Visio."),
    ],
)
def test_courtesy_and_who_writes_go(text: str, asked: str) -> None:
    assert gist(text) == asked


@pytest.mark.parametrize(
    "text",
    [
        "Reset the password of\nMarta Gil",
        "Equipo: WS-4461\nNo arranca.",
        "Block calls from extension 4410.",
        "Please tell the team: install Visio.",
        "Thanks?",
        "The call with Ana Gil failed.\nTeams shows error 809 when she joins.",
        "Best practice document is missing?",
        "VPN\nThanks for the help last time.\nThe VPN is down.",
    ],
)
def test_what_is_asked_stays(text: str) -> None:
    assert gist(text) == text


@pytest.mark.parametrize("text", ["", "Hello", "Thanks!", "Gracias,\nAna", "👍"])
def test_a_text_of_courtesy_alone_stays(text: str) -> None:
    assert gist(text) == text


@given(st.text(max_size=200))
def test_nothing_is_invented(text: str) -> None:
    kept = gist(text)
    assert bool(kept.strip()) >= any(map(str.isalnum, text))
    assert set(kept.split()) <= set(text.split()) or len(kept) <= len(text)
