"""The shapes that go over the wire. What comes in is strict: another type or an unknown member is refused."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, RootModel
from pydantic.json_schema import SkipJsonSchema

from tamiz.domain.status import Status

NO_CONTROLS = r"^[^\x00-\x1f\x7f]*$"
DESK = r"^[a-z0-9_-]{0,40}$"
KEY = r"^[!-~]{1,200}$"
TEXT: dict[str, Any] = {"pattern": r"^[^\x00]*$"}
"""No text holds NUL: said here, and held where the JSON is read."""
ETAG = r'^(\*|"[0-9]{1,9}")$'
CURSOR = r"^([A-Za-z0-9_-]{22})?$"
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)\Z")


class Sent(BaseModel):
    """Comes in."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Told(BaseModel):
    """Goes out."""

    model_config = ConfigDict(frozen=True)


class TicketForm(Sent):
    """A ticket. With `message/rfc822` the body is the whole message and the subject is taken from it."""

    body: str = Field(
        min_length=1,
        max_length=1_000_000,
        description="The text as it was written.",
        json_schema_extra=TEXT,
    )
    subject: str = Field("", max_length=2_000, json_schema_extra=TEXT)
    media_type: Literal["text/plain", "text/html", "message/rfc822"] = "text/plain"
    desk: str = Field("", pattern=DESK, description="The desk that it comes from; empty for none.")
    external_id: str = Field("", max_length=200, pattern=NO_CONTROLS, description="Its id at that desk.")
    external_version: str = Field("", max_length=200, pattern=NO_CONTROLS)
    requester: str = Field(
        "",
        max_length=320,
        pattern=NO_CONTROLS,
        description="The address of who asks: kept with the raw text alone, for rules and for erasure.",
    )


class KeyedTicketForm(TicketForm):
    """A ticket of a batch, with an idempotency key of its own."""

    idempotency_key: str = Field("", pattern=r"^[!-~]{0,200}$")


class BatchForm(Sent):
    """Several tickets at once."""

    tickets: list[KeyedTicketForm] = Field(min_length=1, max_length=100)


class FeedbackForm(Sent):
    """The right values of some fields; null says that a field does not apply."""

    fields: dict[Annotated[str, Field(max_length=100)], Annotated[str, Field(max_length=200)] | None] = Field(
        min_length=1, max_length=50
    )
    note: str = Field("", max_length=4_000, description="Why; for people.", json_schema_extra=TEXT)


class RippleForm(Sent):
    """Is it to be done, or only to be shown?"""

    apply: bool = Field(False, description="Save what the plan says.")


class PredictForm(Sent):
    """A text for the model; nothing of it is kept."""

    body: str = Field(max_length=1_000_000, json_schema_extra=TEXT)
    subject: str = Field("", max_length=2_000, json_schema_extra=TEXT)
    top_k: int = Field(3, ge=1, le=50, description="How many labels to list.")
    field: str = Field("", max_length=100, description="Which field; empty for the taxonomy's primary one.")


def _utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError:  # the first or last hours that there are, and earlier or later than any ticket
        return (datetime.min if at.year == 1 else datetime.max).replace(tzinfo=UTC)


def _written(value: Any) -> Any:
    if not isinstance(value, str) or not _RFC3339.match(value):
        raise ValueError("a moment is written like 2026-01-31T23:59:00Z")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_written), AfterValidator(_utc)]


class Filters(BaseModel):
    """Which tickets to list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: list[Status] = Field(default_factory=list, max_length=10, description="Any of these.")
    desk: str = Field("", pattern=DESK)
    since: Moment | SkipJsonSchema[None] = Field(None, description="Received then or later.")
    until: Moment | SkipJsonSchema[None] = Field(None, description="Received before then.")
    cursor: str = Field("", pattern=CURSOR, description="`next_cursor` of the page before.")
    limit: int = Field(50, ge=1, le=200)


class AcceptedView(Told):
    """The ticket is safe; it will be triaged."""

    ticket_id: str
    location: str


class ProblemView(Told):
    """RFC 9457: what went wrong, and what to do about it."""

    type: str
    title: str
    status: int
    detail: str
    hint: str
    retryable: bool
    errors: list[dict[str, str]] = []


class ItemView(Told):
    """What became of one ticket of a batch: its id, or its problem."""

    status: int
    ticket_id: str | None = None
    location: str | None = None
    problem: ProblemView | None = None


class BatchView(Told):
    """What became of each ticket, in the order in which they came."""

    results: list[ItemView]


class ScoredView(Told):
    """A label and its probability."""

    label: str
    score: float = Field(ge=0, le=1)


class FieldView(Told):
    """A field's outcome: a label, `needs_human`, or null where it does not apply."""

    value: str | None
    confidence: float = Field(ge=0, le=1)
    decision: Literal["apply", "recommend", "review", "off"]
    top: list[ScoredView]


