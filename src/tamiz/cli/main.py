"""`tamiz`: the command line.

Exit codes: 0 done · 1 unexpected failure · 2 bad input or usage · 3 an optional extra is missing · 4 a model cannot
be used · 5 a check found problems (data check, models verify, doctor) · 6 a language model failed · 7 the store failed · 130
interrupted.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from tamiz import __version__
from tamiz.cli import (
    backfill,
    backtest,
    chat,
    corrections,
    data,
    desk,
    doctor,
    evaluate,
    export,
    keys,
    learn,
    models,
    policy,
    replay,
    ripple,
    serve,
    store,
    taxonomy,
    train,
    triage,
    undo,
    work,
)
from tamiz.cli.console import fail
from tamiz.domain.errors import TamizError

EPILOG = "Exit codes: 0 done, 2 bad input, 3 missing extra, 4 unusable model, 5 a check found problems, 6 a language model failed, 7 the store failed."

app = typer.Typer(
    name="tamiz",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    help="Raw tickets in, strict tickets out, each value with a calibrated confidence.",
    epilog=EPILOG,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tamiz {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    """Raw tickets in, strict tickets out, each value with a calibrated confidence."""


app.command("triage", epilog=triage.EXAMPLES)(triage.command)
app.command("chat", epilog=chat.EXAMPLES)(chat.command)
app.command("evaluate", epilog=evaluate.EXAMPLES)(evaluate.command)
app.command("backtest", epilog=backtest.EXAMPLES)(backtest.command)
app.command("serve", epilog=serve.EXAMPLES)(serve.command)
app.command("work", epilog=work.EXAMPLES)(work.command)
app.command("replay", epilog=replay.EXAMPLES)(replay.command)
app.command("backfill", epilog=backfill.EXAMPLES)(backfill.command)
app.command("undo", epilog=undo.EXAMPLES)(undo.command)
app.command("doctor")(doctor.command)
corrections.app.command("ripple", epilog=ripple.EXAMPLES)(ripple.command)
app.add_typer(corrections.app, name="corrections")
app.add_typer(train.app, name="train")
app.add_typer(data.app, name="data")
app.add_typer(desk.app, name="desk")
app.add_typer(export.app, name="export")
app.add_typer(keys.app, name="keys")
app.add_typer(learn.app, name="learn")
app.add_typer(models.app, name="models")
app.add_typer(policy.app, name="policy")
app.add_typer(store.app, name="store")
app.add_typer(taxonomy.app, name="taxonomy")


def run() -> None:
    """The console entry point: errors become one line on stderr and a documented exit code."""
    try:
        app()
    except TamizError as error:
        fail(error)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The reader went away (`| head`): close quietly, without the interpreter's complaint at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


if __name__ == "__main__":
    run()
