"""`tamiz models`: what there is, which one is active, and whether it is sound."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from tamiz.bootstrap.who import user_name
from tamiz.bootstrap.wiring import has_store, registry
from tamiz.cli.console import PROBLEMS_FOUND, administered, cells, err, out, settings
from tamiz.domain.ports import Model
from tamiz.domain.ticket import DEFAULT_TENANT
from tamiz.models import artifact
from tamiz.models.open import open_model

app = typer.Typer(no_args_is_help=True, help="List, show, activate, roll back and verify models.")

Tenant = Annotated[str, typer.Option(help="Whose tickets it triages.")]
Name = Annotated[str, typer.Argument(help="A model's name, name@hash, or folder.")]

_TEXTS = (
    "The VPN drops every ten minutes",
    "No puedo entrar en el correo desde ayer",
    "",
    "¿Pueden darme acceso a la carpeta compartida? Thanks!",
)


@app.command("list")
def list_models(tenant: Tenant = DEFAULT_TENANT) -> None:
    """Every known model, newest first, and the one in use. Example: tamiz models list"""
    own = None
    if _in_store(tenant):
        with administered() as admin:
            own = admin.active(tenant)
    table = Table("name", "kind", "hash", "made", "active")
    table.add_column("folder", overflow="fold")
    for entry in registry(settings()).list():
        active = entry.active if own is None else entry.content_hash == own.content_hash
        mark = "yes" if active else ""
        known = (entry.name, entry.kind, entry.content_hash[:12], entry.created[:10], mark, str(entry.path))
        table.add_row(*cells(*known))
    out.print(table if table.row_count else "No models yet: tamiz backtest tickets.csv, or tamiz train.")


@app.command("show")
def show(model: Name) -> None:
    """A model's manifest as JSON. Example: tamiz models show starter"""
    manifest = artifact.read_manifest(registry(settings()).resolve(model))
    facts = {"content_hash": manifest.content_hash, **asdict(manifest)}
    typer.echo(json.dumps(facts, indent=2, ensure_ascii=False))


@app.command("activate")
def activate(model: Name, tenant: Tenant = DEFAULT_TENANT) -> None:
    """Take a model into use, at once also where a service runs; a folder is copied first. Example: tamiz models activate
    backtest-tickets/model"""
    models = registry(settings())
    folder = models.resolve(model)
    by_path = (Path(model) / artifact.MANIFEST).is_file()
    foreign = by_path and not folder.absolute().is_relative_to(models.home.absolute())
    place = models.add(folder) if foreign else folder
    if not _in_store(tenant):
        err.print(f"Active: {models.activate(str(place))}", markup=False, highlight=False)
        return
    manifest = artifact.read_manifest(place)
    name = manifest.name if by_path else model.partition("@")[0]
    with administered() as admin:
        active = admin.activate(tenant, f"{name}@{manifest.content_hash}", user_name())
    err.print(f"Active for {tenant}: {active.model}", markup=False, highlight=False)


@app.command("rollback")
def rollback(tenant: Tenant = DEFAULT_TENANT) -> None:
    """Go back to the model that was active before. Example: tamiz models rollback"""
    if not _in_store(tenant):
        before = registry(settings()).rollback()
        err.print(f"Active: {before or settings().model}", markup=False, highlight=False)
        return
    with administered() as admin:
        own = admin.rollback(tenant, user_name())
    house = registry(settings()).active() or settings().model
    err.print(f"Active for {tenant}: {own.model if own else house}", markup=False, highlight=False)


@app.command("verify")
def verify(model: Name) -> None:
    """Check every file's hash, and that the model answers here as it should. Exit code 5 on a problem."""
    folder = registry(settings()).resolve(model)
    problems = artifact.verify(folder)
    if not problems:
        problems = answer_problems(open_model(folder))
    for problem in problems:
        err.print(f"problem: {problem}", style="red", markup=False, highlight=False)
    if problems:
        sys.exit(PROBLEMS_FOUND)
    typer.echo(f"{folder}: sound")


def answer_problems(model: Model) -> list[str]:
    """Whether a model answers a few texts, each the same alone as among the others."""
    together = model.predict(_TEXTS)
    problems = []
    for text, prediction in zip(_TEXTS, together, strict=True):
        alone = model.predict([text])[0].distributions
        if any(alone[name] != found for name, found in prediction.distributions.items()):
            problems.append(f"its answer to '{text}' depends on the texts beside it")
    return problems


def _in_store(tenant: str) -> bool:
    """Is the model in use a matter of the store? Where there is none yet, the pointer in the data folder is all there
    is, and all that commands without a service need."""
    return tenant != DEFAULT_TENANT or has_store(settings())
