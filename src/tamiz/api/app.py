"""The app: endpoints behind their roles, behind the limits. `create_app(parts)` is all that `bootstrap` needs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request, Response

from tamiz.api import admin_forms as a
from tamiz.api import correction_forms as c
from tamiz.api import forms as v
from tamiz.api.about import About
from tamiz.api.admin import Administration
from tamiz.api.auth import role_for
from tamiz.api.context import Context, GuardedRoute, told
from tamiz.api.describe import Answers, describe, responses
from tamiz.api.docs_page import POLICY, docs_page
from tamiz.api.intake import DirectRoute, Intake
from tamiz.api.limits import Bodies, Crowd, Outermost
from tamiz.api.parts import Parts
from tamiz.api.predictions import Predictions
from tamiz.api.problems import Boundary, incident_ids, install
from tamiz.api.ripples import Ripples
from tamiz.api.tickets import Tickets
from tamiz.domain.errors import ConfigError
from tamiz.domain.ticket import DEFAULT_TENANT
from tamiz.service.admin import Admin


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address: what answers there, and what its answers look like."""

    method: str
    path: str
    answer: Callable[..., Any]
    tag: str
    answers: Answers
    route: type[GuardedRoute] = GuardedRoute


def create_app(parts: Parts) -> FastAPI:
    """The app over these parts. ConfigError where an endpoint has no role in the table."""
    context = Context.of(parts)
    app = FastAPI(
        title="Tamiz",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
    )
    app.state.context = context
    for endpoint in endpoints(context) + (admin_endpoints(context, parts.admin) if parts.admin else []):
        add(app, endpoint)
    _describe(app, parts)
    install(app)
    limits = parts.limits
    app.add_middleware(Boundary, failed=parts.failed, incident=incident_ids(parts.clock, parts.bits))
    app.add_middleware(Bodies, most=limits.body_bytes, seconds=limits.body_seconds)
    app.add_middleware(Crowd, most=limits.concurrent)
    app.add_middleware(Outermost, served=parts.served, clock=parts.clock)
    check_guarded(app)
    return app


def endpoints(context: Context) -> list[Endpoint]:
    """Every endpoint of the API."""
    intake, tickets, ripples = Intake(context), Tickets(context), Ripples(context)
    predictions, about = Predictions(context), About(context)
    ticket, stream = {200: v.TicketView}, {200: "text/event-stream"}
    one = "/tickets/{ticket_id}"
    place = ("Location",)
    rippled = {200: v.RippleView}
    many = {202: v.BatchView, 207: v.BatchView}
    return [
        Endpoint(
            "POST",
            "/classify",
            intake.classify,
            "tickets",
            Answers({202: v.AcceptedView}, (409,), place),
            DirectRoute,
        ),
        Endpoint("POST", "/tickets/batch", intake.batch, "tickets", Answers(many)),
        Endpoint("GET", "/tickets", tickets.page, "tickets", Answers({200: v.PageView}, (422,))),
        Endpoint("GET", one, tickets.get, "tickets", Answers({**ticket, 304: None}, (404, 422), ("ETag",))),
        Endpoint(
            "GET", f"{one}/similar", tickets.similar, "tickets", Answers({200: v.SimilarView}, (404, 422))
        ),
        Endpoint("GET", f"{one}/events", tickets.events, "tickets", Answers(stream, (404, 422))),
        Endpoint(
            "POST",
            f"{one}/feedback",
            tickets.feedback,
            "tickets",
            Answers(ticket, (404, 409, 412), ("ETag",)),
        ),
        Endpoint("POST", f"{one}/ripple", ripples.ripple, "tickets", Answers(rippled, (404, 409))),
        Endpoint("POST", "/predict", predictions.predict, "predictions", Answers({200: v.PredictionView})),
        Endpoint(
            "POST",
            "/predict_batch",
            predictions.predict_batch,
            "predictions",
            Answers({200: v.PredictionsView}),
        ),
        Endpoint("GET", "/labels", about.labels, "about", Answers({200: v.LabelsView})),
        Endpoint("GET", "/schema", about.schema, "about", Answers({200: v.SchemaView}, (422,))),
        Endpoint("GET", "/models", about.models, "about", Answers({200: v.ModelsView})),
        Endpoint("GET", "/metrics", about.metrics, "health", Answers({200: "text/plain"})),
        Endpoint("GET", "/health", about.health, "health", Answers({200: v.HealthView})),
        Endpoint("GET", "/health/live", about.live, "health", Answers({200: v.LiveView})),
        Endpoint("GET", "/health/ready", about.ready, "health", Answers({200: v.HealthView})),
    ]


