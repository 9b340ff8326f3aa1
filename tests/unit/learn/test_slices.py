"""What teaches is never like what is judged; the newest word on a text holds."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

for package in ("sklearn", "scipy"):
    pytest.importorskip(package, reason="the extra 'train' is not installed")

from tamiz.lab.data.example import Example
from tamiz.lab.data.splits import unseen
from tamiz.lab.learn.job import Golden, Job, Taught
from tamiz.lab.learn.slices import cut, resolved, with_weak

WORDS = [
    a + b for a in ("ka", "lo", "mi", "nu", "pe", "ra", "so", "ti") for b in ("ben", "dor", "fim", "gul")
]


def row(number: int, text: str = "", weak: dict[str, str] | None = None, **labels: str) -> Taught:
    words = text or " ".join(random.Random(number).sample(WORDS, 8))
    return Taught(Example(f"t{number}", words, labels, time=f"2026-01-01T{number:06}"), weak or {})


def test_of_equal_texts_the_newest_word_holds_field_by_field() -> None:
    rows = [
        row(1, "VPN down", topic="Mail", level="Low"),
        row(2, "other text", topic="Mail"),
        row(3, "vpn  DOWN!", weak={"level": "High", "kind": "x"}, topic="Network"),
    ]
    found = resolved(rows)
    assert [(one.example.id, one.example.labels) for one in found] == [
        ("t2", {"topic": "Mail"}),
        ("t3", {"topic": "Network", "level": "Low"}),
    ]
    assert found[1].weak == {"kind": "x"}
    assert with_weak(found, True)[1].labels == {"topic": "Network", "level": "Low", "kind": "x"}
    assert with_weak(found, False)[1].labels == {"topic": "Network", "level": "Low"}


def test_slices_are_cut_by_time_and_share_no_text() -> None:
    rows = [row(number, topic="Mail") for number in range(300)]
    rows += [row(400 + number, rows[number * 7].example.text + " now", topic="Mail") for number in range(40)]
    random.Random(0).shuffle(rows)
    golden = Golden(
        1, "x", [rows[5].example, Example("g", rows[9].example.text + " here", {"topic": "Mail"})]
    )
    parts = cut(rows, golden)
    taught, judged = [one.example for one in parts.taught], list(parts.judged)
    assert max(e.time for e in taught) < min(e.time for e in judged)
    assert unseen(judged, taught) == judged
    assert unseen(parts.weighed, taught) == list(parts.weighed)
    assert len(unseen([*taught, *parts.weighed], golden.examples)) == len(taught) + len(parts.weighed)
    assert parts.counts["golden or nearly so"] >= 2
    assert parts.counts["nearly judged"] > 0


def test_a_job_goes_through_a_pipe() -> None:
    job = Job(
        "acme", Path("/a"), Path("/b"), [row(1, weak={"level": "Low"}, topic="Mail")], None, 7, weak=True
    )
    assert Job.from_json(job.to_json()) == job
    golden = Golden(2, "x", [row(3).example], 1)
    assert Job.from_json(Job("acme", Path("/a"), Path("/b"), [], golden).to_json()).golden == golden
