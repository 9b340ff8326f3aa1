"""`tamiz replay`: look at a decision again."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from tamiz.cli.console import PROBLEMS_FOUND, need_serving, out, settings
from tamiz.domain.gate import Policy
from tamiz.domain.ticket import DEFAULT_TENANT

EXAMPLES = """Examples:

  tamiz replay 01a1ff06-6888-76eb-9228-b63c404f2331

  tamiz replay 01a1ff06-6888-76eb-9228-b63c404f2331 --revision 1"""


def command(
    ticket: Annotated[str, typer.Argument(help="The ticket's id.")],
    revision: Annotated[int, typer.Option(help="Which triage; 0 is the newest.")] = 0,
    tenant: Annotated[str, typer.Option(help="Whose ticket it is.")] = DEFAULT_TENANT,
) -> None:
    """Decide a stored triage again from its receipt, ask the model again, and say what each field would have needed."""
    need_serving()
    from tamiz.bootstrap.clock import SystemClock
    from tamiz.bootstrap.server import live_judges, open_store
    from tamiz.service.replay import counterfactual, replay

    current = settings()
    store = open_store(current)
    try:
        judge = live_judges(current, SystemClock())(tenant)
        found = replay(store, judge, tenant, ticket, revision)
    finally:
        store.close()
    policy = Policy.from_dict(found.revision.triage.receipt.policy)
    table = Table("field", "value", "confidence", "decision", "to be applied")
    for name, outcome in found.fields.items():
        needed = counterfactual(outcome, policy.of(name))
        table.add_row(name, outcome.value, f"{outcome.confidence:.2f}", outcome.decision.value, needed)
    out.print(table)
    moved = "not asked again" if found.distance is None else f"{found.distance:.1e} at most"
    same = "decides the same" if found.same else "decides OTHERWISE"
    out.print(
        f"Triage {found.revision.number}: the receipt {same}; the model's probabilities moved by {moved}."
    )
    if not found.same:
        raise typer.Exit(PROBLEMS_FOUND)
