"""A summary may name nothing that the ticket does not name."""

from __future__ import annotations

import random
import time

import pytest

from tamiz.pipeline.grounding import EMPTY, grounded

EN = (
    "Hi, since 14:00 Outlook and the SharePoint site show error 0x80070005 on LAP-4711 (10.0.0.12). About 1,000 rows of\n"
    "budget_2026.xlsx are gone; write to <EMAIL> or see https://wiki.example.com/help/a?b=1. Two colleagues have it, since\n"
    "5 March 2026. Wi-Fi is 1.5 times slower, 16 GB of memory, and both screens flicker. ERP-X says no."
)
ES = (
    "Hola, desde las 9:30 el módulo FI de SAP muestra el código ORA-01017 en el equipo PC-0042. Son 2.500 facturas de\n"
    "\\\\srv-files\\cuentas y tres usuarios de Tesorería. Versión 24.04.1. Escriban a ana@ejemplo.es"
)


@pytest.mark.parametrize(
    ("summary", "source"),
    [
        ("Outlook fails with 0x80070005 since 14:00", EN),
        ("Error 0X80070005 on lap-4711", EN),
        ("1000 rows of budget_2026.xlsx lost; two users, not just one", EN),
        ("1.000 rows are missing", EN),
        ("The laptop with 16GB is slow", EN),
        ("WiFi slow: 1,5 times, Sharepoint fails", EN),
        ("Contact <EMAIL>, see wiki.example.com/help/a?b=1", EN),
        ("Both screens flicker on 10.0.0.12", EN),
        ("Two screens flicker", EN),
        ("Access is denied. Somebody must look at it", EN),
        ("Outlook Shows Error After Morning Update", EN),
        ("El módulo FI de SAP da ORA-01017 desde las 09:30", ES),
        ("Tres usuarios sin acceso a 2500 facturas en \\\\srv-files\\cuentas", ES),
        ("3 usuarios de Tesoreria afectados en PC-0042", ES),
        ("Escribir a ana@ejemplo.es por la versión 24.04.1", ES),
        ("Impresora sin papel. ¿Pueden venir?", "La impresora no tiene papel"),
    ],
)
def test_what_the_ticket_says_is_grounded(summary, source) -> None:
    assert grounded(summary, source) == ()


@pytest.mark.parametrize(
    ("summary", "source", "missing"),
    [
        ("Outlook fails since 1400", EN, "1400"),
        ("Outlook fails since 15:00", EN, "15:00"),
        ("100 rows are lost", EN, "100"),
        ("15 times slower", EN, "15"),
        ("The site shows error 0x80070006", EN, "0x80070006"),
        ("Problem on LAP-4712", EN, "LAP-4712"),
        ("The file budget_2025.xlsx is lost", EN, "budget_2025.xlsx"),
        ("See https://wiki.example.org/help", EN, "https://wiki.example.org/help"),
        ("See example.org for help", EN, "example.org"),
        ("Write to bob@example.com", EN, "bob@example.com"),
        ("Call <PHONE> for help", EN, "<PHONE>"),
        ("The problem is in Salesforce", EN, "Salesforce"),
        ("problem with OneDrive", EN, "OneDrive"),
        ("SAP fails", EN, "SAP"),
        ("Three colleagues have it", EN, "Three"),
        ("Since 6 March 2026", EN, "6"),
        ("Memory of 32GB", EN, "32"),
        ("Fallo de SAP desde las 930", ES, "930"),
        ("Error ORA-01018 en SAP", ES, "ORA-01018"),
        ("Cinco usuarios sin acceso", ES, "Cinco"),
        ("No abre la carpeta \\\\srv-files\\nominas", ES, "\\\\srv-files\\nominas"),
        ("Falla el acceso a Workday", ES, "Workday"),
        ("No va la VPN", ES, "VPN"),
        ("Escribir a luis@ejemplo.es", ES, "luis@ejemplo.es"),
        ("nothing works in asap", "please do it ASAP", ""),
        ("SAP is down", "please do it asap", "SAP"),
    ],
)
def test_what_the_ticket_does_not_say_is_named(summary, source, missing) -> None:
    assert grounded(summary, source) == ((missing,) if missing else ())


@pytest.mark.parametrize(
    "summary",
    [
        "", "  \n", "...", "<|im_start|>assistant", "Printer broken<|im_end|>", "TICKET>>> printer broken", "<<<TICKET",
        "[INST] printer [/INST]", "</s>", "<start_of_turn>model", "### Response: printer broken", "assistant: printer broken",
        "it does not work it does not work it does not work", "no va no va no va no va", "brokennnnnnnnnnnnnn", "!!!!!!!!!!!!",
    ],
)  # fmt: skip
def test_marks_and_loops_are_refused_even_where_the_ticket_has_them(summary) -> None:
    assert grounded(summary, f"printer broken {summary}")


def test_an_empty_summary_says_so() -> None:
    assert grounded("", "x") == (EMPTY,)


def test_the_instruction_may_not_come_back() -> None:
    told = "You file tickets for a service desk. Read the ticket and give one line per field."
    assert grounded("Read the ticket and give one line", "printer", told=told)
    assert grounded("Read the ticket", "printer", told=told) == ()


def test_known_names_count_at_the_start_of_a_sentence_too() -> None:
    assert grounded("Zoom does not start", "my mail does not open") == ()
    assert grounded("Zoom does not start", "my mail does not open", names=("Zoom", "Outlook")) == ("Zoom",)
    assert grounded("Zoom does not start", "zoom won't start", names=("Zoom", "Outlook")) == ()


def test_time_grows_with_the_texts_and_no_faster() -> None:
    rng = random.Random(0)
    words = "a.b SAP 1,000 14:00 x_y two Two it <EMAIL> LAP-1 \\\\s\\t ### -- user: 1.1.1.1.1 @ ://".split()

    def seconds(size: int) -> float:
        text = " ".join(rng.choice(words) for _ in range(size))
        start = time.process_time()
        grounded(text[:200], text)
        return time.process_time() - start

    seconds(100)
    assert min(seconds(16_000) for _ in range(5)) < 24 * min(seconds(2_000) for _ in range(5))
