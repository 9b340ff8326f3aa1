"""A whole service remembers what its model saw, as far as the settings want it."""

from __future__ import annotations

import time
from pathlib import Path
from random import Random

import pytest

pytest.importorskip("sqlalchemy", reason="the extra 'serve' is not installed")
pytest.importorskip("cryptography", reason="the extra 'serve' is not installed")

from tamiz.bootstrap.server import Service, open_service
from tamiz.bootstrap.settings import load_settings
from tamiz.domain.errors import ConfigError
from tamiz.domain.ticket import DEFAULT_TENANT, RawMessage
from tamiz.service.accept import TRIAGE, Submission, accept
from tamiz.service.similar import similar

TEXTS = ("The VPN drops every ten minutes", "The printer has a paper jam", "My VPN connection is unstable")


def triaged(service: Service) -> list[str]:
    """The ids of TEXTS, when the last of them has been triaged."""
    bits = Random(1).getrandbits
    waiting = [accept(service.store, service.clock, bits, Submission(RawMessage(text, ""))) for text in TEXTS]
    ids = [future.result().ticket_id for future in waiting]
    service.pool.wake(TRIAGE)
    end = time.monotonic() + 30
    while any(
        service.store.read(lambda tx, i=i: tx.tickets.get(DEFAULT_TENANT, i).revision) == 0 for i in ids
    ):
        assert time.monotonic() < end
        time.sleep(0.02)
    return ids


@pytest.mark.parametrize("keep", [0, 20])
def test_a_ticket_like_this_one_is_found(tmp_path, keep) -> None:
    environ = {"TAMIZ_HOME": str(tmp_path), "TAMIZ_MEMORY_KEEP": str(keep)}
    service = open_service(load_settings(environ, tmp_path))
    service.start()
    try:
        ids = triaged(service)
        taxonomy = service.judges(DEFAULT_TENANT).taxonomy
        found = similar(service.store, service.memory, taxonomy, DEFAULT_TENANT, ids[0], 1)
    finally:
        service.stop(5.0)
    nearest = [(found.searched, one.look.record.id) for one in found.found]
    assert nearest == ([(2, ids[2])] if keep else [])


def test_less_than_nothing_cannot_be_kept() -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings({"TAMIZ_MEMORY_KEEP": "-1"}, Path("nowhere"))
    assert caught.value.facts["key"] == "memory.keep"
