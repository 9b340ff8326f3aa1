"""The part of the Store port that says whose words are believed."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from tamiz.domain.records import Account, Correction, Hold, TicketRecord, WordQuery
from tamiz.domain.status import Status


class Words(Protocol):
    """People's corrections as words that can be taken back, and the accounts that are not believed."""

    def find(self, tenant: str, query: WordQuery) -> list[Correction]:
        """The corrections that a query asks for."""
        ...

    def revoke(
        self, tenant: str, ticket_id: str, sequences: Collection[int], status: Status, by: str, at: datetime
    ) -> TicketRecord:
        """Take words on a ticket back: they are kept and count no more, and the ticket is a version further. Where no word
        is left, it returns to `status`. Words that were revoked before, or are of another ticket, are passed over.

        UnknownTicketError, TransitionError.
        """
        ...

    def release(self, tenant: str, by: str) -> int:
        """The waiting words of an account wait no more; how many there were."""
        ...

    def accounts(self, tenant: str) -> list[Account]:
        """Every account that has said something, by name."""
        ...

    def hold(self, hold: Hold) -> bool:
        """Hold an account back; False where it is held already. One that is lifted as it is set only leaves its trace."""
        ...

    def lift(self, tenant: str, account: str, by: str, at: datetime) -> bool:
        """End the hold of an account; False where it is not held."""
        ...

    def held(self, tenant: str) -> list[Hold]:
        """The holds that nobody has lifted, by account."""
        ...

    def holds(self, tenant: str, account: str = "") -> list[Hold]:
        """All holds there ever were, of one account or of all, in order."""
        ...
