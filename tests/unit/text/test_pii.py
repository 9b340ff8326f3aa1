"""Personal data and secrets go, in English and Spanish; what only looks like them stays."""

from __future__ import annotations

import pytest

from tamiz.text import redact

# Tokens are put together here so that no scanner takes them for real ones.
GITHUB = "ghp_" + "a1B2" * 9
AWS = "AKIA" + "IOSFODNN7EXAMPLE"
OPENAI = "sk-" + "proj-a1B2c3D4e5F6g7H8i9"
SLACK = "xoxb-" + "123456789012-abcdefABCDEF"
JWT = (
    "eyJ"
    + "hbGciOiJIUzI1NiJ9.eyJ"
    + "zdWIiOiIxMjM0NTY3ODkwIn0."
    + "dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
)
PEM = "-----BEGIN RSA PRIVATE " + "KEY-----\nMIIEow+abc/def==\n-----END RSA PRIVATE " + "KEY-----"
RANDOM = "wJalrXUtnFEMIK7MDENG" + "bPxRfiCYzT8qLm4Vw9Ns"

REDACTED = [
    ("mail me at ana.ruiz+it@example.co.uk please", "mail me at <EMAIL> please"),
    ("escríbeme a o'brien_2@correo.example.es.", "escríbeme a <EMAIL>."),
    ("Ana <ana@example.org>", "Ana <<EMAIL>>"),
    ("ana (at) example (dot) org", "<EMAIL>"),
    ("ana [arroba] example.org", "<EMAIL>"),
    ("josé.núñez@example.es", "<EMAIL>"),
    ("call +1 212 555 0187", "call <PHONE>"),
    ("call me on (212) 555-0187 today", "call me on <PHONE> today"),
    ("my number 212-555-0187", "my number <PHONE>"),
    ("móvil +34 600 123 456", "móvil <PHONE>"),
    ("llámame al 600123456", "llámame al <PHONE>"),
    ("tel. 91 123 45 67", "tel. <PHONE>"),
    ("600 12 34 56 gracias", "<PHONE> gracias"),
    ("teléfono: 0034 912 345 678", "teléfono: <PHONE>"),
    ("+44 20 7946 0958", "<PHONE>"),
    ("phone 600 123 456 or 600-123-457", "phone <PHONE> or <PHONE>"),
    ("IBAN ES91 2100 0418 4502 0005 1332 gracias", "IBAN <IBAN> gracias"),
    ("cuenta ES9121000418450200051332", "cuenta <IBAN>"),
    ("to gb82 west 1234 5698 7654 32.", "to <IBAN>."),
    ("DE89 3704 0044 0532 0130 00", "<IBAN>"),
    ("IBAN: ES00 2100 0418 4502 0005 1332", "IBAN: <IBAN>"),
    ("my card 4111 1111 1111 1111 fails", "my card <CARD> fails"),
    ("tarjeta 5555555555554444", "tarjeta <CARD>"),
    ("amex 3782-822463-10005", "amex <CARD>"),
    ("4111 1111 1111 1111 12/25 cvv 123", "<CARD> 12/25 cvv <CARD>"),
    ("DNI 12345678Z", "DNI <NIF>"),
    ("mi dni es 12.345.678-Z", "mi dni es <NIF>"),
    ("NIE X1234567L", "NIE <NIF>"),
    ("NIF: 12345678A", "NIF: <NIF>"),
    ("12345678-z", "<NIF>"),
    ("SSN 536-90-4399", "SSN <SSN>"),
    ("my social security number is 536904399", "my social security number is <SSN>"),
    ("nº seguridad social 28/12345678/40", "nº seguridad social <SSN>"),
    ("host 10.2.3.4 is down", "host <IP> is down"),
    ("http://192.168.1.20:8080/x", "http://<IP>:8080/x"),
    ("from 2001:db8::8a2e:370:7334 port", "from <IP> port"),
    (f"token {GITHUB}", "token <API_KEY>"),
    (f"{AWS} leaked", "<API_KEY> leaked"),
    (f"clave api: {OPENAI}", "clave api: <API_KEY>"),
    (f"bot {SLACK}", "bot <API_KEY>"),
    (f"Authorization: Bearer {JWT}", "Authorization: Bearer <API_KEY>"),
    ("api_key = 'abc123def456ghi7'", "api_key = '<API_KEY>'"),
    (f"see {RANDOM} here", "see <API_KEY> here"),
    (f"key:\n{PEM}\nend", "key:\n<API_KEY>\nend"),
    ("postgres://app:s3cret@db/x", "postgres://<PASSWORD>@db/x"),
    ("my password is Summer2024!", "my password is <PASSWORD>"),
    ("My password is Summer2024, it fails", "My password is <PASSWORD>, it fails"),
    ("password: hunter2", "password: <PASSWORD>"),
    ("Password = dragon", "Password = <PASSWORD>"),
    ("my password is dragon.", "my password is <PASSWORD>."),
    ("the new password for SAP is Verano#24", "the new password for SAP is <PASSWORD>"),
    ("I log in with password Tr0ub4dor& and fail", "I log in with password <PASSWORD> and fail"),
    ('password "correct horse" or pwd="dragon"', 'password "correct horse" or pwd="<PASSWORD>"'),
    ("mi contraseña es Verano2024", "mi contraseña es <PASSWORD>"),
    ("mi contraseña es dragon", "mi contraseña es <PASSWORD>"),
    ("contraseña: Abc123 usuario: ana", "contraseña: <PASSWORD> usuario: ana"),
    ("clave: 483920", "clave: <PASSWORD>"),
    ("la clave del wifi es Casa1234", "la clave del wifi es <PASSWORD>"),
    ("usuario y contraseña: ana Abc123!x", "usuario y contraseña: ana <PASSWORD>"),
    ("my PIN is 4821", "my PIN is <PASSWORD>"),
    ("pin 4821", "pin <PASSWORD>"),
]

