"""Admin over HTTP: what a command says to the service that has the data folder.

The client is the standard library's, which knows no proxies: the token goes to this machine and nowhere else.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

from pydantic import TypeAdapter, ValidationError

from tamiz.domain.errors import InputError, StoreError, StoreUnavailableError, TamizError
from tamiz.domain.records import Activation, Role
from tamiz.service.accounts import AccountLook
from tamiz.service.admin import DesksLook, KeyLook
from tamiz.service.backfill import Chunk, Remembered
from tamiz.service.revert import RevertPlan, Wanted
from tamiz.service.ripple import RipplePlan
from tamiz.service.undo import UndoPlan

T = TypeVar("T")

TIMEOUT = 900.0
"""Seconds; opening a model and planning an undo take their time."""

_MISTAKES = (400, 404, 405, 413, 415, 422)


class RemoteAdmin:
    """Admin through a running service. Its problems are raised as what they were there, word for word.

    StoreUnavailableError where the service cannot be asked, or answers as none; StoreError where its answer is lost, and
    what it did with it. `by` goes unsaid: whoever can read the token
    is this machine's administrator, and the service writes that down.
    """

    def __init__(self, address: str, token: str, timeout: float = TIMEOUT) -> None:
        self._address, self._token, self._timeout = address, token, timeout

    def __repr__(self) -> str:
        return f"RemoteAdmin({self._address!r})"

    def create_key(self, tenant: str, name: str, role: Role, by: str) -> str:
        """A new key."""
        answer = self._ask("POST", "/admin/keys", tenant, {"name": name, "role": role.value})
        return str(answer["key"])

    def keys(self, tenant: str) -> list[KeyLook]:
        """The tenant's keys, oldest first."""
        return self._read(list[KeyLook], self._ask("GET", "/admin/keys", tenant)["keys"])

    def revoke_key(self, tenant: str, key_id: str, by: str) -> None:
        """Close a key for good."""
        self._ask("DELETE", f"/admin/keys/{_part(key_id)}", tenant)

    def active(self, tenant: str) -> Activation | None:
        """The tenant's own model."""
        return self._activation(self._ask("GET", "/admin/model", tenant))

    def activate(self, tenant: str, model: str, by: str) -> Activation:
        """Take a model into use."""
        found = self._activation(self._ask("POST", "/admin/model", tenant, {"model": model}))
        assert found is not None
        return found

    def rollback(self, tenant: str, by: str) -> Activation | None:
        """Go back to the model of before."""
        return self._activation(self._ask("POST", "/admin/model/rollback", tenant))

    def plan_undo(self, tenant: str, model: str, since: datetime, fields: Sequence[str] = ()) -> UndoPlan:
        """Plan; the service keeps the plan for `undo`."""
        wanted = {"model": model, "since": _moment(since), "fields": list(fields)}
        return self._read(UndoPlan, self._ask("POST", "/admin/undo", tenant, wanted))

    def undo(self, tenant: str, plan_id: str, by: str) -> int:
        """Do what a plan says."""
        return int(self._ask("POST", f"/admin/undo/{_part(plan_id)}", tenant)["tickets"])

    def plan_revert(self, tenant: str, wanted: Wanted) -> RevertPlan:
        """Plan; the service keeps the plan for `revert`."""
        since = None if wanted.since is None else _moment(wanted.since)
        sent = {"account": wanted.account, "ticket_id": wanted.ticket_id, "sequence": wanted.sequence}
        return self._read(
            RevertPlan, self._ask("POST", "/admin/corrections/revert", tenant, {**sent, "since": since})
        )

    def revert(self, tenant: str, plan_id: str, by: str) -> int:
        """Do what a plan says."""
        return int(self._ask("POST", f"/admin/corrections/revert/{_part(plan_id)}", tenant)["words"])

    def accounts(self, tenant: str) -> list[AccountLook]:
        """Who corrects tickets."""
        return self._read(list[AccountLook], self._ask("GET", "/admin/accounts", tenant)["accounts"])

    def hold(self, tenant: str, account: str, by: str) -> bool:
        """No word of an account influences other tickets."""
        return bool(self._ask("POST", "/admin/accounts/hold", tenant, {"account": account})["changed"])

    def lift(self, tenant: str, account: str, by: str) -> bool:
        """Believe an account again."""
        return bool(self._ask("POST", "/admin/accounts/lift", tenant, {"account": account})["changed"])

    def desks(self, tenant: str) -> DesksLook:
        """What waits for a person."""
        return self._read(DesksLook, self._ask("GET", "/admin/desks", tenant))

    def retry(self, tenant: str, ticket_id: str, effect: str, by: str) -> None:
        """Have a parked effect tried anew."""
        self._ask("POST", "/admin/desks/retry", tenant, {"ticket_id": ticket_id, "effect": effect})

    def resume(self, tenant: str, desk: str, by: str) -> bool:
        """A desk may be written to again."""
        return bool(self._ask("POST", "/admin/desks/resume", tenant, {"desk": desk})["resumed"])

    def backfill(self, tenant: str, chunk: Chunk, by: str) -> Remembered:
        """Keep solved tickets of the past."""
        sent = TypeAdapter(Chunk).dump_python(chunk, mode="json")
        return self._read(Remembered, self._ask("POST", "/admin/backfill", tenant, sent))

    def unread(self, tenant: str) -> int:
        """How many of them no model has read yet."""
        return int(self._ask("GET", "/admin/backfill", tenant)["unread"])

    def ripple(self, tenant: str, ticket_id: str, by: str, *, apply: bool = False) -> RipplePlan:
        """What the words on a ticket change elsewhere."""
        sent = {"ticket_id": ticket_id, "apply": apply}
        return self._read(RipplePlan, self._ask("POST", "/admin/corrections/ripple", tenant, sent))

    def _activation(self, answer: Mapping[str, Any]) -> Activation | None:
        return self._read(Activation, answer["model"]) if answer["model"] is not None else None

    def _read(self, shape: type[T], data: Any) -> T:
        try:
            return TypeAdapter(shape).validate_python(data)
        except ValidationError as error:
            raise self._strange() from error

    def _ask(self, method: str, path: str, tenant: str, sent: Mapping[str, Any] | None = None) -> Any:
        """The JSON of a good answer, None where it is empty; a problem is raised."""
        status, body = self._exchange(method, f"{path}?{urlencode({'tenant': tenant})}", sent)
        if status == http.client.NO_CONTENT:
            return None
        try:
            found = json.loads(body)
        except ValueError as error:
            raise self._strange() from error
        if status < http.client.BAD_REQUEST:
            return found
        if not isinstance(found, dict) or "detail" not in found:
            raise self._strange()
        raise raised(status, found)

    def _exchange(self, method: str, target: str, sent: Mapping[str, Any] | None) -> tuple[int, bytes]:
        place = urlsplit(self._address)
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        # Not as escapes: a text of a foreign script would be three times as long.
        body = None if sent is None else json.dumps(sent, ensure_ascii=False).encode("utf-8")
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=self._timeout)
        try:
            self._connect(connection)
            connection.request(method, target, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            told = f"the service at {self._address} was asked and did not answer ({error})"
            raise StoreError(reason=f"{told}; look whether it was done before you repeat it.") from error
        finally:
            connection.close()

    def _connect(self, connection: http.client.HTTPConnection) -> None:
        try:
            connection.connect()
        except OSError as error:
            reason = f"the service at {self._address} has the data folder and does not answer ({error})"
            raise StoreUnavailableError(reason=reason) from error

    def _strange(self) -> StoreUnavailableError:
        return StoreUnavailableError(reason=f"what answers at {self._address} is no Tamiz of this version")


def raised(status: int, problem: Mapping[str, Any]) -> TamizError:
    """The error that a problem was made of, word for word. One that was made of none is the caller's mistake where the
    status says so."""
    name = str(problem.get("type", "")).removeprefix("urn:tamiz:problem:")
    other = InputError if status in _MISTAKES else TamizError
    found = next((one for one in _tree(TamizError) if one.kind() == name), other)
    places = "".join(f" {one.get('where')}: {one.get('problem')}." for one in problem.get("errors", ()))
    return found.retold(f"{problem['detail']}{places}")


def _tree(kind: type[TamizError]) -> Iterator[type[TamizError]]:
    for one in kind.__subclasses__():
        yield one
        yield from _tree(one)


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _part(name: str) -> str:
    return quote(name, safe="")
