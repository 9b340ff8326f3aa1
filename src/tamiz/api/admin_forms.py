"""The shapes of what an administrator sends and sees."""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, Field

from tamiz.api.forms import DESK, NO_CONTROLS, TEXT, Moment, Sent, Told
from tamiz.domain.records import Role
from tamiz.service.backfill import HISTORY, MOST_ID, MOST_ROWS, MOST_TEXT

MODEL = r"^[^\x00-\x1f\x7f/\\]+$"
PLAIN = r"^[^\x00-\x1f\x7f]+$"

Values = dict[str, str | None]


class KeyForm(Sent):
    """A key to be made."""

    name: str = Field(min_length=1, max_length=200, pattern=PLAIN, description="What it is for.")
    role: Role = Field(Role.SUBMIT, strict=False, description="Each may do what those before it may.")


class ModelForm(Sent):
    """A model by name (its newest version) or `name@hash`."""

    model: str = Field(min_length=1, max_length=300, pattern=MODEL)


class UndoForm(Sent):
    """What is to be taken back: values of a model since a moment, of some fields or (none named) of all."""

    model: str = Field(
        min_length=1, max_length=300, pattern=MODEL, description="A name, `name@hash`, or the hash."
    )
    since: Moment = Field(strict=False)
    fields: list[Annotated[str, Field(max_length=100, pattern=PLAIN)]] = Field(
        default_factory=list, max_length=50
    )


class EffectForm(Sent):
    """A parked effect, to be tried anew."""

    ticket_id: str = Field(min_length=1, max_length=200, pattern=PLAIN)
    effect: str = Field(min_length=1, max_length=200, pattern=PLAIN)


class DeskForm(Sent):
    """A desk that may be written to again."""

    desk: str = Field(min_length=1, max_length=40, pattern=DESK)


class PastForm(Sent):
    """A solved ticket: its id at its desk, its text, and the right values of some fields (null: does not apply)."""

    id: str = Field(min_length=1, max_length=MOST_ID, pattern=PLAIN)
    subject: str = Field("", max_length=MOST_TEXT, json_schema_extra=TEXT)
    body: str = Field("", max_length=MOST_TEXT, json_schema_extra=TEXT)
    values: dict[Annotated[str, Field(max_length=100)], Annotated[str, Field(max_length=200)] | None] = Field(
        min_length=1, max_length=50
    )
    at: Moment | None = Field(None, strict=False, description="When it came; null: unknown.")


class BackfillForm(Sent):
    """Solved tickets of one desk, which are kept together or not at all; whose word their values are, and a note."""

    tickets: list[PastForm] = Field(min_length=1, max_length=MOST_ROWS)
    desk: str = Field(HISTORY, min_length=1, pattern=DESK)
    account: str = Field(HISTORY, min_length=1, max_length=200, pattern=PLAIN)
    note: str = Field("", max_length=4_000, json_schema_extra=TEXT)


class RippleActForm(Sent):
    """A corrected ticket (empty: the one that was corrected last), and whether what follows is to be done or shown."""

    ticket_id: str = Field("", max_length=200, pattern=NO_CONTROLS)
    apply: bool = False


class RememberedView(Told):
    """How many are new, how many were there, and the ids of those that were imported before with another content."""

    added: int = Field(ge=0)
    there: int = Field(ge=0)
    other: list[str]


class UnreadView(Told):
    """How many imported tickets no model has read yet."""

    unread: int = Field(ge=0)


class MadeKeyView(Told):
    """A new key; it is shown this once and kept nowhere."""

    key: str


class KeyView(Told):
    """A key, without what it opens."""

    id: str
    name: str
    role: Role
    created_at: AwareDatetime
    revoked_at: AwareDatetime | None


class KeysView(Told):
    """The tenant's keys, oldest first."""

    keys: list[KeyView]


class ActivationView(Told):
    """A model that a tenant has taken into use."""

    tenant: str
    name: str
    content_hash: str
    classes_hash: str
    prose_hash: str
    at: AwareDatetime
    by: str
    number: int


class ActiveView(Told):
    """The tenant's own model; null where it has the one of the house."""

    model: ActivationView | None


class ReversalView(Told):
    """What one ticket gets back (`back`, `away`: the value of before and the model's), what is not sent any more, what asks
    a person from now on, and what stays and why."""

    ticket_id: str
    desk: str
    external_id: str
    back: Values
    away: Values
    kept: dict[str, str]
    cancelled: list[str]
    review: Values


class PlanView(Told):
    """What an undo would do."""

    id: str
    tenant: str
    model_hash: str
    since: AwareDatetime
    made_at: AwareDatetime
    fields: list[str]
    reversals: list[ReversalView]


class UndoneView(Told):
    """How many tickets something was done to."""

    tickets: int


class ParkedView(Told):
    """An effect that waits for a person."""

    ticket_id: str
    effect: str
    desk: str
    external_id: str
    values: Values
    reason: str
    since: AwareDatetime


class PauseView(Told):
    """A desk that is left alone; until null: until a person says otherwise."""

    tenant: str
    desk: str
    since: AwareDatetime
    until: AwareDatetime | None
    reason: str


class DesksView(Told):
    """What waits for a person before it is written to desks."""

    parked: list[ParkedView]
    pauses: list[PauseView]


class ResumedView(Told):
    """Had the desk been paused?"""

    resumed: bool
