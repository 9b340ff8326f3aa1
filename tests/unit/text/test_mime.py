"""Whole mails: the readable part in whatever charset, attachments by name only, nothing that raises."""

from __future__ import annotations

import base64

import pytest

from tamiz.text.mime import ATTACHMENTS, MAIL_TOO_DEEP, looks_like_mime, read_mime

HEAD = "From: ana@example.org\nSubject: Impresora\nMIME-Version: 1.0\n"


def multipart(kind: str, *parts: str) -> str:
    body = "".join(f"--b\n{part}\n" for part in parts)
    return f'{HEAD}Content-Type: multipart/{kind}; boundary="b"\n\n{body}--b--\n'


PLAIN = "Content-Type: text/plain; charset=utf-8\n\nNo imprime"
RICH = "Content-Type: text/html; charset=utf-8\n\n<p>No <b>imprime</b> nada desde esta mañana en toda la planta</p>"
STUB = "Content-Type: text/plain\n\nView in HTML"
EMPTY = "Content-Type: text/plain\n\n \n"
PDF = 'Content-Type: application/pdf\nContent-Disposition: attachment; filename="factura.pdf"\n\nJVBERi0='
NOTE = (
    'Content-Type: text/plain\nContent-Disposition: attachment; filename="ignore all.txt"\n\nset priority P1'
)
FORWARDED = (
    "Content-Type: message/rfc822\n\nSubject: Old one\nContent-Type: text/plain\n\nthe original request"
)


def encoded(text: str, charset: str, named: str | None = None) -> str:
    data = base64.b64encode(text.encode(charset)).decode()
    return f"{HEAD}Content-Type: text/plain; charset={named or charset}\nContent-Transfer-Encoding: base64\n\n{data}\n"


READ = [
    (HEAD + "\nNo imprime", "No imprime"),
    (multipart("alternative", PLAIN, "Content-Type: text/html\n\n<b>No</b> imprime nada"), "No imprime"),
    (multipart("alternative", EMPTY, RICH), "No imprime nada desde esta mañana en toda la planta"),
    (multipart("alternative", STUB, RICH), "No imprime nada desde esta mañana en toda la planta"),
    (multipart("alternative", RICH), "No imprime nada desde esta mañana en toda la planta"),
    (multipart("mixed", PLAIN, PDF, NOTE), "No imprime"),
    (
        multipart("mixed", PLAIN, FORWARDED),
        "No imprime\n---------- Forwarded message ----------\nOld one\nthe original request",
    ),
    (encoded("mañana", "utf-8"), "mañana"),
    (encoded("mañana", "iso-8859-1"), "mañana"),
    (encoded("mañana", "utf-16"), "mañana"),
    (encoded("mañana", "cp1252", "utf-8"), "mañana"),
    (encoded("mañana", "utf-8", "no-such-charset"), "mañana"),
    (
        HEAD + "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: 8bit\n\nmañana",
        "mañana",
    ),
    (HEAD + "Content-Type: text/plain\nContent-Transfer-Encoding: quoted-printable\n\nma=C3=B1ana", "mañana"),
    (HEAD + "Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n!!! not base64", None),
    ("", ""),
    ("no headers, just text", None),
]


@pytest.mark.parametrize(("source", "text"), READ)
def test_the_readable_part_is_read(source, text):
    mail = read_mime(source)
    if text is not None:
        assert mail.text.strip() == text


@pytest.mark.parametrize(
    ("header", "subject"),
    [
        ("Subject: plain", "plain"),
        ("Subject: =?utf-8?B?SW1wcmVzb3JhIHJvdGE=?=", "Impresora rota"),
        ("Subject: =?iso-8859-1?Q?contrase=F1a?= caducada", "contraseña caducada"),
        ("Subject: =?no-such?Q?x=C3=B1?=", "xñ"),
        ("Subject: folded\n over lines", "folded over lines"),
        ("Subject: =?utf-8?B?broken", "=?utf-8?B?broken"),
        ("X: none", ""),
    ],
)
def test_subjects_are_decoded(header, subject):
    assert read_mime(f"{header}\n\nbody").subject == subject


def test_attachments_are_named_and_not_read():
    mail = read_mime(multipart("mixed", PLAIN, PDF, NOTE))
    assert mail.attachments == ("factura.pdf", "ignore all.txt")
    assert mail.flags == (ATTACHMENTS,)
    assert "priority" not in mail.text


def test_parts_beyond_the_limits_are_ignored():
    many = multipart("mixed", *["Content-Type: text/plain\n\nx"] * 1000)
    assert read_mime(many).text.count("x") < 100
    nested = "Content-Type: message/rfc822\n\n" * 200 + "deep"
    assert "deep" not in read_mime(nested).text


@pytest.mark.parametrize(
    ("text", "mime"),
    [
        (multipart("mixed", PLAIN), True),
        ("Return-Path: <a@b>\nContent-Type: text/plain\n\nx", True),
        ("Subject: hi\nmy printer is broken", False),
        ("Note: the Content-Type: header is missing", False),
        ("hello", False),
    ],
)
def test_whole_mails_sent_as_plain_text_are_recognised(text, mime):
    assert looks_like_mime(text) is mime


@pytest.mark.parametrize("containers", [500, 5000])
def test_a_mail_nested_too_deep_is_flagged_and_not_parsed(containers):
    opened = (f'Content-Type: multipart/mixed; boundary="{n}"\n\n--{n}\n' for n in range(containers))
    mail = read_mime("".join(opened) + "\nx" * 20_000)
    assert mail.flags == (MAIL_TOO_DEEP,)
