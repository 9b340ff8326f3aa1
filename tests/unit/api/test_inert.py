"""Statements, line breaks, escape sequences and paths in whatever a client may send are data and do nothing."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest

for package in ("fastapi", "httpx", "sqlalchemy", "alembic", "cryptography"):
    pytest.importorskip(package, reason="the extra 'serve' is not installed")

from tamiz.domain.errors import ArtifactError, ModelNotFoundError
from tamiz.domain.records import Role
from tamiz.domain.storage import Store
from tamiz.domain.taxonomy import infer
from tamiz.models.artifact import write_artifact
from tamiz.models.registry import FileRegistry
from tamiz.observe.logs import ROOT, log, to_stream
from tamiz.store.backup import check
from tamiz.store.sqlite import SqliteStore

from ..models.test_artifact import manifest
from .rig import TEXT, Service, generous, running

STATEMENTS = (
    "'; DROP TABLE tickets; --",
    "' OR '1'='1",
    "x' UNION SELECT digest FROM api_keys --",
    '"; DELETE FROM jobs; --',
    "%' AND randomblob(1000000000) --",
    ":tenant",
    "{{7*7}} ${7*7} %(tenant)s",
    "$(touch /tmp/pwned); `id` | cat",
)
BREAKS = (
    "a\r\nSet-Cookie: x=1\r\n\r\n<html>",
    'a\n{"event": "forged"}',
    "\x1b[2J\x1b]0;x\x07",
    "a\u2028b\u0085c",
)
PATHS = (
    "../../../../etc/passwd",
    "..\\..\\windows",
    "/etc/passwd",
    "file:///etc/passwd",
    "%2e%2e%2f",
    "....//",
    "C:\\x",
    "~",
)
EVIL = (*STATEMENTS, *BREAKS, *PATHS)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(SqliteStore(tmp_path / "data")) as one:
        yield one


@pytest.fixture
def service(store: Store, runner: asyncio.Runner) -> Iterator[Service]:
    with running(runner, store=store, limits=generous(stream_seconds=0.0)) as one:
        yield one


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = to_stream(stream, logging.DEBUG)
    yield stream
    logging.getLogger(ROOT).removeHandler(handler)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize("text", EVIL)
def test_texts_ids_and_keys_are_data(service: Service, store: Store, tmp_path: Path, text: str) -> None:
    before, other = files(tmp_path), service.submit(tenant="b")
    ticket = service.submit(
        subject=text, body=f"{text} The VPN drops.", external_id=text if text.isprintable() else "x"
    )
    again = {**TEXT, "body": text}
    keyed = [
        service.post("/classify", again, headers={"Idempotency-Key": text.encode("utf-8", "replace")})
        for _ in range(2)
        if text.isascii() and text.isprintable()
    ]
    for answer in keyed:
        assert answer.status_code in (202, 422)
        assert answer.json().get("ticket_id") == keyed[0].json().get("ticket_id")
    service.work()
    found = service.get(f"/tickets/{ticket}").json()
    assert found["status"] != "Failed"
    assert service.get(f"/tickets/{quote(text, safe='')}").status_code in (404, 405)
    assert service.get(f"/tickets/{quote(text, safe='')}", tenant="b").status_code in (404, 405)
    for query in ("cursor", "desk", "status", "since"):
        assert service.get(f"/tickets?{query}={quote(text, safe='')}").status_code == 422
    note = service.post(f"/tickets/{ticket}/feedback", {"fields": {"category": "Access"}, "note": text})
    assert note.status_code in (200, 422)
    assert service.post(f"/tickets/{ticket}/feedback", {"fields": {text: text}}).status_code == 422
    for header in ("X-API-Key", "If-Match", "If-None-Match", "Last-Event-ID", "traceparent"):
        if text.isascii() and text.isprintable():
            assert service.get(f"/tickets/{ticket}", headers={header: text}).status_code in (200, 401, 422)
    rows = service.get("/tickets", tenant="b").json()["tickets"]
    assert [row["ticket_id"] for row in rows] == [other]
    assert files(tmp_path) == before
    assert check(tmp_path / "data" / "tamiz.sqlite") == []


@pytest.mark.parametrize("tenant", EVIL)
def test_a_tenant_may_be_called_anything(
    store: Store, tmp_path: Path, tenant: str, runner: asyncio.Runner
) -> None:
    from dataclasses import replace

    from tamiz.api.auth import digest_of
    from tamiz.domain.records import ApiKey

    with running(runner, store=store, limits=generous()) as service:
        own, before = service.submit(), files(tmp_path)
        key = ApiKey("evil", tenant, tenant, Role.ADMIN, digest_of("tz_" + "e" * 32), service.clock.now())
        store.write(lambda tx: tx.keys.add(key))
        service.keys[tenant, Role.ADMIN] = "tz_" + "e" * 32
        ticket = service.submit(tenant=tenant)
        service.work()
        seen = [row["ticket_id"] for row in service.get("/tickets", tenant=tenant).json()["tickets"]]
        assert seen == [ticket]
        assert service.get(f"/tickets/{own}", tenant=tenant).status_code == 404
        assert store.read(lambda tx: tx.keys.all(tenant)) == [replace(key)]
        assert files(tmp_path) == before


@pytest.mark.parametrize("text", EVIL)
def test_a_log_line_stays_one_line_of_json(lines: io.StringIO, text: str) -> None:
    log(text, ticket=text, reason=text)
    (line,) = lines.getvalue().splitlines()
    assert line.isprintable()
    assert line.isascii()
    assert json.loads(line)["ticket"] == text


@pytest.mark.parametrize("name", [*PATHS, "", ".", "..", "a/b", "a\x00b"])
def test_a_models_name_is_no_path(tmp_path: Path, name: str) -> None:
    registry = FileRegistry(tmp_path / "house" / "home", {})
    with pytest.raises((ModelNotFoundError, ArtifactError)):
        registry.resolve(name)
    folder = write_artifact(tmp_path / "m", manifest(name=name), infer("t", {"area": ["A", "B"]}), {})
    if Path(name).name == name and name not in ("", ".", "..") and "\\" not in name and "\x00" not in name:
        assert registry.add(folder).is_relative_to(tmp_path / "house" / "home" / "models")
        return
    with pytest.raises(ArtifactError, match="no name"):
        registry.add(folder)
    assert files(tmp_path) == files(tmp_path / "m") | {"m"} or not (tmp_path / "house").exists()
