"""Campaigns on the language model that ships: speed, validity, attacks.

python -m tamiz.lab.bench.llm speed --out docs/figures/llm-speed.json
python -m tamiz.lab.bench.llm valid --runtime embedded --count 500 --out …
python -m tamiz.lab.bench.llm roundtrip --count 500 --out …
python -m tamiz.lab.bench.llm attack --system cascade --count 2240 --out …
python -m tamiz.lab.bench.llm confidence --count 2000 --out …
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jsonschema
from pydantic import SecretStr

from tamiz.bootstrap.settings import LlmSettings, Settings
from tamiz.bootstrap.sieve import Sieve, load
from tamiz.bootstrap.wiring import STARTER_LLM, cache_folder, starter_folder
from tamiz.bootstrap.writers import find_writer
from tamiz.domain import schema
from tamiz.domain.gate import FieldPolicy, Policy, decide
from tamiz.domain.ports import Question, Writer
from tamiz.domain.taxonomy import Taxonomy
from tamiz.domain.ticket import RawMessage
from tamiz.domain.triage import Pool, Prediction
from tamiz.lab.attacks.attack import campaign, paraphrases
from tamiz.lab.attacks.measure import run as measured
from tamiz.lab.bench.llm_confidence import confidence
from tamiz.lab.bench.llm_ways import Answer, Ways, triage_all
from tamiz.lab.llm.export import export_gguf, read_run
from tamiz.lab.llm.recipe import uncalibrated
from tamiz.lab.llm.torch_scorer import TorchScorer
from tamiz.lab.synth import generate
from tamiz.models.artifact import read_manifest, read_taxonomy
from tamiz.models.llm.decode import Asking, Decoded, Decoder
from tamiz.models.llm.llama import LlamaScorer, Post, Served, serve
from tamiz.models.llm.merge import merged
from tamiz.models.llm.weights import SMOLLM2, base_file
from tamiz.models.llm.writer import ADAPTER, OPTIONS, LlmModel
from tamiz.pipeline.cascade import Cascade, SummaryMode
from tamiz.testing.strange import strange_messages
from tamiz.text import canonicalize

SYSTEMS = ("plain", "constrained", "encoder", "cascade")
FINE_TUNED, APART = "fine-tuned", "fine-tuned, adapter apart"
TypedWay = Callable[[str], Answer]


def tickets(count: int, seed: int) -> list[RawMessage]:
    """Ordinary synthetic tickets of the validation split."""
    rows = [t for t in generate(2 * count, seed, split="valid") if not t.abstain]
    return [RawMessage(t.subject, t.body) for t in rows[:count]]


def typed(model: LlmModel) -> TypedWay:
    """Typed decoding of a full ticket, summary included."""
    taxonomy, fields = model.taxonomy, tuple(f.name for f in model.taxonomy.predicted)

    def answer(text: str) -> Answer:
        decoded = model.decoder.decode(Question(text, fields=fields))
        fields_ = decide(taxonomy, Prediction(decoded.distributions), Policy())
        values = {name: outcome.value for name, outcome in fields_.items()}
        summary = taxonomy.text_field
        told = {**({summary.name: decoded.summary} if summary else {}), **values}
        return Answer(told, not taxonomy.violations(told), 1)

    return answer


def speed(count: int, seed: int, weights: Sequence[str] = ()) -> dict[str, Any]:
    """Seconds per ticket and valid tickets per second of each way, with the shipped weights (the adapter merged), with
    those that the base was published with, and with the adapter apart. All ways of a row share weights, runtime and
    tickets; one model is loaded at a time, since a second one in the process slows the first."""
    folder = starter_folder("llm")
    opened: dict[str, Callable[[], LlmModel]] = {
        FINE_TUNED: lambda: LlmModel.open(folder, cache=cache_folder(Settings())),
        "as published": lambda: uncalibrated(SMOLLM2, read_taxonomy(folder, read_manifest(folder)), None),
        APART: lambda: LlmModel.open(folder),
    }
    texts = [canonicalize(message).text for message in tickets(count + 2, seed)]
    ways = {name: _ways(name, opened[name](), texts) for name in weights or opened}
    taxonomy = read_taxonomy(folder, read_manifest(folder))
    return {
        "tickets": count,
        "seed": seed,
        "ways": ways,
        "constraint_us_per_token": constraint_cost(taxonomy),
    }


def _ways(weights: str, model: LlmModel, texts: Sequence[str]) -> dict[str, Any]:
    lines = Ways(_post(model), model.taxonomy, model.told, lines=weights == FINE_TUNED)
    plain = replace(lines, lines=False)
    paths = {"typed": typed(model)}
    if weights != APART:
        paths |= {"JSON grammar": plain.grammar, "prompt and retry, JSON": plain.retry}
    if weights == FINE_TUNED:
        paths["prompt and retry, its own form"] = lines.retry
    return {name: _timed(path, texts) for name, path in paths.items()}


def constraint_cost(taxonomy: Taxonomy, rounds: int = 200) -> float:
    """Microseconds that decoding itself spends per token of the answer: the model behind it answers at once."""
    fields = tuple(f.name for f in taxonomy.predicted)
    scorer = _Instant()
    decoder = Decoder(scorer, taxonomy, Asking("{fields}"))
    decoder.decode(Question("warm", fields=fields))
    start = time.perf_counter()
    written = 0
    for _ in range(rounds):
        scorer.longest = 0
        decoder.decode(Question("ticket", fields=fields))
        written += scorer.longest
    return (time.perf_counter() - start) / written * 1e6


class _Instant:
    """A Scorer that costs nothing: words are tokens, every option is as likely."""

    name = "instant"
    longest = 0

    def chat(self, messages: Sequence[dict[str, str]]) -> str:
        return messages[-1]["content"]

    def tokens(self, text: str, *, special: bool = True) -> list[int]:
        return [hash(word) for word in text.replace("\n", " \n ").split(" ") if word]

    def forget(self, beginning: Sequence[int]) -> None:
        """Nothing is kept."""

    def choose(self, prompt: Sequence[int], options: Sequence[int]) -> list[float]:
        self.longest = max(self.longest, len(prompt))
        return [1.0 / len(options)] * len(options)

    def write(self, prompt: Sequence[int], limit: int) -> str:
        return ""


def _timed(path: TypedWay, texts: Sequence[str]) -> dict[str, Any]:
    for text in texts[:2]:
        path(text)
    seconds, valid, tries = [], 0, 0
    for text in texts[2:]:
        start = time.perf_counter()
        answer = path(text)
        seconds.append(time.perf_counter() - start)
        valid += answer.valid
        tries += answer.tries
    return {
        "p50": statistics.median(seconds),
        "p95": sorted(seconds)[int(0.95 * len(seconds))],
        "tickets_per_second": len(seconds) / sum(seconds),
        "valid_per_second": valid / sum(seconds),
        "valid": valid / len(seconds),
        "tries": tries / len(seconds),
    }


def valid(runtime: str, count: int, seed: int) -> dict[str, Any]:
    """Adversarial tickets (attacked and strange ones, half each) through one runtime; every triage against the schema."""
    sieve = through(runtime)
    rows = campaign(generate(400, seed, split="valid"), sieve.taxonomy, seed, count // 2)
    messages = [row.message for row in rows]
    messages += [message for _, message in strange_messages(count - len(messages), seed)]
    checker = jsonschema.Draft202012Validator(schema.wire_schema(sieve.taxonomy))
    problems, failures, asked = [], Counter[str](), 0
    start = time.perf_counter()
    for triage in sieve.stream(messages):
        problems += [error.message for error in checker.iter_errors(triage.to_wire())]
        writer = triage.receipt.writer
        asked += writer is not None
        failures.update([writer.failure] if writer and writer.failure else [])
    return {
        "runtime": runtime,
        "tickets": len(messages),
        "asked": asked,
        "problems": problems,
        "failures": dict(failures),
        "seconds": round(time.perf_counter() - start, 1),
    }


def through(runtime: str) -> Sieve:
    """A sieve whose encoder leaves every field open, so that the language model on this runtime is asked for all."""
    encoder = load("starter", Settings()).model
    open_ended = Policy({f.name: FieldPolicy(recommend_at=2.0) for f in encoder.taxonomy.choices})
    pools = {f.name: Pool(0.0, 1.0) for f in encoder.taxonomy.predicted}
    writer = writer_on(runtime, encoder.taxonomy)
    return Sieve(encoder, open_ended, Cascade(writer, pools, SummaryMode.LLM))


def writer_on(runtime: str, taxonomy: Taxonomy) -> Writer:
    """The shipped language model, embedded, behind a llama.cpp server, behind its OpenAI protocol, or in torch."""
    folder = starter_folder("llm")
    if runtime == "embedded":
        return LlmModel.open(folder, cache=cache_folder(Settings()))
    if runtime == "transformers":
        return LlmModel.open(folder, scorer=TorchScorer.open(SMOLLM2, RUN / "adapter"))
    base = base_file(json.loads((folder / OPTIONS).read_text("utf-8"))["base"])
    served = serve(merged(base, folder / ADAPTER, cache_folder(Settings())))
    if runtime == "llama-server":
        told = LlmSettings(kind="llama-server", url=served.url, key=SecretStr(served.key))
    else:
        told = LlmSettings(kind="openai", url=f"{served.url}/v1", key=SecretStr(served.key), model="local")
    writer = find_writer(Settings(llm=told), taxonomy)
    SERVERS.append(served)
    return writer


def attack(system: str, count: int, seed: int) -> dict[str, Any]:
    """A campaign of attacks, and as many benign insertions, on one system."""
    encoder = load("starter", Settings())
    taxonomy = encoder.taxonomy
    rows = campaign(generate(2500, seed, split="valid"), taxonomy, seed, count)
    every = [*rows, *paraphrases(rows, seed)]
    if system == "plain":
        model = LlmModel.open(starter_folder("llm"), cache=cache_folder(Settings()))
        ways = Ways(_post(model), taxonomy, model.told, lines=True)
        return measured(triage_all(ways, lambda text: ways.retry(text, tries=1)), every, taxonomy, seed=seed)
    sieve = {
        "encoder": lambda: encoder,
        "constrained": lambda: load(STARTER_LLM, Settings()),
        "cascade": lambda: load("starter", Settings(llm=LlmSettings(kind="embedded"))),
    }[system]()
    return measured(lambda messages: sieve.triage(list(messages)), every, taxonomy, seed=seed)


def roundtrip(count: int, seed: int) -> dict[str, Any]:
    """The trained model in torch against each GGUF form of it in llama.cpp: on how many tickets all labels, and on how
    many questions the label, are the same."""
    folder = starter_folder("llm")
    trained = LlmModel.open(folder, scorer=TorchScorer.open(SMOLLM2, RUN / "adapter"))
    questions = [trained.question(canonicalize(message).text) for message in tickets(count, seed)]
    ours = [trained.decoder.decode(question) for question in questions]
    with TemporaryDirectory() as made:
        whole = export_gguf(read_run(RUN), Path(made) / "f16", "f16").path
        forms: dict[str, Callable[[], LlmModel]] = {
            "exported as f16": lambda: LlmModel.open(folder, scorer=LlamaScorer.open(whole)),
            "adapter on the 4-bit base": lambda: LlmModel.open(folder),
            "merged in 8 bits, as shipped": lambda: LlmModel.open(folder, cache=cache_folder(Settings())),
        }
        told = {name: _agreement(ours, opened(), questions) for name, opened in forms.items()}
    return {"tickets": count, "seed": seed, "forms": told}


def _agreement(ours: Sequence[Decoded], model: LlmModel, questions: Sequence[Question]) -> dict[str, Any]:
    names = [f.name for f in model.taxonomy.predicted]
    same, gaps = [], []
    for mine, question in zip(ours, questions, strict=True):
        theirs = model.decoder.decode(question).distributions
        label, share = zip(*(mine.distributions[name].best for name in names), strict=True)
        same.append([theirs[n].best[0] == one for n, one in zip(names, label, strict=True)])
        gaps += [abs(theirs[n].of(one) - p) for n, one, p in zip(names, label, share, strict=True)]
    return {
        "same_ticket": statistics.fmean(map(all, same)),
        "same_label": statistics.fmean(hit for row in same for hit in row),
        "fields": {
            n: statistics.fmean(column) for n, column in zip(names, zip(*same, strict=True), strict=True)
        },
        "mean_gap": statistics.fmean(gaps),
        "worst_gap": max(gaps),
    }


def _post(model: LlmModel) -> Post:
    scorer = model.decoder.scorer
    assert isinstance(scorer, LlamaScorer)
    return scorer.post


SERVERS: list[Served] = []
"""Servers of this process; they end with it."""

RUN = Path("runs/it-helpdesk-llm/run")
"""The training of the recipe; its PEFT adapter lies in `adapter`."""


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["speed", "valid", "attack", "roundtrip", "confidence"])
    parser.add_argument(
        "--runtime", default="embedded", choices=["embedded", "llama-server", "openai", "transformers"]
    )
    parser.add_argument("--system", default="cascade", choices=SYSTEMS)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    told = parser.parse_args()
    if told.what == "speed":
        report = speed(told.count, told.seed)
    elif told.what == "valid":
        report = valid(told.runtime, told.count, told.seed)
    elif told.what == "roundtrip":
        report = roundtrip(told.count, told.seed)
    elif told.what == "confidence":
        shipped = LlmModel.open(starter_folder("llm"), cache=cache_folder(Settings()))
        report = confidence(shipped, told.count, told.seed)
    else:
        report = {"system": told.system, **attack(told.system, told.count, told.seed)}
    told.out.parent.mkdir(parents=True, exist_ok=True)
    told.out.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(told_of(report))


def told_of(report: dict[str, Any]) -> str:
    """The figures without their long tables."""
    short = {key: value for key, value in report.items() if key not in ("families", "places")}
    return json.dumps(short, indent=1, ensure_ascii=False)


if __name__ == "__main__":
    main()
