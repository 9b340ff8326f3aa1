"""`tamiz serve`: the service."""

from __future__ import annotations

from typing import Annotated

import typer

from tamiz.cli.console import err, need_serving, settings

EXAMPLES = """Examples:

  tamiz serve                        # http://127.0.0.1:8000, keys needed

  tamiz serve --open --port 8080     # no keys, this machine only

  curl -X POST localhost:8080/classify -H 'content-type: application/json' -d '{"subject": "VPN", "body": "is down"}'"""


def command(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="0 means any free one.")] = None,
    unlocked: Annotated[bool, typer.Option("--open", help="Ask for no keys; on loopback only.")] = False,
) -> None:
    """Take tickets over HTTP, triage them, lose none."""
    need_serving()
    from tamiz.api.serve import serve
    from tamiz.bootstrap.server import open_service
    from tamiz.observe.logs import json_process

    current = settings()
    told = {key: value for key, value in (("host", host), ("port", port)) if value is not None}
    chosen = current.serve.model_copy(update=told)

    def ready(url: str) -> None:
        err.print(f"Listening on {url}", markup=False)

    with json_process(chosen.log_level):
        service = open_service(current)
        if service.first_key:
            err.print(f"The first key, for an admin, is in {service.first_key}", markup=False)
        serve(service, chosen, unlocked=unlocked, ready=ready)
