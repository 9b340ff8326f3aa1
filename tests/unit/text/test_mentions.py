"""Who is named in a text, however it is written or wrapped."""

from __future__ import annotations

import base64

import pytest

from tamiz.domain.errors import ConfigError
from tamiz.domain.ticket import RawMessage
from tamiz.text.mentions import Person, readable

ANA = Person("ana@example.org", ("Ana Pérez",))
CODED = base64.b64encode(b"Write to ana@example.org, please").decode()
MAIL = f"""From: =?utf-8?q?Ana_P=C3=A9rez?= <carl@example.org>
Subject: VPN
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=B

--B
Content-Type: text/plain; charset=utf-8

It drops.
--B
Content-Type: text/plain; name=notes.txt
Content-Disposition: attachment; filename=notes.txt
Content-Transfer-Encoding: base64

{CODED}
--B--
"""
PICTURE = MAIL.replace("Content-Type: text/plain; name=notes.txt", "Content-Type: image/png")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("write to ana@example.org.", True),
        ("ANA@Example.ORG", True),
        ("<mailto:ana@example.org>", True),
        ("https://x/?to=ana%40example.org&b=1", True),
        ("ana&#64;example.org", True),
        ("an\u200ba@exam\u00adple.org", True),
        ("ａｎａ＠ｅｘａｍｐｌｅ．ｏｒｇ", True),
        ("mariana@example.org", False),
        ("ana@example.organic", False),
        ("ana@example.org.evil.net", False),
        ("the laptop of ANA  PEREZ is broken", True),
        ("Perez, Ana", True),
        ("ana.perez", True),
        ("Ana\nPérez", True),
        ("Susana Perezoso", False),
        ("Ana and Luis Pérez", False),
        ("", False),
    ],
)
def test_a_person_is_found_by_address_and_name(text, named) -> None:
    assert ANA.in_any([text]) is named


def test_all_parts_of_a_mail_are_looked_through() -> None:
    found = readable(RawMessage("", MAIL, "message/rfc822"))
    assert found.complete
    assert Person("ana@example.org").in_any(found.texts)
    assert Person(names=("Ana Pérez",)).in_any(found.texts)
    assert readable(RawMessage("", MAIL)) == found, "also where nobody said that it is a mail"


def test_what_cannot_be_read_is_told() -> None:
    assert not readable(RawMessage("", PICTURE, "message/rfc822")).complete
    assert not readable(RawMessage("", "Content-Type: multipart/mixed\n" * 5000, "message/rfc822")).complete


def test_markup_between_the_letters_hides_nobody() -> None:
    found = readable(RawMessage("", "<p>ana<b>@</b>example.org</p>", "text/html"))
    assert ANA.in_any(found.texts)


@pytest.mark.parametrize(
    ("requester", "asks"),
    [
        ("ana@example.org", True),
        ("Ana <ANA@example.org>", True),
        ("", False),
        ("bob@example.org", False),
        ("Ana Pérez", False),
    ],
)
def test_the_requester_is_known_by_the_address(requester, asks) -> None:
    assert ANA.asks(requester) is asks


def test_an_id_of_a_requester_is_a_whole_word() -> None:
    assert Person("E1234").asks("e1234")
    assert not Person("E1234").asks("E12345")


@pytest.mark.parametrize(
    ("address", "names"), [("", ()), ("a@", ()), ("ana@example.org", ("",)), ("", ("Al",))]
)
def test_nobody_is_looked_for_by_next_to_nothing(address, names) -> None:
    with pytest.raises(ConfigError, match="too short"):
        Person(address, names)
