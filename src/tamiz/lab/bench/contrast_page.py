"""The contrast of similar texts as Markdown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Figures = Mapping[str, Any]


def contrast_section(folder: Path) -> list[str]:
    """What `python -m tamiz.lab.bench.contrast` left in this folder as contrast.json; nothing without it."""
    path = folder / "contrast.json"
    if not path.is_file():
        return []
    report: Figures = json.loads(path.read_text("utf-8"))
    own = report["own"]
    told, named = own["opposites"]["told"], own["opposites"]["named"]
    return [
        "## Similar texts that must not share an answer",
        "",
        "Pairs made from our own frames in English and Spanish (`contrast_bank.toml`): opposites, negations, other names,",
        "figures, roles, scopes and intents, and beside them phrasings that mean the same. Half of the frames and of the word",
        "pairs were held out while the word lists grew. At the first look at them 62 of 1,172 passed (5.3 %), so the rule for",
        "unknown words was made stricter, by what the development half shows when no opposite is listed; the held-out figures",
        "below are a second look, and the fresh part was written after that and looked at once. The same hand wrote bank and lists, and pairs share frames and",
        "objects, so they are not independent and the bounds are those of independent pairs.",
        "",
        "| part | way | differ, yet share an answer | at most (95 %) | mean the same and share it |",
        "|---|---|---|---|---|",
        *(_row(half, way, line) for half, ways in own["halves"].items() for way, line in ways.items()),
        "",
        f"Of {told} fresh opposites that were told, {named} were told by the two words; the others because something else in",
        "the frames differed, or because texts that are nearly the same differed in a word at all.",
        "",
        "| part | kind | language | pairs | pass the contrast | cosine ≥ 0.80 |",
        "|---|---|---|---|---|---|",
        *(
            f"| {k['half']} | {k['kind']} | {k['language']} | {k['pairs']} | {k['free']} | {k['close']} |"
            for k in own["kinds"]
        ),
        "",
        *_public(report["public"]),
        *_check(report["check"]),
        f"One comparison takes {report['microseconds']:.0f} µs of processor time for texts of a sentence.",
        "",
    ]


def _row(first: str, way: str, line: Figures) -> str:
    bound = "" if line["wrong_at_most"] is None else f"{line['wrong_at_most']:.2%}"
    wrong = f"{line['wrong']} of {line['different']:,} ({_share(line['wrong'], line['different'])})"
    passed = f"{line['passed']} of {line['same']:,} ({_share(line['passed'], line['same'])})"
    return f"| {first} | {way} | {wrong} | {bound} | {passed} |"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "–"


def _public(sets: Figures) -> list[str]:
    if not sets:
        return []
    return [
        "Pairs of other people, of any theme (a sample of each set, never used for the lists). They are harder than tickets and",
        "often differ in nothing that words show:",
        "",
        "| set | way | differ, yet share an answer | at most (95 %) | mean the same and share it |",
        "|---|---|---|---|---|",
        *(_row(name, way, line) for name, ways in sets.items() for way, line in ways.items()),
        "",
    ]


def _check(figures: Figures) -> list[str]:
    listed, explained = figures["listed"], figures["explained"]
    return [
        f"`tamiz data check` on {figures['rows']} near duplicates, {figures['slips']} of them slips of labelling and the others",
        f"opposites: of {listed + explained} pairs with different labels it lists {listed} and explains {explained}.",
        "",
    ]
