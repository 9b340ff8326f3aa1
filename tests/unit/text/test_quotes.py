"""The newest request leads, wherever the mail client put it."""

from __future__ import annotations

import pytest

from tamiz.text.quotes import defers, split_quotes

NEW, OLD = "The VPN drops every ten minutes.", "Please send me your asset tag."

ATTRIBUTIONS = [
    "On Mon, 5 May 2025 at 10:02, Ana Ruiz <ana@example.org> wrote:",
    "On 05/05/2025 10:02, Ana Ruiz wrote:",
    "On Mon, May 5, 2025 at 10:02 AM Ana Ruiz <\nana@example.org> wrote:",
    "El lun, 5 may 2025 a las 10:02, Ana Ruiz (<ana@example.org>) escribió:",
    "El 05/05/2025 a las 10:02, Ana Ruiz\nescribió:",
    "Le lun. 5 mai 2025 à 10:02, Ana Ruiz <ana@example.org> a écrit :",
    "Am 05.05.2025 um 10:02 schrieb Ana Ruiz:",
    "Em seg., 5 de mai. de 2025 às 10:02, Ana Ruiz <ana@example.org> escreveu:",
    "Il giorno lun 5 mag 2025 alle ore 10:02 Ana Ruiz <ana@example.org> ha scritto:",
    "Op ma 5 mei 2025 om 10:02 schreef Ana Ruiz <ana@example.org>:",
]
SEPARATORS = [
    "-----Original Message-----",
    "-----Mensaje original-----",
    "---------- Forwarded message ---------",
    "---------- Mensaje reenviado ---------",
    "-------- Ursprüngliche Nachricht --------",
    "-------- Message original --------",
    "Begin forwarded message:",
    "Inicio del mensaje reenviado:",
    "##- Please type your reply above this line -##",
]
HEADERS = [
    "From: Ana Ruiz <ana@example.org>\nSent: Monday, May 5, 2025 10:02\nTo: Support\nSubject: RE: VPN",
    "*From:* Ana Ruiz\n*Sent:* Monday\n*To:* Support\n*Cc:* Boss\n*Subject:* VPN",
    "De: Ana Ruiz <ana@example.org>\nEnviado el: lunes, 5 de mayo de 2025 10:02\nPara: Soporte\nAsunto: VPN",
    "De : Ana Ruiz\nEnvoyé : lundi\nÀ : Support\nObjet : VPN",
    "Von: Ana Ruiz\nGesendet: Montag\nAn: Support\nBetreff: VPN",
    "Da: Ana Ruiz\nInviato: lunedì\nA: Supporto\nOggetto: VPN",
    "________________________________\nFrom: Ana <ana@example.org>\nDate: 5 May 2025\nTo: Support",
]


@pytest.mark.parametrize("marker", [*ATTRIBUTIONS, *SEPARATORS, *HEADERS])
def test_history_below_the_new_text_is_split_off(marker):
    thread = split_quotes(f"{NEW}\n\n{marker}\n\n{OLD}")
    assert thread.newest.startswith(NEW)
    assert OLD not in thread.newest
    assert "Ana" not in thread.newest
    assert thread.quoted[-1].endswith(OLD)


@pytest.mark.parametrize(
    "marker", [*ATTRIBUTIONS, "Ana Ruiz <ana@example.org>:", "Ana wrote:", "2025-05-05 10:02:"]
)
@pytest.mark.parametrize("layout", ["{new}\n\n{marker}\n{old}", "{marker}\n{old}\n\n{new}"])
def test_prefixed_history_may_stand_above_or_below(marker, layout):
    old = f"> {OLD}\n> Thanks"
    thread = split_quotes(layout.format(new=NEW, marker=marker, old=old))
    assert thread.newest == NEW
    assert thread.quoted == (f"{OLD}\nThanks",)


def test_interleaved_answers_are_all_new():
    thread = split_quotes("> Which floor?\nThe third.\n> Which printer?\nThe big one.")
    assert thread.newest == "The third.\nThe big one."
    assert thread.quoted == ("Which floor?", "Which printer?")


@pytest.mark.parametrize("style", ["prefix", "outlook"])
def test_thirty_replies_deep_the_newest_leads(style):
    text = ""
    for n in range(30, 0, -1):
        if style == "prefix":
            text = f"message {n}\n\nOn 5 May 2025 10:{n:02}, X <x@example.org> wrote:\n" + "\n".join(
                f"> {line}" for line in text.split("\n")
            )
        else:
            text = f"message {n}\n\nFrom: x@example.org\nSent: 5 May\nTo: y\nSubject: s\n\n{text}"
    thread = split_quotes(text)
    assert thread.newest == "message 1"
    assert len(thread.quoted) >= 29
    assert thread.quoted[0].endswith("message 2")


@pytest.mark.parametrize(
    "text",
    [
        "Go to Settings\n> Network\nand it fails",
        "On Monday my manager wrote:\nplease fix the printer",
        "The error was as follows: disk full",
        "From: Madrid\nTo: Boston\nDate: 3 May\nI need a flight",
        "Hello,\n\nFrom today on I have no access.\nTo: be clear, none.",
        "a > b and c > d",
        "-----\nstep one\n-----",
        "",
    ],
)
def test_ordinary_text_is_not_taken_for_history(text):
    thread = split_quotes(text)
    assert thread.quoted == ()
    assert thread.newest == "\n".join(line.strip() for line in text.split("\n")).strip()


def test_a_forwarded_subject_is_kept_with_its_message():
    thread = split_quotes(
        "FYI\n\nFrom: a@example.org\nSent: today\nTo: b\nSubject: Printer broken\n\nIt is jammed."
    )
    assert thread.quoted == ("Printer broken\n\nIt is jammed.",)


@pytest.mark.parametrize(
    ("text", "pointing"),
    [
        ("", True),
        ("FYI", True),
        ("Hi team,", True),
        ("see below", True),
        ("Please see below, thanks", True),
        ("ver abajo", True),
        ("Os paso este correo", True),
        ("Por favor, revisad esto. Gracias", True),
        ("Any update on this?", True),
        ("Reset my password", False),
        ("No puedo entrar", False),
        ("I forward below a long story about my own laptop that has not booted since Monday morning", False),
    ],
)
def test_texts_that_only_point_at_the_history_are_recognised(text, pointing):
    assert defers(text) is pointing
