"""Closings, signature blocks and legal notices go; requests never do."""

from __future__ import annotations

import pytest

from tamiz.text.signature import split_signature

BODY = "My printer is broken."

ENDINGS = [
    "-- \nAna Ruiz\nFinance",
    "--\nAna Ruiz | Finance | +34 600 123 456",
    "Regards,\nAna",
    "Best regards\n\nAna Ruiz\nHead of Finance\nExample Ltd\nwww.example.org",
    "Kind regards, Ana",
    "Thanks!\nAna",
    "Thanks in advance,\nAna Ruiz\nIT Department",
    "Thank you",
    "Cheers",
    "Saludos",
    "Un saludo,\nAna",
    "Saludos cordiales,\nAna Ruiz\nDepartamento de Finanzas",
    "Atentamente,\n\nAna Ruiz",
    "Muchas gracias y un saludo\nAna",
    "Gracias de antemano.",
    "Sent from my iPhone",
    "Enviado desde mi Samsung Galaxy",
    "Get Outlook for iOS",
    "Obtener Outlook para Android",
    "This e-mail and any attachments are confidential and intended only for the addressee.",
    "CONFIDENTIALITY NOTICE: this message is private.\n\nPlease consider the environment before printing.",
    "AVISO LEGAL: este mensaje es confidencial.",
    "Este mensaje y sus archivos adjuntos van dirigidos exclusivamente a su destinatario y son confidenciales.",
    "Un saludo\nAna\n\nAntes de imprimir este correo piense si es necesario.",
]

KEPT = [
    "Thanks",
    "Gracias",
    "Regards,\nAna",
    "Thanks for the help with the VPN, now the printer fails",
    "Hola\ngracias\nno me funciona la impresora",
    "Thanks,\nAna\nPS: my screen is dark too",
    "My printer is broken.\nThanks\nIt also cannot scan",
    "Best practice is unknown here",
    "Best laptop for travel?",
    "This message keeps popping up on my screen",
    "This e-mail never arrived at the client",
    "Confidential: please wipe my laptop",
    "AVISO LEGAL: vea abajo\n\nNo puedo abrir el fichero",
    "Sent from my old address, mails bounce since Monday. Please fix the forwarding rule.",
    "",
]


@pytest.mark.parametrize("ending", ENDINGS)
def test_endings_are_split_off(ending):
    body, signature = split_signature(f"{BODY}\n\n{ending}")
    assert body == BODY
    assert signature == ending.strip()


@pytest.mark.parametrize("text", KEPT)
def test_requests_are_never_cut(text):
    assert split_signature(text) == (text, "")


@pytest.mark.parametrize(
    "banner",
    [
        "[EXTERNAL]",
        "CAUTION: This email originated from outside of the organization.",
        "PRECAUCIÓN: este correo viene de fuera de la organización.",
    ],
)
def test_banners_of_mail_gateways_are_taken_out(banner):
    body, signature = split_signature(f"{banner}\n{BODY}")
    assert body == BODY
    assert signature == banner
