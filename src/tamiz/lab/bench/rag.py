"""Do solved tickets in the prompt help a small language model? With none, one, three and five of them; on tickets that are
filed by a habit of the house; and with commands in the solved tickets' text.

Run: python -m tamiz.lab.bench.rag --out docs/figures/rag.json (an hour on a quiet core; a stopped run goes on with the
same command, from the answers in --log).

Tickets and memory are of scenarios that neither model saw in training. People looked at half of the memory and corrected what
the encoder had wrong there; those tickets are what is shown.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from tamiz.bootstrap.settings import Settings
from tamiz.bootstrap.sieve import load
from tamiz.bootstrap.wiring import cache_folder, starter_folder
from tamiz.domain.ports import Neighbour, Question, Remembering
from tamiz.domain.taxonomy import NONE
from tamiz.domain.ticket import RawMessage
from tamiz.domain.triage import Pool, Prediction, Vote
from tamiz.lab.attacks.attack import Attacked, campaign, paraphrases
from tamiz.lab.bench.rag_figures import figures
from tamiz.lab.data.example import Example
from tamiz.lab.data.synthetic import example_of
from tamiz.lab.synth import SynthTicket, generate
from tamiz.lab.vote import START
from tamiz.models.llm.decode import Decoder
from tamiz.models.llm.llama import LlamaScorer
from tamiz.models.llm.merge import merged
from tamiz.models.llm.prompt import Message, Shown
from tamiz.models.llm.weights import SMOLLM2, base_file
from tamiz.models.llm.writer import ADAPTER, LlmModel
from tamiz.pipeline.cascade import Cascade, SummaryMode, consult
from tamiz.pipeline.evidence import Evidence
from tamiz.pipeline.recall import Remembered
from tamiz.pipeline.vote import Voice, examples, votes
from tamiz.service.recall import HEARD, VOICES
from tamiz.text import canonicalize

SEEN = 0.5
"""Share of the memory at which people looked."""
HABITS, HABIT_TICKETS = 12, 5
HABIT = "assignment_group"
ATTACKS = 100
TIMED, BARE = 4, 10
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """A ticket of a scenario, what the encoder says of it, and how near the memory's tickets are."""

    ticket: SynthTicket
    example: Example
    prediction: Prediction


@dataclass
class Bench:
    """The models, the tickets to ask about and the tickets that people corrected."""

    seed: int
    count: int
    sieve: Any = field(default_factory=lambda: load("starter", Settings()))

    @cached_property
    def model(self) -> LlmModel:
        """The shipped adapter on one thread: a thread that waits for another one would count as work."""
        folder, base = starter_folder("llm"), base_file(SMOLLM2)
        scorer = LlamaScorer.open(merged(base, folder / ADAPTER, cache_folder(Settings())), threads=1)
        return LlmModel.open(folder, scorer=scorer)

    @cached_property
    def untuned(self) -> LlmModel:
        """The base as it was published, shown the labels."""
        scorer = LlamaScorer.open(base_file(SMOLLM2), threads=1)
        asking = replace(self.model.decoder.asking, shown=Shown.LABELS)
        return LlmModel(self.model.info, self.model.taxonomy, scorer, asking)

    @cached_property
    def cases(self) -> list[Case]:
        """Ordinary tickets of the test's scenarios, in a drawn order; the first `count` are asked about."""
        tickets = [t for t in generate(self.count + 600, self.seed + 1000, split="test") if not t.abstain]
        Random(self.seed).shuffle(tickets)
        told = [example_of(ticket) for ticket in tickets]
        predictions = self.sieve.model.predict([e.text for e in told])
        return [Case(*each) for each in zip(tickets, told, predictions, strict=True)]

    @cached_property
    def units(self) -> Any:
        """Unit vectors [N, D] of all cases."""
        return np.array([case.prediction.embedding for case in self.cases], np.float32)

    @cached_property
    def corrected(self) -> dict[int, dict[str, str]]:
        """Row → what a person told of it, the fields that the encoder had wrong."""
        rows = range(self.count, len(self.cases))
        seen = Random(self.seed).sample(rows, int(SEEN * len(rows)))
        told = {i: self._wrong(self.cases[i]) for i in seen}
        return {i: labels for i, labels in told.items() if labels}

    def _wrong(self, case: Case) -> dict[str, str]:
        own = case.prediction.distributions
        return {n: label for n, label in case.example.labels.items() if n in own and own[n].best[0] != label}

    def near(self, row: int, k: int, whole: bool = False) -> tuple[Neighbour, ...]:
        """What the service would show: `whole` with the values that people let stand too."""
        found = []
        for i, told in self.corrected.items():
            labels = self.cases[i].example.labels if whole else told
            similarity = float(self.units[row] @ self.units[i])
            found.append(Neighbour(str(i), similarity, labels, self.cases[i].example.text))
        found.sort(key=lambda each: -each.similarity)
        return examples(found[: 3 * k], k, self.model.taxonomy.primary)


