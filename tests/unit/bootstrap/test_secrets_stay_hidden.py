"""Secrets are in no repr, no message and no traceback: of settings, stores, vault and clients of providers."""

from __future__ import annotations

import io
import os
import pprint
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

for package in ("sqlalchemy", "psycopg", "alembic", "cryptography", "httpx"):
    pytest.importorskip(package, reason="the extra 'serve' is not installed")

from tamiz.bootstrap.server import open_store
from tamiz.bootstrap.settings import Settings, load_settings
from tamiz.bootstrap.writers import find_writer
from tamiz.domain.errors import TamizError
from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.store.vault import Vault

WORD = "hunter2-7c1f"
MASTER = "a7" * 32
SECRETS = (WORD, MASTER, "a7a7a7a7", repr(bytes.fromhex(MASTER)))
ENVIRON = {
    "TAMIZ_LLM_KEY": WORD,
    "TAMIZ_LLM_KIND": "openai",
    "TAMIZ_LLM_MODEL": "m",
    "TAMIZ_LLM_URL": "http://127.0.0.1:9/v1",
    "TAMIZ_STORE_URL": f"postgresql://tamiz:{WORD}@127.0.0.1:9/tamiz",
    "TAMIZ_VAULT_KEY": MASTER,
}


def shown(thing: object) -> str:
    """All that a careless line of code would print of a thing."""
    return "\n".join([repr(thing), str(thing), f"{thing!s:>3}", pprint.pformat(thing)])


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({**ENVIRON, "TAMIZ_HOME": str(tmp_path / "home")}, tmp_path)


def test_settings_show_no_secret(settings: Settings) -> None:
    told = shown(settings) + shown(settings.llm) + settings.model_dump_json() + str(settings.model_dump())
    assert not any(secret in told for secret in SECRETS)
    assert "**" in told


def test_vault_store_and_clients_show_no_secret(settings: Settings) -> None:
    embedded = settings.model_copy(update={"store_url": type(settings.store_url)("")})
    with closing(open_store(embedded)) as store:
        told = shown(Vault(bytes.fromhex(MASTER))) + shown(store) + shown(vars(store))
    writer = find_writer(settings, default_taxonomy())
    told += shown(writer) + shown(writer.info) + shown(vars(writer))
    assert not any(secret in told for secret in SECRETS)


def failures(settings: Settings) -> Iterator[Callable[[], object]]:
    wrong = settings.model_copy(update={"vault_key": type(settings.vault_key)(f"{WORD}{MASTER}")})
    address = settings.model_copy(
        update={"store_url": type(settings.store_url)(f"{WORD} no address {MASTER}")}
    )
    yield lambda: open_store(settings)
    yield lambda: open_store(wrong)
    yield lambda: open_store(address)
    yield lambda: Vault(WORD.encode())
    yield lambda: load_settings({"TAMIZ_LLM_KEY": WORD, "TAMIZ_LLM_KIND": "nonsense"}, Path("/nonexistent"))


@pytest.mark.parametrize("number", range(5))
def test_no_failure_tells_a_secret(settings: Settings, number: int) -> None:
    attempt = list(failures(settings))[number]
    with pytest.raises(TamizError) as caught:
        attempt()
    told = io.StringIO()
    traceback.print_exception(caught.value, file=told)
    told.write(caught.value.one_line() + shown(caught.value))
    assert not any(secret in told.getvalue() for secret in SECRETS)


@pytest.mark.parametrize(
    "key",
    ["key = 'x'\n[llm]\nkey = 'hunter2-7c1f'", "vault_key = 'hunter2-7c1f'", "[llm\nkey = 'hunter2-7c1f'"],
)
def test_a_secret_in_a_file_is_refused_without_repeating_it(tmp_path: Path, key: str) -> None:
    (tmp_path / "tamiz.toml").write_text(key)
    with pytest.raises(TamizError) as caught:
        load_settings({}, tmp_path)
    assert WORD not in shown(caught.value) + "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "command", [["serve", "--port", "0"], ["work"], ["keys", "list"], ["store", "backup", "x"]]
)
def test_a_command_that_fails_tells_no_secret(tmp_path: Path, command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tamiz", *command],
        cwd=tmp_path,
        env={**os.environ, **ENVIRON, "TAMIZ_LLM_KIND": "off", "TAMIZ_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert not any(secret in done.stdout + done.stderr for secret in SECRETS)


def test_what_the_store_raises_quotes_no_ticket(tmp_path: Path) -> None:
    from sqlite3 import Error

    from sqlalchemy.exc import SQLAlchemyError

    with (
        closing(open_store(Settings(home=tmp_path))) as store,
        pytest.raises((SQLAlchemyError, Error)) as caught,
    ):
        store.change(
            lambda tx: tx.sql.run("INSERT INTO tickets (tenant, body) VALUES (:t, :b)", t="a", b=WORD)
        )
    assert WORD not in "".join(traceback.format_exception(caught.value))
