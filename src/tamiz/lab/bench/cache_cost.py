"""What the memory costs in processor time, beside predicting: a text that was there before, one in other words, a new one."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from tamiz.domain.records import Revision, Vector
from tamiz.domain.status import Status
from tamiz.domain.storage import Store, Tx
from tamiz.domain.ticket import DEFAULT_TENANT, CanonicalText, RawMessage, Ticket
from tamiz.domain.triage import Prediction, Triage
from tamiz.domain.vectors import digest, packed
from tamiz.lab.bench.cache_rows import Rows
from tamiz.memory.exact import ExactIndex
from tamiz.memory.spaces import Spaces
from tamiz.models.encoder import EncoderModel
from tamiz.pipeline.triage import triage
from tamiz.service.judge import Judge
from tamiz.service.recall import CachePolicy, Recollector
from tamiz.store.sqlite import SqliteStore

SIZES = (1_000, 20_000)
BATCH, BATCHES, ROUNDS = 32, 6, 3
CHUNK = 500
WHEN = datetime(2026, 1, 1, tzinfo=UTC)


def costs(model: EncoderModel, rows: Rows) -> dict[str, Any]:
    """Milliseconds of processor time per ticket, in batches of 32: predicting, and what memory adds to it with so many tickets
    in it. `exact` is a text that is there, which needs no prediction; `miss` one that nothing is near enough to or
    that is refused; `verified` the same with every check passed (the text itself under another digest)."""
    texts = [a.text for a in rows.arrivals]
    shown = [text.text for text in texts[-BATCH * BATCHES :]]
    report: dict[str, Any] = {"predict": _each(lambda: model.predict(shown), len(shown))}
    judge = Judge(model, model.policy, lambda message: CanonicalText(message.body, "", message.body))
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder, closing(SqliteStore(Path(folder))) as store:
            filled(store, model, rows, size)
            report[str(size)] = _memory(store, judge, rows, size)
    return report


def filled(store: Store, model: EncoderModel, rows: Rows, size: int) -> None:
    """Put the first tickets into a store, as a service that has triaged them leaves them."""
    for start in range(0, size, CHUNK):
        chosen = range(start, min(start + CHUNK, size))
        triages = triaged(model, rows, chosen)

        def work(tx: Tx, chosen: range = chosen, triages: Sequence[Triage] = triages) -> None:
            for i, one in zip(chosen, triages, strict=True):
                text = rows.arrivals[i].text
                tx.tickets.add(Ticket(f"t{i}", RawMessage("", text.body), WHEN))
                tx.tickets.save(Revision(DEFAULT_TENANT, f"t{i}", 1, WHEN, one), Status.NEEDS_HUMAN, text)
                data = packed(rows.units[i].tolist())
                space = model.info.content_hash
                tx.vectors.add(Vector(DEFAULT_TENANT, space, f"t{i}", data, digest=digest(text.text)), size)

        store.write(work)


def triaged(model: EncoderModel, rows: Rows, chosen: Sequence[int]) -> list[Triage]:
    """What the pipeline makes of predictions that are known."""
    said = {rows.arrivals[i].text.text: rows.predictions[i] for i in chosen}
    views = {f"t{i}": rows.arrivals[i].text for i in chosen}
    known = _Known(model, said)
    tickets = [Ticket(f"t{i}", RawMessage(f"t{i}", ""), WHEN) for i in chosen]
    return triage(tickets, known, model.policy, lambda message: views[message.subject])


class _Known:
    def __init__(self, model: EncoderModel, said: Mapping[str, Prediction]) -> None:
        self.info, self.taxonomy, self.policy, self._said = model.info, model.taxonomy, model.policy, said

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        return [self._said[text] for text in texts]


def _memory(store: Store, judge: Judge, rows: Rows, size: int) -> dict[str, float]:
    spaces = Spaces(store, size, ExactIndex)
    recollector = Recollector(store, spaces, DEFAULT_TENANT, judge, CachePolicy())
    old = list(range(size - BATCH * BATCHES, size))
    fresh = list(range(len(rows.arrivals) - BATCH * BATCHES, len(rows.arrivals)))
    other = old if size == len(rows.arrivals) else fresh

    def known(chosen: Sequence[int]) -> Callable[[], None]:
        return lambda: _batches(recollector, rows, chosen, known=True)

    def remembered(chosen: Sequence[int]) -> Callable[[], None]:
        return lambda: _batches(recollector, rows, chosen, known=False)

    remembered(old)()  # the searcher takes everything in
    return {
        "exact": _each(known(old), len(old)),
        "verified": _each(remembered(old), len(old)),
        "miss": _each(remembered(other), len(other)),
    }


def _batches(recollector: Recollector, rows: Rows, chosen: Sequence[int], known: bool) -> None:
    for start in range(0, len(chosen), BATCH):
        part = chosen[start : start + BATCH]
        tickets = [Ticket(f"new{i}", RawMessage("", ""), WHEN) for i in part]
        texts = [rows.arrivals[i].text for i in part]
        predictions = [
            replace(rows.predictions[i], embedding=tuple(np.asarray(rows.units[i]).tolist())) for i in part
        ]
        found = recollector.known(tickets, texts)
        recollector.remembered(tickets, texts, predictions, found if known else [None] * len(part))


def _each(work: Callable[[], object], count: int) -> float:
    """Milliseconds of processor time per ticket, of the best round."""
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.process_time()
        work()
        best = min(best, time.process_time() - started)
    return 1_000.0 * best / count
