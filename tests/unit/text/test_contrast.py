"""Which similar texts must not share an answer, and which may."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tamiz.testing.strange import strange_messages
from tamiz.text.contrast import Kind, contrast

DIFFERENT = [
    (Kind.OPPOSITE, "Turn on the VPN", "Turn off the VPN"),
    (Kind.OPPOSITE, "Please turn the sound on", "Please turn the sound off"),
    (Kind.OPPOSITE, "Enable MFA for Ana", "Ana's MFA should be disabled"),
    (Kind.OPPOSITE, "Grant Ana access to the share", "Revoke Ana's access to the share"),
    (Kind.OPPOSITE, "Add me to the group", "Remove me from the group"),
    (Kind.OPPOSITE, "Sign me in", "Sign me out"),
    (Kind.OPPOSITE, "install it before Monday", "install it after Monday"),
    (Kind.OPPOSITE, "Hay que dar de alta a Eva", "Hay que dar de baja a Eva"),
    (Kind.OPPOSITE, "Encended la pantalla", "Apagad la pantalla"),
    (Kind.OPPOSITE, "Bloquead la cuenta", "Desbloquead la cuenta"),
    (Kind.OPPOSITE, "Actualizad antes del lunes", "Actualizad después del lunes"),
    (Kind.OPPOSITE, "Ordenad la lista", "Desordenad la lista"),
    (Kind.NUMBER, "VPN error 809", "VPN error 619"),
    (Kind.NUMBER, "Update to version 4.2.1", "Update to version 4.2"),
    (Kind.NUMBER, "Room at 9:00", "Room at 19:00"),
    (Kind.NUMBER, "Set it to 5 degrees", "Set it to -5 degrees"),
    (Kind.NUMBER, "Reunión el lunes", "Reunión el martes"),
    (Kind.NUMBER, "Need two chairs", "Need three chairs"),
    (Kind.ENTITY, "My keyboard is broken", "The broken mouse is mine"),
    (Kind.ENTITY, "Since today we miss Salesforce", "Since today we miss Workday a lot"),
    (Kind.ENTITY, 'Share the folder "Budget"', 'Share the folder "Contracts"'),
    (Kind.ENTITY, "Restart srv_web", "Restart srv_mail"),
    (Kind.ENTITY, "See https://hr.example.org/a", "See https://hr.example.org/b"),
    (Kind.ENTITY, "Call <PHONE>", "Write to <EMAIL>"),
    (Kind.ENTITY, "Invoice of €12", "Invoice of $12"),
    (Kind.POLARITY, "The scanner works", "The scanner does not work"),
    (Kind.POLARITY, "Delete my mailbox", "Do not delete my mailbox"),
    (Kind.POLARITY, "I need the licence", "I no longer need the licence"),
    (Kind.POLARITY, "Borrad el buzón", "No borréis el buzón"),
    (Kind.POLARITY, "Puedo imprimir", "No puedo imprimir"),
    (Kind.POLARITY, "Delete the file, do not move it", "Do not delete the file, move it"),
    (Kind.OPPOSITE, "Enviadlo con la firma", "Enviadlo sin la firma"),
    (Kind.ROLES, "Copy it from web to mail", "Copy it from mail to web"),
    (Kind.ROLES, "Ana approves what Bob orders", "Bob approves what Ana orders"),
    (Kind.ROLES, "El wifi va pero el cable no", "El cable va pero el wifi no"),
    (Kind.SCOPE, "I cannot print", "Nobody can print"),
    (Kind.SCOPE, "No puedo entrar", "Toda la oficina está sin poder entrar"),
    (Kind.SCOPE, "Reset my password", "Reset the password of my colleague"),
    (Kind.INTENT, "How do I reset my password?", "Please reset my password"),
    (Kind.INTENT, "¿Cómo puedo instalar Visio?", "Instalad Visio"),
    (Kind.WORDING, "Frobnicate the queue", "Defenestrate the queue"),
    (Kind.WORDING, "👍", "👎"),
]
ALIKE = [
    ("cannot log in", "login fails"),
    ("I can't open Outlook", "I am unable to open Outlook"),
    ("The scanner does not work", "The scanner is broken"),
    ("There are no errors", "Nothing fails"),
    ("Please unlock my account", "Could you unblock my user?"),
    ("I forgot my password", "Please reset my password"),
    ("Turn on the VPN", "Please enable the VPN"),
    ("Since Monday the wifi drops", "The wifi keeps disconnecting since Monday"),
    ("VPN shows error 809", "Error 809 when I connect the VPN"),
    ("no puedo entrar", "el acceso no funciona"),
    ("El ratón no funciona", "El ratón está roto"),
    ("Outlook no abre", "Me es imposible abrir Outlook"),
    ("No se ve nada en la pantalla", "La pantalla está en negro"),
    ("Necesito acceso a Jira", "¿Me podéis dar acceso a Jira?"),
    ("I cannot log in to SAP", "No puedo entrar en SAP"),
    ("THE PRINTER IS BROKEN", "the printer is broken"),
    ("", ""),
]
TEXTS = st.one_of(
    st.text(max_size=60),
    st.sampled_from([text for _, *both in DIFFERENT for text in both]),
    st.lists(st.sampled_from("turn on off not no the vpn Ana 809 open close printer nada sin".split())).map(
        " ".join
    ),
)


@pytest.mark.parametrize(("kind", "a", "b"), DIFFERENT)
def test_different_matters_are_told_apart(kind: Kind, a: str, b: str) -> None:
    assert kind in {difference.kind for difference in contrast(a, b)}
    assert kind in {difference.kind for difference in contrast(b, a)}


@pytest.mark.parametrize(("a", "b"), ALIKE)
def test_the_same_matter_may_share_an_answer(a: str, b: str) -> None:
    assert contrast(a, b) == ()


def test_a_difference_shows_the_words() -> None:
    (found,) = contrast("Turn on the VPN", "Turn off the VPN")
    assert (found.left, found.right) == (("turn on",), ("turn off",))


@settings(max_examples=200, deadline=None)
@given(TEXTS, TEXTS)
def test_sides_may_be_swapped(a: str, b: str) -> None:
    assert [(d.kind, d.right, d.left) for d in contrast(a, b)] == [
        (d.kind, d.left, d.right) for d in contrast(b, a)
    ]


@settings(max_examples=100, deadline=None)
@given(TEXTS)
def test_nothing_speaks_against_the_same_text(text: str) -> None:
    assert contrast(text, text) == ()
    assert contrast(text, f"  {text}\n") == ()


def test_strange_texts_are_compared() -> None:
    texts = [message.body[:20_000] for _, message in strange_messages(60, 5)]
    for one, other in pairwise(texts):
        assert isinstance(contrast(one, other), tuple)


@pytest.mark.parametrize(
    "piece", ["turn ", "no ", "not the ", "a.", '"', "<A", "0-", "Ana ", "x", "turn the off ", "é", "dar de "]
)
def test_time_grows_with_the_text(piece: str) -> None:
    contrast("a", "b")

    def seconds(size: int) -> float:
        one, other = piece * (size // len(piece)), piece * (size // len(piece)) + " end"
        started = time.thread_time()
        contrast(one, other)
        return time.thread_time() - started

    quarter = max(min(seconds(10_000) for _ in range(2)), 0.002)
    assert min(seconds(40_000) for _ in range(2)) < 8 * quarter  # of one the collector may make a second


def test_many_quotes_take_no_time_of_their_own() -> None:
    one, other = (" ".join(f'"{mark}{number}"' for number in range(9_000)) for mark in "ab")
    started = time.thread_time()
    assert contrast(one, other)
    assert time.thread_time() - started < 3


def test_quotation_marks_alone_make_no_difference() -> None:
    assert contrast('Open the folder "Budget"', "Open the folder budget") == ()
