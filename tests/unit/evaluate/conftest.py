"""A scripted model with examples for it, and a seeded export as messy as real ones."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tamiz.domain.taxonomy import Field, FieldKind, Label, Taxonomy
from tamiz.lab.data.example import Example
from tamiz.testing.scripted import ScriptedModel

WORDS = {"Network": "vpn router wifi", "Printing": "printer toner paper", "Mail": "outlook inbox <mail>"}


def keyed(*keys: str) -> tuple[Label, ...]:
    return tuple(Label(key) for key in keys)


@pytest.fixture
def taxonomy() -> Taxonomy:
    fields = (
        Field("topic", FieldKind.CHOICE, labels=keyed("Network", "Printing", "Mail")),
        Field("level", FieldKind.CHOICE, ordered=True, labels=keyed("High", "Medium", "Low")),
    )
    return Taxonomy("small", fields, "topic")


@pytest.fixture
def model(taxonomy: Taxonomy) -> ScriptedModel:
    """Right about the topic nine times of ten, and surer when it is right; always says Low."""

    def script(text: str) -> dict[str, tuple[str, float]]:
        topic = next(name for name, words in WORDS.items() if words.split()[0] in text)
        odd = "odd" in text
        return {"topic": ("Mail" if odd else topic, 0.5 if odd else 0.95), "level": ("Low", 0.6)}

    return ScriptedModel(taxonomy, script)


Make = Callable[..., list[Example]]


@pytest.fixture
def make() -> Make:
    """Draws examples: `make(rows, seed, start)`, their texts numbered from `start`."""
    return make_examples


def make_examples(rows: int, seed: int = 0, start: int = 0) -> list[Example]:
    rng = random.Random(seed)
    found = []
    for number in range(start, start + rows):
        topic = rng.choice(list(WORDS))
        text = (
            f"{WORDS[topic]} {'odd ' if rng.random() < 0.1 else ''}{' '.join(rng.sample(NOISE, 8))} {number}"
        )
        level = rng.choice(["High", "Medium", "Low", "Low"])
        found.append(
            Example(str(number), text, {"topic": topic, "level": level}, language=rng.choice(["en", "es"]))
        )
    return found


NOISE = [
    f"{a}{b}"
    for a in ("ka", "lo", "mi", "nu", "pe", "ra", "si", "to")
    for b in ("ben", "dor", "fim", "gul", "hax", "jop")
]


@pytest.fixture(scope="session")
def messy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A messy export of 900 tickets."""
    return write_messy(tmp_path_factory.mktemp("export") / "messy.csv")


GROUPS = {
    "Service Desk": ("password forgotten", "contraseña olvidada", "Passwort vergessen"),
    "Network": ("vpn connection drops", "la conexión vpn se corta", "VPN-Verbindung bricht ab"),
    "Printing": ("printer paper jam", "atasco de papel en la impresora", "Drucker hat Papierstau"),
    "E-Mail": ("outlook mailbox full", "buzón de outlook lleno", "Outlook-Postfach ist voll"),
    "SAP": (
        "sap invoice posting error",
        "error al contabilizar factura en sap",
        "SAP Buchung der Rechnung fehlerhaft",
    ),
    "Hardware": ("laptop screen broken", "pantalla del portátil rota", "Bildschirm vom Laptop defekt"),
    "Telephony": ("desk phone without signal", "teléfono fijo sin señal", "Tischtelefon ohne Signal"),
    "Backup": ("restore deleted folder", "recuperar carpeta borrada", "gelöschten Ordner wiederherstellen"),
    "Facilities": ("meeting room too cold", "sala de reuniones muy fría", "Besprechungsraum zu kalt"),
    "HR Systems": ("payslip not visible", "nómina no visible", "Gehaltsabrechnung nicht sichtbar"),
    "Security": ("phishing mail received", "correo de phishing recibido", "Phishing-Mail erhalten"),
    "Databases": ("oracle query too slow", "consulta oracle muy lenta", "Oracle-Abfrage zu langsam"),
}
HELLO = (
    ("Hello,", "please help with this:"),
    ("Hola,", "necesito ayuda con esto:"),
    ("Hallo,", "bitte um Hilfe bei:"),
)
ENDINGS = (
    (
        "since this morning in building",
        "it happens on floor",
        "my colleague from office has it too, room",
        "urgent, ext",
    ),
    ("desde esta mañana en el edificio", "pasa en la planta", "también a mi compañera, sala", "urgente, ext"),
    (
        "seit heute früh im Gebäude",
        "es passiert im Stock",
        "meine Kollegin hat es auch, Zimmer",
        "dringend, Durchwahl",
    ),
)
HEADER = "Nummer;Erstellt am;Kurzbeschreibung;Beschreibung;Zuweisungsgruppe;Priorität"


def write_messy(path: Path, rows: int = 900, seed: int = 7) -> Path:
    """Three languages, cp1252, semicolons, half of the rows in one group, duplicates, empty cells, a broken line."""
    rng = random.Random(seed)
    names = list(GROUPS)
    weights = [len(names) - 1] + [1] * (len(names) - 1)
    lines = [HEADER]
    said: list[str] = []
    for number in range(rows):
        group = rng.choices(names, weights)[0]
        language = rng.choices((0, 1, 2), (5, 3, 2))[0]
        subject = GROUPS[group][language]
        hello, plea = HELLO[language]
        tail = " ".join(
            f"{rng.choice(ENDINGS[language])} {rng.choice('ABCDEFG')}{rng.randrange(10, 99)}"
            for _ in range(rng.randint(1, 3))
        )
        body = f"{hello} {plea} {subject} {tail}"
        if said and rng.random() < 0.08:
            body = rng.choice(said)
        said.append(body)
        if rng.random() < 0.05:
            group = rng.choice(names)  # somebody picked the wrong group
        cells = [
            f"INC{number:05}",
            f"{1 + number % 28:02}.{1 + (number * 12 // rows):02}.2024 {number % 24:02}:15",
            "" if rng.random() < 0.1 else subject,
            body,
            "" if rng.random() < 0.03 else group,
            "" if rng.random() < 0.3 else rng.choice(("1 - Hoch", "2 - Mittel", "3 - Niedrig")),
        ]
        lines.append(";".join(cells))
    lines.insert(40, "INC99999;04.02.2024 10:15;zu viele;Zellen in;dieser;Zeile;hier;stehen")
    path.write_bytes("\r\n".join(lines).encode("cp1252", "replace"))
    return path
