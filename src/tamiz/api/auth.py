"""Who asks, and may they: API keys, roles, and the one table that says what each endpoint needs."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import Request

from tamiz.api.limits import Buckets, too_many
from tamiz.api.parts import Parts
from tamiz.api.problems import Problem
from tamiz.api.threads import Threads
from tamiz.domain.errors import ConfigError
from tamiz.domain.records import ApiKey, Role
from tamiz.domain.ticket import DEFAULT_TENANT
from tamiz.service.trust import OPEN

PUBLIC = None
"""The role of an endpoint that needs no key."""

NEEDS: Mapping[tuple[str, str], Role | None] = {
    ("POST", "/classify"): Role.SUBMIT,
    ("POST", "/tickets/batch"): Role.SUBMIT,
    ("GET", "/tickets/{ticket_id}"): Role.SUBMIT,
    ("GET", "/tickets/{ticket_id}/events"): Role.SUBMIT,
    ("GET", "/tickets"): Role.READ,
    ("GET", "/tickets/{ticket_id}/similar"): Role.READ,
    ("POST", "/tickets/{ticket_id}/feedback"): Role.REVIEW,
    ("POST", "/tickets/{ticket_id}/ripple"): Role.REVIEW,
    ("POST", "/predict"): Role.SUBMIT,
    ("POST", "/predict_batch"): Role.SUBMIT,
    ("GET", "/labels"): Role.SUBMIT,
    ("GET", "/schema"): Role.SUBMIT,
    ("GET", "/models"): Role.READ,
    ("GET", "/metrics"): Role.READ,
    ("POST", "/admin/keys"): Role.ADMIN,
    ("GET", "/admin/keys"): Role.ADMIN,
    ("DELETE", "/admin/keys/{key_id}"): Role.ADMIN,
    ("GET", "/admin/model"): Role.ADMIN,
    ("POST", "/admin/model"): Role.ADMIN,
    ("POST", "/admin/model/rollback"): Role.ADMIN,
    ("POST", "/admin/undo"): Role.ADMIN,
    ("POST", "/admin/undo/{plan_id}"): Role.ADMIN,
    ("POST", "/admin/corrections/revert"): Role.ADMIN,
    ("POST", "/admin/corrections/revert/{revert_id}"): Role.ADMIN,
    ("GET", "/admin/accounts"): Role.ADMIN,
    ("POST", "/admin/accounts/hold"): Role.ADMIN,
    ("POST", "/admin/accounts/lift"): Role.ADMIN,
    ("POST", "/admin/corrections/ripple"): Role.ADMIN,
    ("GET", "/admin/desks"): Role.ADMIN,
    ("POST", "/admin/desks/retry"): Role.ADMIN,
    ("POST", "/admin/desks/resume"): Role.ADMIN,
    ("POST", "/admin/backfill"): Role.ADMIN,
    ("GET", "/admin/backfill"): Role.ADMIN,
    ("GET", "/openapi.json"): Role.SUBMIT,
    ("GET", "/docs"): PUBLIC,
    ("GET", "/health"): PUBLIC,
    ("GET", "/health/live"): PUBLIC,
    ("GET", "/health/ready"): PUBLIC,
}
"""(method, path) → the least role that may call it. Who hands tickets in may look at one by its id, which nobody can
guess, and nothing else."""

_KEY = re.compile(r"tz_[A-Za-z0-9_-]{16,128}\Z")
_RANK = {role: rank for rank, role in enumerate(Role)}
_LOOPBACK = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?\Z")
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="tamiz"'}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the id of a key, its tenant and its role. The administrator of this machine may act for every tenant."""

    key_id: str
    tenant: str
    role: Role
    everywhere: bool = False

    def acting_for(self, tenant: str) -> str:
        """The tenant that is meant; empty is the caller's own. Problem (403) where it is another's."""
        if tenant in ("", self.tenant) or self.everywhere:
            return tenant or self.tenant
        raise Problem(403, "This key is not for that tenant.", kind="forbidden")


def role_for(method: str, path: str) -> Role | None:
    """The least role for an endpoint. ConfigError where the table does not know it, so that no app starts with it."""
    if (method, path) not in NEEDS:
        raise ConfigError(key=f"{method} {path}", mistake="no role is stated for this endpoint")
    return NEEDS[method, path]