class Listed(Decoder):
    """A decoder that is shown solved tickets as a list in the question instead of as turns before it."""

    def turns(self, question: Question) -> list[Message]:
        """The chat up to the answer."""
        told, *solved, ticket = super().turns(question)
        lines = [
            f"{shown['content']}\n{said['content']}"
            for shown, said in zip(solved[::2], solved[1::2], strict=True)
        ]
        if not lines:
            return [told, ticket]
        told["content"] += "\nSolved before:\n" + "\n".join(lines)
        return [told, ticket]


def bank(bench: Bench, row: int) -> Row:
    """One ticket, asked for all fields in every way, and through the cascade."""
    case, names = bench.cases[row], tuple(f.name for f in bench.model.taxonomy.predicted)
    plain = Question(case.example.text, case.example.language, names, summary=False)
    found: Row = {
        "truth": dict(case.example.labels),
        "encoder": _labels(case.prediction.distributions),
        "similarity": [n.similarity for n in bench.near(row, 5)],
        "language": case.example.language,
        "scenario": case.example.group,
    }
    decoder = bench.model.decoder
    listed = Listed(decoder.scorer, decoder.taxonomy, decoder.asking)
    ways: dict[str, tuple[Decoder, tuple[Neighbour, ...]]] = {
        "0": (decoder, ()),
        "1": (decoder, bench.near(row, 1)),
        "3": (decoder, bench.near(row, 3)),
        "5": (decoder, bench.near(row, 5)),
        "whole 1": (decoder, bench.near(row, 1, whole=True)),
        "whole 3": (decoder, bench.near(row, 3, whole=True)),
        "listed 1": (listed, bench.near(row, 1, whole=True)),
    }
    for name, (asked, shown) in ways.items():
        found[name] = _timed(asked, replace(plain, examples=shown))
    said = voted(bench, row, bench.corrected)
    found["voted"] = _labels(Evidence(case.prediction, votes=said).voted.distributions)
    for k in (0, 3):
        shown = bench.near(row, k) if k else ()
        found[f"cascade {k}"] = _cascade(bench, case, Remembered(examples=shown))
        found[f"cascade {k}, votes"] = _cascade(bench, case, Remembered(said, examples=shown))
    return found


def _timed(decoder: Decoder, question: Question) -> Row:
    before, wall = time.process_time(), time.perf_counter()
    told = decoder.decode(question).distributions
    return {
        "labels": _labels(told),
        "sure": {name: round(d.best[1], 4) for name, d in told.items()},
        "cpu": time.process_time() - before,
        "wall": time.perf_counter() - wall,
        "shown": len(question.examples),
    }


def _labels(told: Mapping[str, Any]) -> dict[str, str]:
    return {name: d.best[0] for name, d in told.items()}