def admin_endpoints(context: Context, seam: Admin) -> list[Endpoint]:
    """Every endpoint for administrators."""
    one = Administration(context, seam)
    keys, model, undo, desks = "/admin/keys", "/admin/model", "/admin/undo", "/admin/desks"
    past = "/admin/backfill"
    reverts, accounts = "/admin/corrections/revert", "/admin/accounts"
    active, unsound = {200: a.ActiveView}, (404, 409, 422)
    told: list[tuple[str, str, Callable[..., Any], Answers]] = [
        ("POST", keys, one.create_key, Answers({201: a.MadeKeyView})),
        ("GET", keys, one.keys, Answers({200: a.KeysView}, (422,))),
        ("DELETE", f"{keys}/{{key_id}}", one.revoke_key, Answers({204: None}, (404, 422))),
        ("GET", model, one.active, Answers(active, (422,))),
        ("POST", model, one.activate, Answers(active, unsound)),
        ("POST", f"{model}/rollback", one.rollback, Answers(active, unsound)),
        ("POST", undo, one.plan_undo, Answers({200: a.PlanView}, (404,))),
        ("POST", f"{undo}/{{plan_id}}", one.undo, Answers({200: a.UndoneView}, (404, 422))),
        ("POST", reverts, one.plan_revert, Answers({200: c.RevertPlanView})),
        ("POST", f"{reverts}/{{revert_id}}", one.revert, Answers({200: c.RevertedView}, (404, 422))),
        ("GET", accounts, one.accounts, Answers({200: c.AccountsView}, (422,))),
        ("POST", f"{accounts}/hold", one.hold, Answers({200: c.ChangedView})),
        ("POST", f"{accounts}/lift", one.lift, Answers({200: c.ChangedView})),
        ("POST", "/admin/corrections/ripple", one.ripple, Answers({200: v.RippleView}, (404, 409))),
        ("GET", desks, one.desks, Answers({200: a.DesksView}, (422,))),
        ("POST", f"{desks}/retry", one.retry, Answers({204: None}, (409,))),
        ("POST", f"{desks}/resume", one.resume, Answers({200: a.ResumedView})),
        ("POST", past, one.backfill, Answers({200: a.RememberedView})),
        ("GET", past, one.unread, Answers({200: a.UnreadView}, (422,))),
    ]
    return [Endpoint(method, path, answer, "admin", answers) for method, path, answer, answers in told]


def add(app: FastAPI, endpoint: Endpoint) -> None:
    """Put an endpoint behind its role. ConfigError where the table does not know it."""
    role_for(endpoint.method, endpoint.path)
    app.router.add_api_route(
        endpoint.path,
        endpoint.answer,
        methods=[endpoint.method],
        status_code=next(iter(endpoint.answers.good)),
        response_model=None,
        responses=responses(endpoint.method, endpoint.path, endpoint.answers),
        tags=[endpoint.tag],
        route_class_override=endpoint.route,
    )


def check_guarded(app: FastAPI) -> None:
    """ConfigError where something answers that no role guards."""
    for route in app.routes:
        if not isinstance(route, GuardedRoute):
            place = getattr(route, "path", str(route))
            raise ConfigError(key=place, mistake="this route stands outside the guard")


def _describe(app: FastAPI, parts: Parts) -> None:
    """`/openapi.json`, and `/docs` where it is wanted."""

    made: dict[str, dict[str, Any]] = {}

    def document() -> dict[str, Any]:
        taxonomy = parts.judges(DEFAULT_TENANT).taxonomy
        if taxonomy.classes_hash not in made:  # another model may have brought other labels
            made.clear()
            made[taxonomy.classes_hash] = describe(app, taxonomy, parts.version)
        return made[taxonomy.classes_hash]

    async def openapi(request: Request) -> Response:
        return told(document())

    async def docs(request: Request) -> Response:
        headers = {"Content-Security-Policy": POLICY}
        return Response(docs_page(document()), headers=headers, media_type="text/html")

    app.openapi = document  # type: ignore[method-assign]
    pages = {"/openapi.json": openapi, **({"/docs": docs} if parts.docs else {})}
    for path, page in pages.items():
        app.router.add_api_route(
            path,
            page,
            methods=["GET"],
            response_model=None,
            include_in_schema=False,
            route_class_override=GuardedRoute,
        )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    app.state.context.parts.bell.close()
    app.state.context.threads.close()
