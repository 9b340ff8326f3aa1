"""The shapes of what an administrator says and sees of people's corrections."""

from __future__ import annotations

from pydantic import AwareDatetime, Field

from tamiz.api.admin_forms import PLAIN, Values
from tamiz.api.forms import Moment, Sent, Told
from tamiz.domain.status import Status

MAYBE = r"^[^\x00-\x1f\x7f]*$"


class RevertForm(Sent):
    """Which corrections are to be taken back: of an account (since a moment), on a ticket, or the one with a number. What is
    given must all hold; of a moment alone, and of nothing, nothing is taken back."""

    account: str = Field("", max_length=200, pattern=MAYBE)
    since: Moment | None = Field(None, strict=False)
    ticket_id: str = Field("", max_length=200, pattern=MAYBE)
    sequence: int = Field(0, ge=0, le=2**62)


class AccountForm(Sent):
    """An account, by the id of its key."""

    account: str = Field(min_length=1, max_length=200, pattern=PLAIN)


class WantedView(Told):
    """Which corrections were meant."""

    account: str
    since: AwareDatetime | None
    ticket_id: str
    sequence: int


class ReturnView(Told):
    """What one ticket gets back: the numbers of the words that go, its status then, and of each field whose value changes
    what stands there now and then."""

    ticket_id: str
    desk: str
    external_id: str
    words: list[int]
    words_left: int
    status: Status
    away: Values
    back: Values


class RevertPlanView(Told):
    """What will be taken back. Desks keep what stands there: no correction is ever written to one."""

    id: str
    tenant: str
    wanted: WantedView
    made_at: AwareDatetime
    returns: list[ReturnView]


class RevertedView(Told):
    """How many words were taken back."""

    words: int


class HoldView(Told):
    """A time in which an account was held back; until null: it still is."""

    since: AwareDatetime
    reason: str
    by: str
    lifted_at: AwareDatetime | None
    lifted_by: str


class AccountView(Told):
    """An account, by the id of its key: what it said, and whether it is believed."""

    account: str
    name: str
    role: str
    words: int
    revoked: int
    waiting: int
    surprising: int
    newest: AwareDatetime | None
    held: bool
    holds: list[HoldView]


class AccountsView(Told):
    """Every account that said a word, those first that are held back."""

    accounts: list[AccountView]


class ChangedView(Told):
    """Was anything changed?"""

    changed: bool
