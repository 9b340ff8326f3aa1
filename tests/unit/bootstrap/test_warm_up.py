"""What is loaded at the first need is loaded before the first ticket, and a model that fails then fails no worker."""

from __future__ import annotations

import io
import json
import logging

import pytest

pytest.importorskip("sqlalchemy", reason="the extra 'serve' is not installed")

from tamiz.bootstrap.server import warm_up
from tamiz.domain.gate import Policy
from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.observe.logs import ROOT, to_stream
from tamiz.service.judge import Judge
from tamiz.testing.manual_clock import ManualClock
from tamiz.testing.scripted import Answer, ScriptedModel
from tamiz.text import canonicalize, language


def judged_by(answer) -> Judge:
    return Judge(ScriptedModel(default_taxonomy(), answer), Policy(), canonicalize)


def test_model_and_language_are_ready_before_the_first_ticket() -> None:
    asked: list[str] = []

    def answer(text: str) -> Answer:
        asked.append(text)
        return {}

    language._identifier.cache_clear()
    warm_up(lambda tenant: judged_by(answer), ManualClock())
    assert len(asked) == 1
    assert language._identifier.cache_info().currsize == 1


def test_a_model_that_fails_is_told_and_harms_nobody() -> None:
    def answer(text: str) -> Answer:
        raise RuntimeError("no memory")

    stream = io.StringIO()
    handler = to_stream(stream)
    warm_up(lambda tenant: judged_by(answer), ManualClock())
    logging.getLogger(ROOT).removeHandler(handler)
    (told,) = map(json.loads, stream.getvalue().splitlines())
    assert (told["event"], told["error"]) == ("warm-up failed", "RuntimeError")
