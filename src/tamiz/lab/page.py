"""Self-contained HTML pages: one file, no script, nothing fetched, light and dark by the reader's own setting."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

_STYLE = """
:root { color-scheme: light dark; --ground: #fbfbfa; --card: #ffffff; --ink: #1c2330; --soft: #5c6675;
  --line: #d6dae1; --accent: #2563eb; --good: #1a7f5a; --bad: #c2362b; }
@media (prefers-color-scheme: dark) { :root { --ground: #14171d; --card: #1c212a; --ink: #e6e9ef; --soft: #9aa4b5;
  --line: #39414f; --accent: #7aa7ff; --good: #4cc08e; --bad: #ff8377; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; }
main { max-width: 68rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.3rem; margin: 2.5rem 0 .75rem; padding-top: 1rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.02rem; margin: 1.5rem 0 .4rem; }
p, ul { max-width: 46rem; margin: .5rem 0; }
.soft { color: var(--soft); }
.alarm { border: 2px solid var(--bad); color: var(--bad); border-radius: .5rem; padding: .75rem 1rem; margin: 1rem 0;
  font-weight: 600; }
.note { border-left: 4px solid var(--accent); background: var(--card); padding: .5rem 1rem; margin: .75rem 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; background: var(--card); font-size: .92rem; font-variant-numeric: tabular-nums; }
th, td { border: 1px solid var(--line); padding: .3rem .65rem; text-align: right; vertical-align: top; }
th { font-weight: 600; color: var(--soft); }
th:first-child, td:first-child, .left td, .left th { text-align: left; }
tr.ours td { font-weight: 600; }
figure { display: inline-block; margin: .5rem 1.5rem .5rem 0; vertical-align: top; }
figcaption { color: var(--soft); font-size: .88rem; max-width: 22rem; }
svg { max-width: 100%; height: auto; }
details { margin: .75rem 0; } summary { cursor: pointer; color: var(--accent); }
code { font-size: .9em; }
"""


def page(title: str, body: Iterable[str]) -> str:
    """A whole HTML document; `body` holds HTML pieces, `title` is plain text."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body><main>\n"
        + "\n".join(body)
        + "\n</main></body></html>\n"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[object]], ours: int = -1, left: bool = False) -> str:
    """A table of plain values. `ours` marks the row of the model that is judged; `left` aligns words, not figures."""
    cells = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = []
    for number, row in enumerate(rows):
        mark = ' class="ours"' if number == ours else ""
        body.append(f"<tr{mark}>" + "".join(f"<td>{escape(str(value))}</td>" for value in row) + "</tr>")
    side = ' class="left"' if left else ""
    return f'<div class="wide"><table{side}><thead><tr>{cells}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'


def heading(text: str, level: int = 2) -> str:
    """A heading of plain text."""
    return f"<h{level}>{escape(text)}</h{level}>"


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of plain text; `kind` is soft, note or alarm."""
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def bullets(items: Iterable[str]) -> str:
    """A list of plain texts."""
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"


def figure(svg: str, caption: str) -> str:
    """A chart with a caption of plain text."""
    return f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>"


def folded(summary: str, body: str) -> str:
    """HTML that opens on a click."""
    return f"<details><summary>{escape(summary)}</summary>{body}</details>"
