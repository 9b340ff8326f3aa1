"""API keys: made here, shown once, kept as their SHA-256."""

from __future__ import annotations

import base64
import hashlib

from tamiz.domain.errors import UnknownKeyError
from tamiz.domain.ports import Clock
from tamiz.domain.records import ApiKey, AuditEntry, Role
from tamiz.domain.storage import Store, Tx
from tamiz.domain.ticket import DEFAULT_TENANT, uuid7
from tamiz.service.accept import Bits

PREFIX = "tz_"
BITS = 256


def create(
    store: Store, clock: Clock, bits: Bits, tenant: str, name: str, role: Role, by: str
) -> tuple[str, ApiKey]:
    """A new key of 256 random bits, and what is kept of it."""
    key, kept = _made(clock, bits, tenant, name, role)
    store.write(lambda tx: _add(tx, kept, by))
    return key, kept


def first(store: Store, clock: Clock, bits: Bits) -> str:
    """An admin key for the default tenant where no key was ever made; empty where there is one."""
    key, kept = _made(clock, bits, DEFAULT_TENANT, "first", Role.ADMIN)

    def work(tx: Tx) -> str:
        if tx.keys.all(DEFAULT_TENANT):
            return ""
        _add(tx, kept, "setup")
        return key

    return store.write(work)


def revoke(store: Store, clock: Clock, tenant: str, key_id: str, by: str) -> None:
    """The key opens nothing any more. UnknownKeyError where there is no such living key."""
    moment = clock.now()

    def work(tx: Tx) -> None:
        if not tx.keys.revoke(tenant, key_id, moment):
            raise UnknownKeyError(key=key_id)
        tx.audit.add(AuditEntry(tenant, moment, by, "revoke key", key_id))

    store.write(work)


def secret(bits: Bits) -> str:
    """256 random bits in letters, digits, - and _."""
    return base64.urlsafe_b64encode(bits(BITS).to_bytes(BITS // 8, "big")).decode().rstrip("=")


def _made(clock: Clock, bits: Bits, tenant: str, name: str, role: Role) -> tuple[str, ApiKey]:
    key, moment = PREFIX + secret(bits), clock.now()
    digest = hashlib.sha256(key.encode()).hexdigest()
    return key, ApiKey(uuid7(moment, bits(74)), tenant, name, role, digest, moment)


def _add(tx: Tx, key: ApiKey, by: str) -> None:
    tx.keys.add(key)
    detail = {"role": key.role.value, "name": key.name}
    tx.audit.add(AuditEntry(key.tenant, key.created_at, by, "create key", key.id, detail))
