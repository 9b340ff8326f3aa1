"""The vault: raw text under AES-256-GCM, a data key per tenant, each wrapped by one master key.

A row carries the id of its data key, so keys can be rotated while old rows stay readable; dropping a tenant's data keys
makes its raw text unreadable in every copy and backup at once. Nonces are 96 random bits: rotate a data key before it has
sealed 2^32 texts. Without a master key the raw text is kept as it is, under the key id ''.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from os import urandom

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tamiz.domain.errors import ConfigError, StoreError
from tamiz.store.sql import Sql, insert_into
from tamiz.store.tables import DATA_KEYS

KEY_BYTES = 32
_NONCE_BYTES = 12

_ADD = insert_into(DATA_KEYS)
_NEWEST = "SELECT id, master, wrapped FROM data_keys WHERE tenant = :tenant ORDER BY number DESC LIMIT 1"
_ONE = "SELECT id, master, wrapped FROM data_keys WHERE tenant = :tenant AND id = :id"
_ALL = "SELECT tenant, id, master, wrapped FROM data_keys ORDER BY tenant, id"
_FOREIGN = "SELECT tenant FROM data_keys WHERE master <> :master LIMIT 1"
_WRAP = "UPDATE data_keys SET master = :master, wrapped = :wrapped WHERE tenant = :tenant AND id = :id"
_DROP = "DELETE FROM data_keys WHERE tenant = :tenant"


@dataclass(frozen=True, slots=True)
class Vault:
    """Seals and opens raw text. `master` has 32 bytes, or none: no encryption. ConfigError for another length."""

    master: bytes = field(default=b"", repr=False)
    random: Callable[[int], bytes] = urandom

    def __post_init__(self) -> None:
        if len(self.master) not in (0, KEY_BYTES):
            raise ConfigError(key="vault key", mistake=f"{len(self.master)} bytes instead of {KEY_BYTES}")

    @property
    def fingerprint(self) -> str:
        """Tells one master key from another without telling the key; empty where there is none."""
        return sha256(b"tamiz vault master key" + self.master).hexdigest()[:16] if self.master else ""

    def seal(self, sql: Sql, tenant: str, ticket_id: str, plain: bytes) -> tuple[str, bytes]:
        """The id of the tenant's newest data key, made now if there is none, and the text under it."""
        if not self.master:
            return "", plain
        row = sql.one(_NEWEST, tenant=tenant)
        key_id, key = (row[0], self._unwrap(tenant, *row)) if row else self.rotate(sql, tenant)
        return key_id, self._encrypt(key, plain, _context(tenant, ticket_id))

    def open(self, sql: Sql, tenant: str, ticket_id: str, key_id: str, sealed: bytes) -> bytes | None:
        """The text that was sealed; None where its data key was dropped. StoreError where it cannot be read."""
        if not key_id:
            return sealed
        row = sql.one(_ONE, tenant=tenant, id=key_id)
        if row is None:
            return None
        return _decrypt(
            self._unwrap(tenant, *row), sealed, _context(tenant, ticket_id), f"ticket '{ticket_id}'"
        )

    def rotate(self, sql: Sql, tenant: str) -> tuple[str, bytes]:
        """A new data key for what the tenant stores from now on: its id, and the key. Old rows keep theirs."""
        key_id, key = self.random(8).hex(), self.random(KEY_BYTES)
        sql.run(
            _ADD,
            tenant=tenant,
            id=key_id,
            number=sql.next_number(tenant, "data_keys"),
            master=self.fingerprint,
            wrapped=self._encrypt(self.master, key, _context(tenant, key_id)),
        )
        return key_id, key

    def rewrap(self, sql: Sql, new: Vault) -> int:
        """Rotate the master key: wrap every data key with that of `new`, and count them. No text is sealed again.
        From then on the store is opened with `new`; ConfigError where that has no key."""
        if not new.master:
            raise ConfigError(key="vault key", mistake="raw text is encrypted, so a new key is needed")
        rows = sql.all(_ALL)
        for tenant, key_id, master, wrapped in rows:
            key = self._unwrap(tenant, key_id, master, wrapped)
            again = new._encrypt(new.master, key, _context(tenant, key_id))
            sql.run(_WRAP, tenant=tenant, id=key_id, master=new.fingerprint, wrapped=again)
        return len(rows)

    def drop(self, sql: Sql, tenant: str) -> int:
        """Forget a tenant's data keys, and count them: what was sealed under them can never be read again."""
        return sql.run(_DROP, tenant=tenant)

    def tag(self, tenant: str, text: str) -> str:
        """A keyed hash that tells nobody the text who does not have both; empty without a master key."""
        if not self.master:
            return ""
        return hmac.digest(self.master, b"tamiz tag" + _context(tenant, text), "sha256").hex()[:32]

    def check(self, sql: Sql) -> None:
        """StoreError where data keys are wrapped by another master key than this one."""
        row = sql.one(_FOREIGN, master=self.fingerprint)
        if row is not None:
            raise StoreError(reason=f"the raw text of tenant '{row[0]}' is encrypted with another vault key")

    def _unwrap(self, tenant: str, key_id: str, master: str, wrapped: bytes) -> bytes:
        if master != self.fingerprint:
            raise StoreError(reason=f"data key {key_id} is wrapped by another vault key")
        return _decrypt(self.master, wrapped, _context(tenant, key_id), f"data key {key_id}")

    def _encrypt(self, key: bytes, plain: bytes, context: bytes) -> bytes:
        nonce = self.random(_NONCE_BYTES)
        return nonce + AESGCM(key).encrypt(nonce, plain, context)


def _decrypt(key: bytes, sealed: bytes, context: bytes, what: str) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context)
    except (InvalidTag, ValueError) as error:
        raise StoreError(reason=f"{what} is damaged: its seal does not hold") from error


def _context(tenant: str, name: str) -> bytes:
    """Binds a sealed value to its place, so that it cannot be moved to another row or tenant."""
    return f"{len(tenant)}:{tenant}{name}".encode("utf-8", "surrogatepass")
