"""`tamiz policy`: check the policy file, see what holds, and what another one would change."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from tamiz.bootstrap.policy_file import HousePolicy, read_policy
from tamiz.bootstrap.settings import Settings
from tamiz.bootstrap.wiring import canonicalizer, find_model
from tamiz.cli.console import err, need_serving, out, settings
from tamiz.domain.errors import ConfigError
from tamiz.domain.gate import FieldPolicy, Policy
from tamiz.domain.ports import Model
from tamiz.domain.ticket import DEFAULT_TENANT
from tamiz.service.judge import Judge
from tamiz.service.rehearse import Change, Rehearsal, rehearse

app = typer.Typer(no_args_is_help=True, help="What may be done with which field.")

EXAMPLES = """Examples:

  tamiz policy check new-policy.toml

  tamiz policy check new-policy.toml --on 500    # what it would change in the newest 500 tickets

  tamiz policy show"""

SHOWN = 20
File = Annotated[
    Path | None, typer.Argument(help="A policy file; without one, the file that the service reads.")
]


@app.command("check", epilog=EXAMPLES)
def check(
    file: File = None,
    on: Annotated[int, typer.Option(min=0, help="Decide so many stored tickets again under it.")] = 0,
    tenant: Annotated[str, typer.Option(help="Whose tickets they are.")] = DEFAULT_TENANT,
) -> None:
    """Read a policy file; a mistake is told with its line. With --on, say what would change; nothing is written."""
    current = settings()
    model, house = _read(current, file)
    base = model.policy.with_modes(current.policy)
    for warning in house.warnings(base):
        err.print(f"warning: {warning}", markup=False)
    if on:
        judge = Judge(model, house.over(base), canonicalizer, rules=house.rules)
        _print_changes(_rehearsed(current, judge, tenant, on))
    shadow = " In shadow: nothing is applied." if house.shadow else ""
    counts = f"modes: {len(house.modes)}, budgets: {len(house.budgets)}, rules: {len(house.rules)}"
    err.print(f"No mistakes ({counts}).{shadow}")


@app.command("show", epilog=EXAMPLES)
def show(file: File = None) -> None:
    """Show what holds for each field: the model's thresholds under the policy file."""
    current = settings()
    model, house = _read(current, file)
    base = model.policy.with_modes(current.policy)
    policy = house.over(base)
    table = Table("field", "at most", "budget", "applied from", "suggested from")
    for f in model.taxonomy.choices:
        own = policy.of(f.name)
        table.add_row(
            f.name, _mode(policy, own), _budget(policy, own), _applied(own), f"{own.recommend_at:.2f}"
        )
    out.print(table)
    for rule in house.rules:
        out.print(f"rule: {rule.name}", markup=False)
    for warning in house.warnings(base):
        err.print(f"warning: {warning}", markup=False)


def _read(current: Settings, file: Path | None) -> tuple[Model, HousePolicy]:
    """The active model and the file, which must be there where it was named."""
    if file is not None and not file.is_file():
        raise ConfigError(key=str(file), mistake="there is no such file")
    model = find_model("", current)
    return model, read_policy(file or current.serve.policy, model.taxonomy)


def _rehearsed(current: Settings, judge: Judge, tenant: str, tickets: int) -> Rehearsal:
    need_serving()
    from tamiz.bootstrap.reading import open_reader

    with open_reader(current) as store:
        return rehearse(store, judge, tenant, tickets)


def _print_changes(found: Rehearsal) -> None:
    counts = Counter(map(_kind, found.changes))
    table = Table("field", "before", "after", "tickets", "for example")
    for kind, count in counts.most_common(SHOWN):
        example = next(one.ticket_id for one in found.changes if _kind(one) == kind)
        table.add_row(*kind, str(count), example)
    if counts:
        out.print(table)
    if len(counts) > SHOWN:
        out.print(f"and {len(counts) - SHOWN} other kinds of change")
    changed = len({one.ticket_id for one in found.changes})
    skipped = f"; {found.skipped} have no triage of these classes" if found.skipped else ""
    out.print(f"{changed} of {found.tickets} tickets would be decided otherwise{skipped}.")


def _kind(change: Change) -> tuple[str, str, str]:
    before, after = (f"{one.value} ({one.decision.value})" for one in (change.before, change.after))
    return change.field, before, after


def _mode(policy: Policy, own: FieldPolicy) -> str:
    return f"{own.mode.value}, in shadow" if policy.shadow else own.mode.value


def _budget(policy: Policy, own: FieldPolicy) -> str:
    budget = own.budget if own.budget is not None else policy.budget
    return f"{budget:.1%}" if budget is not None else ""


def _applied(own: FieldPolicy) -> str:
    if own.apply_at is None:
        return "not earned"
    others = f" ({len(own.by_label)} labels otherwise)" if own.by_label else ""
    return f"{own.apply_at:.2f}{others}"