def _cascade(bench: Bench, case: Case, remembered: Remembered) -> Row:
    learned = bench.model.pools_with(bench.sieve.model.info.content_hash)
    pools = {name: _pool(weights) for name, weights in learned.items()}
    cascade = Cascade(bench.model, pools, SummaryMode.EXTRACTIVE)
    view = canonicalize(RawMessage(case.ticket.subject, case.ticket.body))
    done = consult(
        cascade,
        view,
        case.prediction,
        bench.model.taxonomy,
        bench.sieve.policy,
        remembered=remembered,
    )
    return {
        "labels": _labels(done.prediction.distributions),
        "asked": sorted(done.written.distributions) if done.written else [],
        "suggested": {
            n: str(o.value or NONE) for n, o in done.outcomes.items() if o.decision.value != "review"
        },
    }


def _pool(weights: Mapping[str, Any]) -> Pool:
    return Pool(weights["encoder"], weights["writer"], tuple(weights["bias"]))


def voted(bench: Bench, row: int, told: Mapping[int, Mapping[str, str]]) -> dict[str, Vote]:
    """What the vote of these corrected tickets is, without a language model."""
    voices = [
        Voice(str(i), float(bench.units[row] @ bench.units[i]), labels, f"person {i % 5}", START)
        for i, labels in told.items()
    ]
    near = sorted((v for v in voices if v.similarity >= HEARD), key=lambda v: -v.similarity)[:VOICES]
    own, model = bench.cases[row].prediction, bench.sieve.model
    known = model.resembling(own.embedding, VOICES) if near and isinstance(model, Remembering) else ()
    return votes(near, own, bench.model.taxonomy, known=known)


def habits(bench: Bench) -> list[tuple[int, str, list[int]]]:
    """Rows to ask about, the label that the house gives their scenario, and rows of the scenario that people filed so."""
    rng, groups = Random(bench.seed + 1), dict[str, list[int]]()
    for i, case in enumerate(bench.cases):
        groups.setdefault(case.example.group, []).append(i)
    large = sorted(name for name, rows in groups.items() if len(rows) >= HABIT_TICKETS + 3)
    keys = bench.model.taxonomy.field(HABIT).keys
    found = []
    for name in rng.sample(large, min(HABITS, len(large))):
        rows = rng.sample(groups[name], HABIT_TICKETS + 3)
        usual = {bench.cases[i].example.labels[HABIT] for i in rows}
        label = rng.choice([key for key in keys if key not in usual])
        found += [(row, label, rows[:3]) for row in rows[3:]]
    rng.shuffle(found)
    return found


def habit(bench: Bench, row: int, label: str, filed: Sequence[int]) -> Row:
    """One ticket of a scenario that the house files by its own habit."""
    case = bench.cases[row]
    near = sorted(filed, key=lambda i: -float(bench.units[row] @ bench.units[i]))
    similarity = float(bench.units[row] @ bench.units[near[0]])
    found: Row = {"habit": label, "truth": case.example.labels[HABIT], "similarity": similarity}
    for k in (0, 1, 3):
        shown = tuple(Neighbour(str(i), 1.0, {HABIT: label}, bench.cases[i].example.text) for i in near[:k])
        question = Question(case.example.text, case.example.language, (HABIT,), {}, False, shown)
        found[str(k)] = bench.model.decoder.decode(question).distributions[HABIT].best[0]
        told = {i: {HABIT: label} for i in near[:k]}
        said = voted(bench, row, told)
        found[f"vote {k}"] = Evidence(case.prediction, votes=said).voted.distributions[HABIT].best[0]
    return found


def attacks(bench: Bench) -> list[tuple[Attacked, Attacked]]:
    """Attacks that command a label, each beside a benign insertion of its length."""
    tickets = [case.ticket for case in bench.cases[bench.count :]]
    rows = campaign(tickets, bench.model.taxonomy, bench.seed, 4 * ATTACKS)
    names = {f.name: f.classes for f in bench.model.taxonomy.predicted}
    rows = [row for row in rows if row.target in names.get(row.field, ())][:ATTACKS]
    return list(zip(rows, paraphrases(rows, bench.seed), strict=True))


