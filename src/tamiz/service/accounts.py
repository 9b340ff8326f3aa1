"""The accounts that correct tickets, as an administrator sees them: what they said, and whether they are believed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tamiz.domain.ports import Clock
from tamiz.domain.records import AuditEntry, Hold
from tamiz.domain.storage import Store, Tx

BY_HAND = "by hand"
"""Why an account is held back that an administrator did not like."""


@dataclass(frozen=True, slots=True)
class HoldLook:
    """A time in which an account was held back; `lifted_at` None: it still is."""

    since: datetime
    reason: str
    by: str
    lifted_at: datetime | None
    lifted_by: str


@dataclass(frozen=True, slots=True)
class AccountLook:
    """An account: the name and role of its key (empty for who has none), how many words it said, how many of them were
    revoked, wait for a second account or an administrator, or went against a sure model or other people, and when it was
    held back."""

    account: str
    name: str
    role: str
    words: int
    revoked: int
    waiting: int
    surprising: int
    newest: datetime | None
    held: bool
    holds: tuple[HoldLook, ...]


def accounts(store: Store, tenant: str) -> list[AccountLook]:
    """Every account that said a word or was held back, those first that are held back now."""

    def work(tx: Tx) -> list[AccountLook]:
        keys = {key.id: key for key in tx.keys.all(tenant)}
        said = {one.name: one for one in tx.words.accounts(tenant)}
        holds = tx.words.holds(tenant)
        found = []
        for name in sorted({*said, *(one.account for one in holds)}):
            key, own = keys.get(name), said.get(name)
            history = tuple(_hold(one) for one in holds if one.account == name)
            found.append(
                AccountLook(
                    name,
                    key.name if key else "",
                    key.role.value if key else "",
                    own.words if own else 0,
                    own.revoked if own else 0,
                    own.waiting if own else 0,
                    own.against if own else 0,
                    own.newest if own else None,
                    any(one.lifted_at is None for one in history),
                    history,
                )
            )
        return sorted(found, key=lambda one: not one.held)

    return store.read(work)


def hold(store: Store, clock: Clock, tenant: str, account: str, by: str) -> bool:
    """From now on no word of the account influences other tickets. False where that is so already."""
    now = clock.now()

    def work(tx: Tx) -> bool:
        done = tx.words.hold(Hold(tenant, account, now, BY_HAND, by))
        if done:
            tx.audit.add(AuditEntry(tenant, now, by, "hold account", account))
        return done

    return store.write(work)


def lift(store: Store, clock: Clock, tenant: str, account: str, by: str) -> bool:
    """Believe an account again, also the words of it that wait. False where there is nothing to lift. What surprises is
    counted anew from here on."""
    now = clock.now()

    def work(tx: Tx) -> bool:
        lifted, released = tx.words.lift(tenant, account, by, now), tx.words.release(tenant, account)
        if lifted or released:
            detail = {"released": str(released)}
            tx.audit.add(AuditEntry(tenant, now, by, "lift account", account, detail))
        return bool(lifted or released)

    return store.write(work)


def _hold(one: Hold) -> HoldLook:
    return HoldLook(one.since, one.reason, one.by, one.lifted_at, one.lifted_by)