class TriageView(Told):
    """The triage as it stands; `GET /schema` has the exact schema of this taxonomy."""

    schema_version: str
    summary: str
    summary_source: Literal["llm", "extractive", "subject"]
    fields: dict[str, FieldView]


class SourceView(Told):
    """Where a ticket came from."""

    desk: str
    external_id: str
    version: str


class ListedView(Told):
    """Where a ticket stands."""

    ticket_id: str
    status: Status
    version: int = Field(ge=1)
    revision: int = Field(ge=0)
    source: SourceView
    language: str
    received_at: AwareDatetime
    updated_at: AwareDatetime


class RecallView(Told):
    """The earlier ticket whose answer was served, how it was found, how near the two texts are, and whether the answer was
    a person's."""

    ticket_id: str
    tier: Literal["exact", "verified"]
    similarity: float = Field(ge=-1.01, le=1.01, description="Cosine of the two embeddings.")
    by_person: bool


class TicketView(ListedView):
    """A ticket as it stands, people's corrections over the newest triage; never its raw text. `recall` is null where the
    answer was worked out for this ticket; `refusal` says why the nearest earlier answer was not served."""

    triaged_at: AwareDatetime | None
    triage: TriageView | None
    compact: dict[str, str | None] | None
    recall: RecallView | None
    refusal: str
    corrected: dict[str, str | None]


class ResemblanceView(Told):
    """A ticket that resembles another: the labels that stand, a person's before the model's, and who settled it (null
    while it waits for somebody)."""

    ticket_id: str
    similarity: float = Field(ge=-1, le=1, description="Cosine of the two embeddings.")
    status: Status
    labels: dict[str, str | None]
    resolved_by: Literal["model", "person"] | None


class SimilarView(Told):
    """The tickets that resemble one, nearest first, and among how many they were found."""

    ticket_id: str
    searched: int = Field(ge=0)
    similar: list[ResemblanceView]


class SaidView(Told):
    """A value, and what may be done with it."""

    value: str | None
    decision: Literal["apply", "recommend", "review", "off"]


class ShiftView(Told):
    """A field as it stands, and as it would be decided now."""

    before: SaidView
    after: SaidView


class AffectedView(Told):
    """A ticket that would be decided otherwise, and why it was looked at: the answer of `source_id` was served to it, or it
    is near it."""

    ticket_id: str
    version: int = Field(ge=1)
    cause: Literal["served", "near"]
    source_id: str
    similarity: float = Field(ge=-1.01, le=1.01)
    status: Status
    then: Status
    fields: dict[str, ShiftView]


class RippleView(Told):
    """What the words on a ticket change elsewhere: how many tickets were decided again, those that come out otherwise, and
    how many of them were saved so (null: it was not asked for)."""

    ticket_id: str
    looked: int = Field(ge=0)
    affected: list[AffectedView]
    applied: int | None = Field(ge=0)


class PageView(Told):
    """Tickets, newest first; `next_cursor` is null on the last page."""

    tickets: list[ListedView]
    next_cursor: str | None


class PredictionView(Told):
    """What the model says of a text; `predicted_label` is null where the field does not apply."""

    predicted_label: str | None
    confidence: float = Field(ge=0, le=1)
    top_k: list[ScoredView]
    inference_ms: float = Field(ge=0)


class LabelView(Told):
    """A label with its names and descriptions by language."""

    key: str
    display: dict[str, str]
    description: dict[str, str]
    parents: list[str]


class LabelsView(Told):
    """All labels by field; `labels` are those of the primary one."""

    primary: str
    labels: list[str]
    fields: dict[str, list[LabelView]]


class ModelView(Told):
    """Who a model is."""

    name: str
    kind: str
    content_hash: str
    classes_hash: str
    text_version: str


class ModelsView(Told):
    """The model that triages now, and those that could."""

    active: ModelView
    known: list[ModelView]


class HealthView(Told):
    """How the service is, part by part."""

    status: Literal["ok", "degraded"]
    version: str
    checks: dict[str, str]


class LiveView(Told):
    """The process answers."""

    status: Literal["ok"]


class PredictionsView(RootModel[list[PredictionView]]):
    """One prediction per text, in order."""


class SchemaView(RootModel[dict[str, Any]]):
    """A JSON Schema (2020-12)."""