def digest_of(key: str) -> str:
    """What is kept of a key: its SHA-256 (hex). Comparing digests tells nothing about keys, however long it takes."""
    return hashlib.sha256(key.encode()).hexdigest()


def loopback(host: str) -> bool:
    """Does the name or address mean this machine alone?"""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Keyring:
    """Keys by digest, remembered for a short while; a revoked one is refused after `Limits.key_seconds` at the latest."""

    def __init__(self, parts: Parts, threads: Threads) -> None:
        self._parts, self._threads = parts, threads
        self._known: OrderedDict[str, tuple[ApiKey | None, float]] = OrderedDict()

    async def find(self, key: str) -> ApiKey | None:
        """The living key; None where there is none."""
        digest, now = digest_of(key), self._parts.clock.monotonic()
        found, until = self._known.get(digest, (None, now))
        if until > now:
            return found
        found = await self._threads.read(self._parts.store, lambda tx: tx.keys.by_digest(digest))
        if found is not None and found.revoked_at is not None:
            found = None
        self._known[digest] = (found, now + self._parts.limits.key_seconds)
        self._known.move_to_end(digest)
        if len(self._known) > self._parts.limits.remembered:
            self._known.popitem(last=False)
        return found


class Guard:
    """Lets requests in."""

    def __init__(self, parts: Parts, threads: Threads) -> None:
        limits = parts.limits
        self._open_to, self._host = parts.open_to, parts.host
        self._keyring = Keyring(parts, threads)
        self._rates = Buckets(parts.clock, limits.rate, limits.burst, limits.remembered)
        self._refused = Buckets(parts.clock, limits.refused_rate, limits.refused_burst, limits.remembered)

    async def admit(self, request: Request, needed: Role) -> Caller:
        """Who asks. Problem: 401 without a living key, 403 below the role that is needed, 429 too often."""
        caller = self._at_home(request, needed) or await self._caller(request, needed)
        self.spend(caller)
        if _RANK[caller.role] < _RANK[needed]:
            raise Problem(403, f"This needs a key with the role '{needed.value}' at least.", kind="forbidden")
        return caller

    def spend(self, caller: Caller, tokens: float = 1.0) -> None:
        """Count requests of a caller. Problem (429) where there are too many."""
        wait = self._rates.take(caller.key_id, tokens)
        if wait:
            raise too_many(wait, "This key has sent too many requests.")

    def _at_home(self, request: Request, needed: Role) -> Caller | None:
        """Who holds the token of the lock file: for what nobody below an administrator may do, and from this machine."""
        if self._host is None or needed is not Role.ADMIN or request.client is None:
            return None
        if not hmac.compare_digest(digest_of(presented(request)), self._host.digest):
            return None
        server = request.scope.get("server") or ("",)
        here = request.client.host == server[0] or loopback(request.client.host)
        return Caller(self._host.name, DEFAULT_TENANT, Role.ADMIN, everywhere=True) if here else None

    async def _caller(self, request: Request, needed: Role) -> Caller:
        key = presented(request)
        # Not for administrators: a page in a browser can send a POST without a body anywhere without being asked.
        if not key and self._open_to is not None and needed is not Role.ADMIN:
            if not _LOOPBACK.match(request.headers.get("host", "")):
                raise Problem(
                    403, "Without a key only this machine is served, by its own name.", kind="foreign-host"
                )
            return Caller(OPEN, *self._open_to)
        found = await self._keyring.find(key) if _KEY.match(key) else None
        if found is None:
            raise self._unknown(request)
        return Caller(found.id, found.tenant, found.role)

    def _unknown(self, request: Request) -> Problem:
        wait = self._refused.take(request.client.host if request.client else "")
        if wait:
            return too_many(wait, "Too many requests without a valid key.")
        detail = "A valid API key is needed."
        hint = "Send it as 'Authorization: Bearer tz_…' or 'X-API-Key: tz_…'."
        return Problem(401, detail, kind="no-key", hint=hint, headers=_CHALLENGE)


def presented(request: Request) -> str:
    """The key that a request carries; empty for none, and something that is no key where it carries two, or another
    kind of credentials."""
    given = [value.strip() for value in request.headers.getlist("x-api-key")]
    for value in request.headers.getlist("authorization"):
        scheme, _, key = value.partition(" ")
        given.append(key.strip() if scheme.lower() == "bearer" else "?")
    if len(set(given)) > 1:
        return "?"
    return (given[0] or "?") if given else ""
