"""What the service is and how it is: labels, schemas, models, health and metrics."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import Query, Request, Response

from tamiz.api.context import Context, caller_of, told
from tamiz.api.problems import Problem
from tamiz.domain.schema import compact_schema, wire_schema
from tamiz.domain.taxonomy import Label

EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"

Form = Annotated[
    Literal["wire", "compact"], Query(description="The wire form of a triage, or the compact one.")
]


class About:
    """The endpoints about the service itself."""

    def __init__(self, context: Context) -> None:
        self._context, self._parts = context, context.parts

    async def labels(self, request: Request) -> Response:
        """Every label of every field, with its names and descriptions."""
        taxonomy = self._parts.judges(caller_of(request).tenant).taxonomy
        fields = {f.name: [_label(label) for label in f.labels] for f in taxonomy.choices}
        return told(
            {
                "primary": taxonomy.primary,
                "labels": list(taxonomy.field(taxonomy.primary).keys),
                "fields": fields,
            }
        )

    async def schema(self, request: Request, form: Form = "wire") -> Response:
        """The JSON Schema (2020-12) of a triaged ticket."""
        taxonomy = self._parts.judges(caller_of(request).tenant).taxonomy
        return told(wire_schema(taxonomy) if form == "wire" else compact_schema(taxonomy))

    async def models(self, request: Request) -> Response:
        """The model that triages this tenant's tickets now, and those that could."""
        tenant = caller_of(request).tenant
        known = await self._context.threads.run(lambda: list(self._parts.models(tenant)))
        active = self._parts.judges(tenant).model.info
        return told({"active": asdict(active), "known": [asdict(info) for info in known]})

    async def live(self, request: Request) -> Response:
        """The process answers; nothing else is looked at."""
        return told({"status": "ok"})

    async def ready(self, request: Request) -> Response:
        """May tickets be sent here? 503 while they may not."""
        health = await self._health()
        if health["status"] != "ok":
            wrong = [
                {"where": name, "problem": said} for name, said in health["checks"].items() if said != "ok"
            ]
            raise Problem(503, "The service is not ready.", kind="not-ready", errors=wrong)
        return told(health)

    async def health(self, request: Request) -> Response:
        """How the service is, part by part."""
        return told(await self._health())

    async def metrics(self, request: Request) -> Response:
        """Figures for Prometheus."""
        text = await self._context.threads.run(self._parts.metrics)
        return Response(text, media_type=EXPOSITION)

    async def _health(self) -> dict[str, Any]:
        health = await self._context.threads.run(self._parts.health)
        return {
            "status": "ok" if health.ready else "degraded",
            "version": self._parts.version,
            "checks": dict(health.checks),
        }


def _label(label: Label) -> dict[str, Any]:
    return {
        "key": label.key,
        "display": dict(label.display),
        "description": dict(label.description),
        "parents": list(label.parents),
    }
