"""What strangers can do to the memory of others is measured, and told as a page."""

from __future__ import annotations

import json
from dataclasses import asdict
from random import Random

import pytest

pytest.importorskip("sqlalchemy", reason="the extra 'serve' is not installed")

from tamiz.lab.bench.live_page import felt_section, strangers_section
from tamiz.lab.bench.tenants import probed, told


def test_equal_times_tell_nothing_and_shorter_ones_all() -> None:
    nothing = told([0.010] * 500, [0.010] * 500)
    assert nothing.auc == 0.5
    assert nothing.low < 0.5 < nothing.high
    everything = told([0.001] * 50, [0.010] * 50)
    assert (everything.auc, everything.copy_ms, everything.new_ms) == (1.0, 1.0, 10.0)


def test_every_text_is_asked_once_in_an_order_that_mixes_both() -> None:
    asked: list[str] = []
    found = probed(asked.append, ["a"] * 50, ["b"] * 60, Random(0))
    assert (found.copies, found.new) == (50, 60)
    assert (asked.count("a"), asked.count("b")) == (50, 60)
    assert "a" in asked[:20]
    assert "b" in asked[:20]


def test_searched_texts_come_nearer_and_hardly_any_is_served(tmp_path) -> None:
    pytest.importorskip("torch", reason="the bench compares with a model that needs it")
    from tamiz.bootstrap.wiring import starter_folder
    from tamiz.lab.bench import collide
    from tamiz.models.encoder import EncoderModel

    figures = collide.run(EncoderModel.open(starter_folder("model")), 12, tmp_path, steps=3, seed=0)
    assert figures["attacks"] == 12
    assert figures["before"] < figures["after"]
    assert figures["served"] <= figures["agree"] <= figures["near"] <= figures["usual"]
    assert figures["near"] >= 4
    assert max(figures["served"], figures["told"]) <= 2
    (tmp_path / "collide.json").write_text(json.dumps(figures), "utf-8")
    assert f"| cosine ≥ 0.80 | {figures['usual']} |" in "\n".join(strangers_section(tmp_path))


def test_the_page_tells_what_was_measured_and_nothing_else(tmp_path) -> None:
    assert strangers_section(tmp_path) == felt_section(tmp_path) == []
    one = asdict(told([0.010, 0.011], [0.011, 0.012]))
    (tmp_path / "tenants.json").write_text(json.dumps({"figures": {"another tenant": one}}), "utf-8")
    assert "| another tenant | 2 and 2 | 0.875 |" in "\n".join(strangers_section(tmp_path))
