"""`tamiz doctor`: is everything here that Tamiz needs?"""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata, util

import typer

from tamiz import __version__
from tamiz.bootstrap.clock import SystemClock
from tamiz.bootstrap.desks import silent
from tamiz.bootstrap.sieve import load
from tamiz.bootstrap.wiring import registry
from tamiz.cli.console import PROBLEMS_FOUND, out, settings
from tamiz.domain.errors import TamizError

EXTRAS = {
    "train": ("torch", "transformers", "peft", "trl", "sklearn", "cleanlab", "onnx"),
    "llm": ("xllamacpp", "httpx"),
    "qlora": ("bitsandbytes",),
    "pii": ("presidio_analyzer", "spacy"),
}


def command() -> None:
    """Check this installation: Python, packages, extras, models, and one real ticket. Exit code 5 on a problem."""
    current = settings()
    problems = []
    out.print(
        f"tamiz {__version__} · Python {platform.python_version()} · {platform.machine()} · {os.cpu_count()} cores"
    )
    out.print(f"home {current.home} · data {current.data or 'not set (TAMIZ_DATA)'}", markup=False)
    for package in ("onnxruntime", "tokenizers", "numpy"):
        out.print(f"  {package} {metadata.version(package)}")
    for extra, modules in EXTRAS.items():
        missing = [module for module in modules if util.find_spec(module) is None]
        state = (
            f"not installed (missing {', '.join(missing)}): pip install 'tamiz[{extra}]'"
            if missing
            else "installed"
        )
        out.print(f"  extra {extra}: {state}", markup=False)
    try:
        models = registry(current)
        for entry in models.list():
            out.print(f"  model {entry.name} {entry.content_hash[:12]}{' (active)' if entry.active else ''}")
        sieve = load("", current)
        triage = sieve.triage("The printer on the second floor jams on every page")
        primary = sieve.taxonomy.primary
        out.print(f"  triage works: {primary} {triage.fields[primary].top[0][0]}", markup=False)
        writer = triage.receipt.writer
        if writer is not None:
            out.print(f"  language model {writer.model}: {writer.failure or 'answers'}", markup=False)
            problems += [writer.failure] if writer.failure else []
        if current.desks:
            unheard = silent(current.desks, lambda tenant: sieve.taxonomy, SystemClock())
            out.print(f"  desks that answer: {len(current.desks) - len(unheard)} of {len(current.desks)}")
            problems += unheard
    except TamizError as error:
        problems.append(error.one_line())
    for problem in problems:
        out.print(f"problem: {problem}", style="red", markup=False)
    if problems:
        sys.exit(PROBLEMS_FOUND)
    typer.echo("All good.")
