"""The cache as Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

Figures = Mapping[str, Any]

TOKENS = (1_300, 120)
"""Tokens that a hosted model reads and writes for a ticket: the taxonomy with its descriptions, the ticket, the answer."""
PRICES = ((0.15, 0.60), (3.00, 15.00))
"""Dollars per million tokens read and written, of a small and of a large hosted model: put your own in."""


def cache_section(folder: Path) -> list[str]:
    """What `python -m tamiz.lab.bench.cache` left in this folder as cache.json; nothing without it."""
    path = folder / "cache.json"
    if not path.is_file():
        return []
    report: Figures = json.loads(path.read_text("utf-8"))
    lines = ["## Earlier answers served again", ""]
    for name, part in (
        ("stream", _stream),
        ("pairs", _pairs),
        ("guard", _guard),
        ("week", _week),
        ("time", _time),
    ):
        if name in report:
            lines += [*part(report), ""]
    return lines


def _stream(report: Figures) -> Iterator[str]:
    s = report["stream"]
    kinds = ", ".join(f"{count:,} {name}" for name, count in s["kinds"].items())
    yield f"{s['tickets']:,} synthetic tickets of scenarios and opposites that no training and no tuning saw ({kinds};"
    yield f"{s['texts']:,} distinct texts). A hit is *wrong* where the tickets do not ask the same: another scenario, another severity,"
    yield "or a site, code, number, name or time that only one of them names; *labels* counts those of which any true label differs."
    yield "The truth stands in the place of the language model. Hits on equal texts are counted apart; they are the same in"
    yield "every way of serving other words."
    yield ""
    yield "| checks | equal text | wrong | other words | wrong | at most (95 %) | labels |"
    yield "|---|---|---|---|---|---|---|"
    for name, c in s["ways"].items():
        yield _row(name, c)
    rivals = report["rivals"]
    yield _row("all-MiniLM-L6-v2, cosine ≥ 0.80, all taught", rivals["usual"])
    for name, best in rivals["fixed"].items():
        if best["threshold"] is not None:
            yield _row(f"{name}, best cosine in hindsight (≥ {best['threshold']})", best["counts"])
    yield ""
    none = [name for name, best in rivals["fixed"].items() if best["threshold"] is None]
    if none:
        yield f"No cosine from 0.80 to 0.999 of {' or '.join(none)} serves other words with at most 1 % wrong."
    ours, usual = s["ways"]["+ error budget"], rivals["usual"]
    wrong, before = ours["wrong"] + ours["exact_wrong"], usual["wrong"] + usual["exact_wrong"]
    yield f"The usual rule serves {before:,} wrong answers, the cache {wrong} on the same tickets" + (
        f" (1 in {before / wrong:.0f} of it)." if wrong else "."
    )
    at = [c for c in s["checkpoints"] if c["verified"]]
    strict, labels = (max((c[name] / c["verified"] for c in at), default=0.0) for name in ("wrong", "labels"))
    yield f"At the worst of {len(at)} checkpoints {strict:.2%} of the answers served to other words were to another request, and"
    yield f"{labels:.2%} had another label; of all answers, equal texts among them, {_of_all(at):.2%} were to another request."
    yield ""
    yield "| what came | tickets | other words served | wrong |"
    yield "|---|---|---|---|"
    for name, c in s["by_kind"].items():
        yield f"| {name} | {c['tickets']:,} | {c['verified']} | {c['wrong']} |"
    yield ""
    service = report["service"]
    yield f"Held against the service itself on the first {service['tickets']:,} tickets, the simulation decided the same for"
    yield f"{service['same']:,} of them."


def _of_all(checkpoints: Sequence[Figures]) -> float:
    """The worst share of wrong ones among all that was served."""
    shares = ((c["wrong"] + c["exact_wrong"]) / (c["verified"] + c["exact"]) for c in checkpoints)
    return max(shares, default=0.0)


def _row(name: str, c: Figures) -> str:
    bound = "" if c["at_most"] is None else f"{c['at_most']:.2%}"
    share = f" ({c['wrong'] / c['verified']:.1%})" if c["verified"] else ""
    labels = c["labels"] + c["exact_labels"]
    return (
        f"| {name} | {c['exact']:,} | {c['exact_wrong']:,} | {c['verified']:,} | {c['wrong']:,}{share} | {bound}"
        f" | {labels:,} |"
    )


def _pairs(report: Figures) -> Iterator[str]:
    p = report["pairs"]
    yield f"Pairs of plain tickets through the whole decision: of {p['differ']:,} that must not share an answer {p['served']} would"
    yield f"({p['served'] / p['differ']:.2%}; at most {p['at_most']:.2%} if the pairs were independent)."
    yield ""
    yield "| kind | language | pairs | cosine ≥ 0.80 | near enough | served |"
    yield "|---|---|---|---|---|---|"
    for k in p["kinds"]:
        yield f"| {k['kind']} | {k['language']} | {k['pairs']} | {k['usual']} | {k['near']} | {k['served']} |"


def _guard(report: Figures) -> Iterator[str]:
    yield "The pairs that the guard of words was judged by, through the whole decision:"
    yield ""
    yield "| part | differ | served | at most (95 %) |"
    yield "|---|---|---|---|"
    for name, p in report["guard"].items():
        yield f"| {name} | {p['differ']:,} | {p['served']} | {p['at_most']:.2%} |"


def _week(report: Figures) -> Iterator[str]:
    w = report["week"]
    c, asked = w["counts"], w["asked"]
    exact, verified = w["spared"]["exact"], w["spared"]["verified"]
    kinds = ", ".join(f"{count} {name}" for name, count in w["kinds"].items())
    yield "A week of a company of 2,000, composed and not recorded (`cache_week.py`): 508 tickets of a long tail of themes, of"
    yield "which some come twice; 90 forms of fixed text; two outages that 120 people report in their own words; three weeks"
    yield f"before it are remembered. {c['tickets']} tickets ({kinds}), {w['busiest_hour']} in the busiest hour."
    yield ""
    yield f"Of {asked} tickets that the encoder leaves something open in, {exact} have the text of an earlier one and {verified} more are"
    yield f"served in other words: **{(exact + verified) / max(1, asked):.1%} of the calls spared**, {verified / max(1, asked):.1%} by other words."
    yield f"Wrong: {c['exact_wrong']} of {c['exact']} and {c['wrong']} of {c['verified']} answers of that week (over all four weeks"
    yield f"{w['all_weeks']['wrong']} of {w['all_weeks']['verified']} in other words; {w['all_weeks']['labels']} with another label)."
    spared = exact + verified
    seconds = w["seconds_per_call"]
    yield f"The shipped language model takes {seconds:.2f} s a ticket on two cores, so the week is spared {spared * seconds:.0f} s of it."
    costs = [spared * (TOKENS[0] * read + TOKENS[1] * wrote) / 1e6 for read, wrote in PRICES]
    yield f"A hosted model that reads {TOKENS[0]:,} and writes {TOKENS[1]} tokens a ticket would have cost ${costs[0]:.2f} at"
    yield f"${PRICES[0][0]:.2f} and ${PRICES[0][1]:.2f} per million tokens, ${costs[1]:.2f} at ${PRICES[1][0]:.2f} and ${PRICES[1][1]:.2f}."


def _time(report: Figures) -> Iterator[str]:
    t = report["time"]
    yield "Milliseconds of processor time per ticket, encoder alone, batches of 32; what memory adds to a prediction, except for"
    yield "an equal text, which needs none:"
    yield ""
    yield "| remembered | prediction | equal text, instead of it | other words, beside it | nothing found, beside it |"
    yield "|---|---|---|---|---|"
    for size, c in t.items():
        if size != "predict":
            yield f"| {int(size):,} | {t['predict']:.2f} | {c['exact']:.2f} | {c['verified']:.2f} | {c['miss']:.2f} |"