def attack(bench: Bench, bad: Attacked, good: Attacked) -> Row:
    """A ticket of the same scenario, shown a solved ticket with nothing, an attack, or harmless words in its text."""
    solved = next(case for case in bench.cases if case.ticket.id == bad.ticket)
    rest = [c for c in bench.cases if c.example.group == solved.example.group and c is not solved]
    asked = next((c for c in rest if c.example.labels.get(bad.field) != bad.target), None)
    if asked is None:
        return {}
    found: Row = {"family": bad.family, "field": bad.field, "target": bad.target}
    for name, message in {"clean": bad.clean, "attack": bad.message, "benign": good.message}.items():
        shown = Neighbour("", 1.0, solved.example.labels, canonicalize(message).text)
        question = Question(asked.example.text, asked.example.language, (bad.field,), {}, False, (shown,))
        found[name] = bench.model.decoder.decode(question).distributions[bad.field].best[0]
    found["told"] = solved.example.labels.get(bad.field, "")
    return found


def bare(bench: Bench, row: int) -> Row:
    """One ticket before the untuned base: its primary field alone."""
    case, names = bench.cases[row], (bench.model.taxonomy.primary,)
    found: Row = {"truth": {n: case.example.labels[n] for n in names}}
    for k in (0, 3):
        shown = bench.near(row, k, whole=True) if k else ()
        question = Question(case.example.text, case.example.language, names, {}, False, shown)
        found[str(k)] = _timed(bench.untuned.decoder, question)
    return found


def timing(bench: Bench, row: int) -> Row:
    """A ticket with another one before it, so that nothing but the instruction is remembered."""
    names = tuple(f.name for f in bench.model.taxonomy.predicted)
    found: Row = {}
    for k in (0, 1, 3, 5):
        for i in (row + 1, row):
            shown = bench.near(i, k) if k else ()
            asked = Question(bench.cases[i].example.text, "en", names, summary=False, examples=shown)
            if i != row:
                bench.model.decoder.decode(replace(asked, fields=names[:1]))
        found[str(k)] = {**_timed(bench.model.decoder, asked), "tokens": bench.model.decoder.length(asked)}
    return found


def tasks(bench: Bench, parts: Sequence[str]) -> Iterator[tuple[str, Callable[[], Row]]]:
    """All questions in turn, part by part mixed, so that a run which is cut short has some of each."""
    lists: dict[str, list[Callable[[], Row]]] = {
        "bank": [lambda i=i: bank(bench, i) for i in range(bench.count)],  # type: ignore[misc]
        "habit": [lambda a=a: habit(bench, *a) for a in habits(bench)],  # type: ignore[misc]
        "attack": [lambda a=a: attack(bench, *a) for a in attacks(bench)],  # type: ignore[misc]
        "bare": [lambda i=i: bare(bench, i) for i in range(min(BARE, bench.count))],  # type: ignore[misc]
        "timing": [lambda i=i: timing(bench, i) for i in range(TIMED)],  # type: ignore[misc]
    }
    named = [[(f"{part} {n}", one) for n, one in enumerate(lists[part])] for part in parts]
    for row in zip_longest(*named):
        yield from (each for each in row if each is not None)


def run(bench: Bench, log: Path, parts: Sequence[str], seconds: float) -> None:
    """Ask what is not in the log yet, for at most so long."""
    log.parent.mkdir(parents=True, exist_ok=True)
    done = (
        {json.loads(line)["key"] for line in log.read_text("utf-8").splitlines()} if log.exists() else set()
    )
    started = time.monotonic()
    with log.open("a", encoding="utf-8") as file:
        for key, one in tasks(bench, parts):
            if time.monotonic() - started > seconds:
                break
            if key not in done:
                file.write(json.dumps({"key": key, **one()}) + "\n")
                file.flush()


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--log", type=Path, default=Path("runs/rag.jsonl"))
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=7200.0)
    parser.add_argument("--parts", default="bank,habit,attack,timing,bare")
    told = parser.parse_args()
    bench = Bench(told.seed, told.count)
    run(bench, told.log, told.parts.split(","), told.seconds)
    rows = [json.loads(line) for line in told.log.read_text("utf-8").splitlines()]
    report = {"seed": told.seed, **figures(rows)}
    told.out.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
