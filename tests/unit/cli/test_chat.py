"""`tamiz chat`: who says what of a ticket, and what comes of it."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from tamiz.bootstrap.sieve import Sieve
from tamiz.cli.chat import conversation
from tamiz.domain.errors import ProviderUnavailableError
from tamiz.domain.gate import Policy
from tamiz.domain.ports import Written
from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.domain.triage import Distribution
from tamiz.pipeline.cascade import Cascade, SummaryMode
from tamiz.testing.scripted import ScriptedModel
from tamiz.testing.scripted_writer import ScriptedWriter

TAXONOMY = default_taxonomy()
SAYS = {f.name: (f.classes[0], 0.9) for f in TAXONOMY.predicted} | {"urgency": ("Low", 0.45)}


def said(script) -> str:
    model = ScriptedModel(TAXONOMY, lambda text: SAYS)
    sieve = Sieve(model, Policy(), Cascade(ScriptedWriter(TAXONOMY, script), summary=SummaryMode.LLM))
    console = Console(width=160, file=StringIO())
    console.print(conversation(sieve, sieve.triage("The laptop screen [left half] flickers")))
    return console.file.getvalue()


def test_both_opinions_and_the_outcome_stand_in_one_line_per_field() -> None:
    classes = TAXONOMY.field("urgency").classes
    high = Distribution(classes, tuple(0.8 if c == "High" else 0.1 for c in classes))
    shown = said(lambda question: Written({"urgency": high}, 0.0, "laptop screen flickers"))
    (line,) = [line for line in shown.splitlines() if "urgency" in line]
    assert "Low 0.45" in line
    assert "High 0.80" in line
    assert "ask a person" in line
    assert "models disagree" in line
    assert "laptop screen flickers" in shown


def test_a_failure_is_told_below_the_table() -> None:
    def fails(question):
        raise ProviderUnavailableError(provider="the server", reason="connection refused")

    shown = said(fails)
    assert "connection refused" in shown
    assert "Hardware 0.90" in shown
