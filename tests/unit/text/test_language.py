"""English, Spanish, both or neither; short texts by their words."""

from __future__ import annotations

import pytest

from tamiz.text import detect_language

CASES = [
    ("The VPN drops every ten minutes since this morning", "en"),
    ("My laptop won't turn on", "en"),
    ("password reset", "en"),
    ("help", "en"),
    ("printer jam", "en"),
    ("Outlook crashes on startup", "en"),
    ("Need access to SAP", "en"),
    ("I AM STILL WAITING ON MY CARD?", "en"),
    ("VPN", "en"),
    ("fan noise", "en"),
    ("roll a 9 sided dice", "en"),
    ("reembolso duplicado", "es"),
    ("pantalla azul", "es"),
    ("La VPN se corta cada diez minutos desde esta mañana", "es"),
    ("Mi portátil no enciende", "es"),
    ("ayuda", "es"),
    ("no puedo entrar", "es"),
    ("No me funciona el raton", "es"),
    ("contraseña caducada", "es"),
    ("impresora atascada planta 3", "es"),
    ("NECESITO ACCESO A SAP", "es"),
    ('Me aparece el mensaje "The user name or password is incorrect" al entrar', "es"),
    ("Outlook no abre, me sale access denied", "es"),
    ("Hola team, el VPN no funciona, please help me, I need it today", "mixed"),
    ("My screen is black since this morning. No puedo trabajar y el cliente está esperando.", "mixed"),
    ("Bonjour, je ne peux pas me connecter au VPN depuis ce matin", "other"),
    ("Hallo, ich kann mich seit heute Morgen nicht mit dem VPN verbinden", "other"),
    ("Olá, não consigo acessar o meu email desde ontem, podem ajudar?", "other"),
    ("Buongiorno, non riesco ad accedere alla posta elettronica", "other"),
    ("Hallo, ik kan niet inloggen op mijn computer", "other"),
    ("Bon dia, no puc entrar al meu compte amb la contrasenya", "other"),
    ("Принтер не работает", "other"),
    ("プリンターが動きません", "other"),
    ("الطابعة لا تعمل", "other"),
    ("", "other"),
    ("  \n", "other"),
    ("12345 ---", "other"),
    ("😀😀😀", "other"),
    ("https://example.org/a/b ana@example.org", "other"),
]


@pytest.mark.parametrize(("text", "language"), CASES)
def test_language_is_told(text, language):
    assert detect_language(text) == language
