"""Pictures as SVG text, without a drawing library: confusion matrix, reliability diagram, risk–coverage curve.

Colours come from CSS variables of the page with a fallback, so that a chart follows the page's light or dark scheme
and still reads alone (`standalone`).
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

LARGEST = 30
REST = "(all other)"

_GOOD = "var(--good, #1a7f5a)"
_BAD = "var(--bad, #c2362b)"
_ACCENT = "var(--accent, #2563eb)"
_LINE = "var(--line, #b8bec9)"

_SIZE = 320
_EDGE = 54
_LONGEST_NAME = 24


def confusion_svg(labels: Sequence[str], counts: Sequence[Sequence[int]], largest: int = LARGEST) -> str:
    """The confusion matrix of the `largest` classes by true rows; the others are gathered into one row and column.

    `counts` is [K, K] or [K + 1, K + 1] (see `metrics.confusion`), rows are the truth. A cell's strength is its share
    of the row; hits and errors differ in colour; the exact count shows on hover.
    """
    names, matrix = gathered(labels, counts, largest)
    size = len(names)
    cell = max(14, min(44, 520 // max(1, size)))
    left = 32 + 7 * min(_LONGEST_NAME, max((len(name) for name in names), default=0))
    side = size * cell
    parts = [_text(left + side / 2, 14, "chosen →", "middle"), _text(4, left + 2, "true ↓")]
    for i, name in enumerate(names):
        middle = left + (i + 0.5) * cell
        short = name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"
        parts.append(_text(left - 6, middle + 4, short, "end"))
        parts.append(
            f'<text transform="translate({middle + 4:.1f} {left - 6}) rotate(-90)">{escape(short)}</text>'
        )
        parts += _confusion_row(names, matrix, i, left, cell)
    parts.append(_frame(left, left, side, side))
    return _svg(left + side + 8, left + side + 8, parts, "Confusion matrix")


def gathered(
    labels: Sequence[str], counts: Sequence[Sequence[int]], largest: int
) -> tuple[list[str], list[list[int]]]:
    """The matrix of the largest classes with everything else in a last row and column, left out where empty."""
    full = np.zeros((len(labels) + 1, len(labels) + 1), dtype=np.int64)
    given = np.array(counts, dtype=np.int64, ndmin=2)
    full[: given.shape[0], : given.shape[1]] = given
    order = sorted(range(len(labels)), key=lambda i: (-int(full[i].sum()), labels[i]))
    kept = [i for i in order if full[i].any() or full[:, i].any()][:largest]
    groups = [[i] for i in kept] + [[i for i in range(len(full)) if i not in kept]]
    matrix = [[int(full[np.ix_(rows, columns)].sum()) for columns in groups] for rows in groups]
    names = [labels[i] for i in kept] + [REST]
    if not any(matrix[-1]) and not any(row[-1] for row in matrix):
        return names[:-1], [row[:-1] for row in matrix[:-1]]
    return names, matrix


def reliability_svg(bins: Sequence[dict[str, float]]) -> str:
    """Accuracy against confidence; the area of a dot grows with the rows of its bin, the diagonal is perfect."""
    most = max((b["rows"] for b in bins), default=1)
    parts = _axes("confidence", "share that is right", 1.0, 1.0)
    parts.append(_segment(_x(0), _y(0), _x(1), _y(1), _LINE, ' stroke-dasharray="4 4"'))
    for b in bins:
        radius = 2.5 + 7 * (b["rows"] / most) ** 0.5
        told = f"{b['rows']:.0f} rows: confidence {b['confidence']:.3f}, right {b['accuracy']:.3f}"
        x, y = _x(b["confidence"]), _y(b["accuracy"])
        parts.append(_segment(x, y, x, _y(b["confidence"]), _BAD))
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" style="fill:{_ACCENT}" fill-opacity="0.75">'
            f"<title>{escape(told)}</title></circle>"
        )
    return _svg(_SIZE, _SIZE, parts, "Reliability diagram")


def risk_coverage_svg(points: Sequence[dict[str, float]], budgets: Sequence[float] = ()) -> str:
    """Error among the most confident share of rows against that share, with a line at every error budget."""
    top = _ceiling(max([*(p["risk"] for p in points), *budgets, 0.01]))
    parts = _axes("share of rows, most confident first", "wrong among them", 1.0, top)
    for budget in budgets:
        parts.append(
            _segment(_x(0), _y(budget / top), _x(1), _y(budget / top), _GOOD, ' stroke-dasharray="3 3"')
        )
        parts.append(_text(_x(1) - 2, _y(budget / top) - 3, f"{budget:.0%}", "end"))
    line = " ".join(f"{_x(p['coverage']):.1f},{_y(p['risk'] / top):.1f}" for p in points)
    parts.append(f'<polyline points="{line}" fill="none" style="stroke:{_ACCENT}" stroke-width="2"/>')
    return _svg(_SIZE, _SIZE, parts, "Risk-coverage curve")


def standalone(svg: str) -> str:
    """An SVG file: the chart with a white ground and an XML header, for viewers without a page around it."""
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return head + svg.replace('style="color:inherit"', 'style="color:#1c2330;background:#ffffff"', 1) + "\n"


def _confusion_row(
    names: Sequence[str], matrix: list[list[int]], i: int, left: float, cell: int
) -> list[str]:
    total = max(1, sum(matrix[i]))
    parts = []
    for j, count in enumerate(matrix[i]):
        if not count:
            continue
        x, y = left + j * cell, left + i * cell
        told = f"true {names[i]}, chosen {names[j]}: {count} of {total}"
        strength = 0.12 + 0.88 * count / total
        parts.append(
            f'<rect x="{x}" y="{y}" width="{cell}" height="{cell}" style="fill:{_GOOD if i == j else _BAD}" '
            f'fill-opacity="{strength:.2f}"><title>{escape(told)}</title></rect>'
        )
        if cell >= 30:
            parts.append(_text(x + cell / 2, y + cell / 2 + 4, str(count), "middle"))
    return parts


def _axes(across: str, up: str, right: float, top: float) -> list[str]:
    inner = _SIZE - _EDGE - 12
    parts = [_frame(_EDGE, 12, inner, inner)]
    for step in range(5):
        share = step / 4
        parts.append(_text(_x(share), _SIZE - _EDGE + 16, f"{share * right:.0%}", "middle"))
        parts.append(_text(_EDGE - 5, _y(share) + 4, _percent(share * top, top), "end"))
        if 0 < step < 4:
            parts.append(_segment(_x(0), _y(share), _x(1), _y(share), _LINE, ' stroke-opacity="0.4"'))
    parts.append(_text(_x(0.5), _SIZE - 8, across, "middle"))
    parts.append(
        f'<text transform="translate(10 {_y(0.5):.1f}) rotate(-90)" text-anchor="middle">{up}</text>'
    )
    return parts


def _percent(value: float, top: float) -> str:
    return f"{value:.0%}" if top >= 0.2 else f"{value:.1%}"


def _ceiling(value: float) -> float:
    """The next round number above a share, so that the axis ends on a readable tick."""
    return next(top for top in (0.02, 0.04, 0.08, 0.2, 0.4, 0.6, 0.8, 1.0) if value <= top)


def _x(share: float) -> float:
    return _EDGE + share * (_SIZE - _EDGE - 12)


def _y(share: float) -> float:
    return _SIZE - _EDGE - share * (_SIZE - _EDGE - 12)


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _segment(x1: float, y1: float, x2: float, y2: float, colour: str, more: str = "") -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" style="stroke:{colour}"{more}/>'


def _frame(x: float, y: float, width: float, height: float) -> str:
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="none" style="stroke:{_LINE}" '
        'pointer-events="none"/>'
    )


def _svg(width: float, height: float, parts: Sequence[Any], name: str) -> str:
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" role="img" aria-label="{escape(name)}" '
        f'font-family="system-ui, sans-serif" font-size="11" fill="currentColor" style="color:inherit">\n'
        f"{body}\n</svg>"
    )
