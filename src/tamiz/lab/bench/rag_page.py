"""Solved tickets in the prompt, as Markdown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Figures = Mapping[str, Any]

NAMES = {
    "encoder": "the encoder alone",
    "encoder, votes": "the encoder with people's votes",
    "0": "none shown",
    "1": "one, what people told",
    "3": "three",
    "5": "five",
    "whole 1": "one, with the values that were let stand",
    "whole 3": "three, with the values that were let stand",
    "listed 1": "one, in the instruction instead of as a turn",
    "1 from 0.7": "one from a cosine of 0.7 on",
    "1 from 0.8": "one from 0.8 on",
    "1 from 0.9": "one from 0.9 on",
    "cascade 0": "cascade, none shown",
    "cascade 3": "cascade, three shown",
    "cascade 0, votes": "cascade with votes, none shown",
    "cascade 3, votes": "cascade with votes, three shown",
}


def rag_section(folder: Path) -> list[str]:
    """What `python -m tamiz.lab.bench.rag` left in this folder as rag.json; nothing without it."""
    path = folder / "rag.json"
    if not path.is_file():
        return []
    report: Figures = json.loads(path.read_text("utf-8"))
    parts = {"bank": _bank, "habit": _habit, "attack": _attack, "timing": _timing, "bare": _bare}
    told = [line for name, part in parts.items() if name in report for line in part(report[name])]
    return ["## Solved tickets in the prompt", "", *told]


def _bank(bank: Figures) -> list[str]:
    asked = bank["cascade"]["cascade 0"]["tickets"]
    head = ["what it is shown", "tickets", "right", "none shown", "difference, points (95 %)", "p"]
    suggested = [
        f"{NAMES[name]} {told['right']} of {told['suggested']}" for name, told in bank["suggested"].items()
    ]
    return [
        f"SmolLM2-135M with the shipped adapter on {bank['tickets']} tickets of {bank['scenarios']} scenarios that no model saw, all",
        "seven fields asked. Memory: other tickets of these scenarios; people looked at half of them and corrected what the",
        f"encoder had wrong. The nearest lies at a cosine of {bank['nearest']:.2f} (median). The interval of the difference resamples",
        "scenarios; p is McNemar's, which takes single answers for independent. Where a run was repeated in part, a row has fewer",
        "tickets, and is held against the same ones.",
        "",
        *_table(head, [_line(name, told) for name, told in bank["own word"].items()]),
        "",
        f"The cascade, asked for what the encoder leaves open ({bank['asked']} of {asked} tickets); right are the leading labels of all",
        f"fields. Values that no person must decide, and how many are right: {'; '.join(suggested)}.",
        "",
        *_table(
            [*head[:3], "cascade, none shown", *head[4:]],
            [_line(name, told) for name, told in bank["cascade"].items()],
        ),
        "",
        *_fields(bank["own word"]),
    ]


def _line(name: str, told: Figures) -> list[str]:
    gap = told["difference"]
    values = (100 * gap[each] for each in ("value", "low", "high"))
    points = "{:+.1f} ({:+.1f} to {:+.1f})".format(*values)
    return [
        NAMES[name],
        str(told["tickets"]),
        f"{told['right']:.1%}",
        f"{told['before']:.1%}",
        points,
        f"{told['test']['p']:.3f}" if told["test"]["p"] >= 0.001 else "< 0.001",
    ]


def _fields(own: Mapping[str, Figures]) -> list[str]:
    names = [name for name in ("1", "3", "5", "whole 1", "whole 3") if name in own]
    rows = [
        [f, *(f"{own[n]['fields'][f]:.0%} ({own[n]['fields_before'][f]:.0%})" for n in names)]
        for f in own["0"]["fields"]
    ]
    return [
        "By field, in brackets without examples:",
        "",
        *_table(["field", *(NAMES[n] for n in names)], rows),
        "",
    ]


def _habit(habit: Figures) -> list[str]:
    rows = [
        [name, f"{habit[k]['habit']}", f"{habit[k]['usual']}", f"{habit[f'vote {k}']['habit']}"]
        for k, name in (("0", "none"), ("1", "one"), ("3", "three"))
    ]
    head = [
        "confirmed tickets of the scenario",
        "model says the house's group",
        "the usual one",
        "the vote says the house's",
    ]
    told = (
        f"A house that files a scenario under another group than everybody else: {habit['tickets']} tickets."
    )
    return [told, "", *_table(head, rows), ""]


def _attack(attack: Figures) -> list[str]:
    flipped, wanted = attack["flipped"], attack["as commanded"]
    return [
        f"Commands in the text of a solved ticket, {attack['families']} families of attacks: of {attack['tickets']} answers {flipped['attack']} change against",
        f"the clean ticket, {flipped['benign']} with harmless words of the same length (p = {attack['test']['p']:.2f}); {wanted['attack']} are as commanded,",
        f"{wanted['benign']} with harmless words, {wanted['clean']} with the clean ticket (p = {attack['test of commands']['p']:.2f}).",
        "",
    ]


def _timing(timing: Figures) -> list[str]:
    rows = [
        [
            k,
            *(
                f"{timing[k][what]:{form}}"
                for what, form in (("shown", "g"), ("tokens", ".0f"), ("cpu", ".2f"))
            ),
        ]
        for k in ("0", "1", "3", "5")
    ]
    told = (
        f"Cost, {timing['tickets']} tickets, medians; the instruction is in the runtime's cache, examples never are: they come "
        "after it and differ from ticket to ticket."
    )
    return [told, "", *_table(["wanted", "shown", "tokens of the prompt", "processor seconds"], rows), ""]


def _bare(bare: Figures) -> list[str]:
    return [
        f"SmolLM2-135M as published, shown the labels, category alone: {bare['0']} of {bare['tickets']} right without examples, {bare['3']} with three",
        f"(p = {bare['test']['p']:.2f}).",
        "",
    ]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows)]