KEPT = [
    "order 4471239123",
    "pedido 600123456",
    "pedido nº 912345678",
    "Ticket #712345678 is still open",
    "INC0012345 and REQ0098765",
    "error 0x80070005 and 0xc000021a",
    "error 80070005",
    "asset tag LT-4482-0091",
    "serial 5CG1234ABC",
    "IMEI 356938035643809",
    "version 10.0.19045.3803",
    "v1.2.3.4 and driver 31.0.15.3623",
    "Chrome/114.0.0.0",
    "2024-05-12 10:30:00",
    "on 12/05/2024 and 12.05.2024",
    "el 12-05-2024 a las 10:30",
    "timestamp 1714567890",
    "KB5034441",
    "invoice 2024-000123",
    "factura 2024/0001234",
    "tracking 1Z999AA10123456784",
    "card 4111 1111 1111 1112",
    "4513724340895744123456",
    "DNI caducado",
    "12345678A",
    "GB82 WEST 1234 5698 7654 33",
    "127.0.0.1 and 255.255.255.0 and 0.0.0.0",
    "999.1.2.3",
    "std::vector<int> a::b",
    "at 10:20:30",
    "mac 00:1a:2b:3c:4d:5e",
    "follow @support on the intranet",
    "0@6.071 seconds",
    "123e4567-e89b-12d3-a456-426614174000",
    "commit da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "C:/Program Files/Common Files/Microsoft Shared/Office16/Setup.exe",
    "my password is not working",
    "my password is expired",
    "my password is wrong",
    "The password is incorrect, please help",
    "password reset Office365",
    "Password: reset",
    "password: cannot log in",
    "I forgot my password",
    "change my password to a new one",
    "mi contraseña es incorrecta",
    "la contraseña está caducada",
    "contraseña: no funciona",
    "contraseña: olvidada",
    "la clave es reiniciar el equipo",
    "un punto clave: la red",
    "the key is to restart",
    "I need a pin for the door",
    "the token expired yesterday",
    "signature missing in Outlook",
    "extension 4521",
    "price 1.234.567,89 €",
    "rows 1 000 000 in 25 000 000",
    "call me at 10 or 11",
    "page 600 of 1234",
    "Room 101, floor 3, building 7",
    "",
]


@pytest.mark.parametrize(("text", "expected"), REDACTED)
def test_personal_data_becomes_a_typed_placeholder(text, expected):
    redacted, spans = redact(text)
    assert redacted == expected
    assert spans
    for span in spans:
        assert redacted[span.start : span.end] == span.placeholder == f"<{span.kind}>"
    assert redact(redacted) == (redacted, spans)


@pytest.mark.parametrize("text", KEPT)
def test_near_misses_are_kept(text):
    assert redact(text) == (text, ())
