"""The visible text of an HTML mail; quoted history keeps its depth as leading `>` marks, for `quotes` to split."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

from selectolax.lexbor import LexborHTMLParser, LexborNode

HIDDEN_HTML = "hidden_html"
HTML_TOO_DEEP = "html_too_deep"
MAX_DEPTH = 500
"""Nesting beyond this (browsers stop at 512) is stripped without a tree: parsing would take quadratic time."""
HIDDEN_RATIO = 0.3
"""Share of hidden text from which a mail is flagged; a preheader stays below it."""


def _names(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


_SKIPPED = _names("head script style template noscript svg object iframe title select datalist")
_BLOCKS = _names(
    "p div li tr table ul ol dl dt dd h1 h2 h3 h4 h5 h6 blockquote section article header footer pre address form "
    "fieldset center main nav aside figure figcaption caption"
)
_VOID = _names("area base br col embed hr img input link meta source track wbr p li td th tr dt dd")
_QUOTE_CLASSES = _names("gmail_quote yahoo_quoted protonmail_quote zmail_extra moz-forward-container")
_REPLY_IDS = frozenset(("divRplyFwdMsg", "x_divRplyFwdMsg"))
_SIGNATURES = _names(
    "gmail_signature moz-signature protonmail_signature_block signature ms-outlook-mobile-signature"
)
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]{0,20})")
_ANY_TAG = re.compile(r"<[!/a-zA-Z][^<>]{0,2000}>")
_CODE = re.compile(r"<(script|style|head|title|template)\b", re.IGNORECASE)
_SPACE = re.compile(r"[ \t\n\r\f]+")
_HIDING = re.compile(
    r"(?:display:none|visibility:hidden|mso-hide:all|font-size:0(?:\.0{1,5}\d{0,5})?(?![.\d])"
    r"|opacity:0(?![.\d])|(?:max-height|max-width|height|width):0(?:px)?(?![.\d%\w]).{0,300}?overflow:hidden"
    r"|overflow:hidden.{0,300}?(?:max-height|max-width|height|width):0(?:px)?(?![.\d%\w])"
    r"|text-indent:-\d{3,6}|left:-\d{4,6}px)"
)
_WHITE = r"(?:#fff(?:fff)?|white|rgb\(255,255,255\))(?![\w])"
_WHITE_TEXT = re.compile(rf"(?:^|;)color:{_WHITE}")
_COLOURED = re.compile(rf"(?:^|;)background(?:-color|-image)?:(?!{_WHITE}|none|transparent|inherit|initial)")
_RULE = re.compile(r"([^{}]{0,500})([{}])")
_CLASS = re.compile(r"\.([A-Za-z_][\w-]{0,60})\s*(?:,|$)")


@dataclass(frozen=True, slots=True)
class _Scope:
    """What an element passes to its children: quote depth, a coloured background, kept line breaks."""

    depth: int = 0
    coloured: bool = False
    preserve: bool = False


class _Writer:
    """Collects words into lines; a line starts with one `>` per level of quoting."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._words: list[str] = []
        self._depth = 0

    def write(self, text: str, scope: _Scope) -> None:
        if scope.depth != self._depth:
            self.end_line()
            self._depth = scope.depth
        if not scope.preserve:
            self._words.append(_SPACE.sub(" ", text))
            return
        first, *rest = text.split("\n")
        self._words.append(first)
        for line in rest:
            self.end_line(even_if_empty=True)
            self._words.append(line)

    def end_line(self, *, even_if_empty: bool = False) -> None:
        line = "".join(self._words).strip()
        if line:
            self.lines.append(f"{'>' * self._depth} {line}" if self._depth else line)
        elif even_if_empty and (not self.lines or self.lines[-1]):
            self.lines.append("")
        self._words = []


def looks_like_html(text: str) -> bool:
    """Whether a body that came as plain text is HTML: it opens with a tag of a page or closes blocks."""
    return bool(_OPENS_HTML.match(text) or _HTML_INSIDE.search(text))


_OPENS_HTML = re.compile(
    r"\s{0,50}<(?:!doctype html|html|head|body|div|p|table|span|meta|style)[\s>]", re.IGNORECASE
)
_HTML_INSIDE = re.compile(r"</(?:p|div|span|table|body|html|td|li|font)>|<br ?/?>", re.IGNORECASE)


def visible_text(markup: str, *, preserve_lines: bool = False) -> tuple[str, tuple[str, ...]]:
    """The text that a reader sees, one line per block, and flags. Never raises on text without lone surrogates.

    Scripts, styles, comments, alternative texts and hidden elements are left out; `preserve_lines` keeps line
    breaks of the source, for bodies that mix plain lines with tags.
    """
    if _too_deep(markup):
        return _without_tags(markup), (HTML_TOO_DEEP,)
    tree = LexborHTMLParser(markup)
    root = tree.body
    if root is None:
        return "", ()
    css = " ".join(node.text(deep=True) for node in tree.css("style"))
    writer = _Writer()
    hidden = _walk(root, writer, _hidden_classes(css), _Scope(preserve=preserve_lines))
    seen = sum(map(len, writer.lines))
    flags = (HIDDEN_HTML,) if hidden and hidden >= HIDDEN_RATIO * (hidden + seen) else ()
    return "\n".join(writer.lines).strip(), flags


def _walk(root: LexborNode, writer: _Writer, hidden_classes: frozenset[str], scope: _Scope) -> int:
    """Write the visible nodes in document order; returns the number of hidden characters."""
    hidden = 0
    stack: list[tuple[LexborNode | None, _Scope]] = [(root, scope)]
    while stack:
        node, scope = stack.pop()
        if node is None:
            writer.end_line()
            continue
        tag = node.tag or ""
        if tag == "-text":
            writer.write(node.text_content or "", scope)
            continue
        if not node.is_element_node or tag in _SKIPPED:
            continue
        attributes = {name: value or "" for name, value in node.attributes.items()}
        style = "".join(attributes.get("style", "").lower().split())
        if _is_hidden(attributes, style, hidden_classes, scope):
            hidden += len(_SPACE.sub(" ", node.text(deep=True)).strip())
            continue
        scope = _enter(tag, attributes, style, scope, writer)
        if tag in _BLOCKS:
            writer.end_line()
            stack.append((None, scope))
        child = node.last_child
        while child is not None:
            stack.append((child, scope))
            child = child.prev
    writer.end_line()
    return hidden


def _enter(tag: str, attributes: dict[str, str], style: str, scope: _Scope, writer: _Writer) -> _Scope:
    """Write what the element itself means for the text, and return the scope of its children."""
    if tag in ("br", "hr", "p"):
        writer.end_line(even_if_empty=True)
    elif tag in ("td", "th"):
        writer.write(" ", scope)
    if not attributes and tag not in ("blockquote", "pre"):
        return scope
    classes = attributes.get("class", "").split()
    names = {attributes.get("id", ""), *classes}
    if names & _REPLY_IDS:
        writer.end_line()
        writer.write("-----Original Message-----", scope)
        writer.end_line()
    elif {name.lower() for name in names} & _SIGNATURES:
        writer.end_line()
        writer.write("--", scope)
        writer.end_line()
    quoted = tag == "blockquote" or bool(_QUOTE_CLASSES.intersection(classes))
    return _Scope(
        depth=scope.depth + quoted,
        coloured=scope.coloured or _is_coloured(attributes, style),
        preserve=scope.preserve or tag == "pre" or "white-space:pre" in style,
    )


def _is_hidden(attributes: dict[str, str], style: str, hidden_classes: frozenset[str], scope: _Scope) -> bool:
    if not attributes:
        return False
    if "hidden" in attributes or attributes.get("aria-hidden", "").lower() == "true":
        return True
    if style and _HIDING.search(style):
        return True
    if hidden_classes and hidden_classes.intersection(attributes.get("class", "").split()):
        return True
    white = _WHITE_TEXT.search(style) or attributes.get("color", "").lower() in ("#fff", "#ffffff", "white")
    return bool(white) and not scope.coloured and not _is_coloured(attributes, style)


def _is_coloured(attributes: dict[str, str], style: str) -> bool:
    background = attributes.get("bgcolor", "").lower()
    return bool(_COLOURED.search(style)) or background not in ("", "#fff", "#ffffff", "white")


def _hidden_classes(css: str) -> frozenset[str]:
    """Classes that the style sheet hides for every screen; rules inside `@media` are left alone."""
    names: set[str] = set()
    level = 0
    selector = ""
    for match in _RULE.finditer(css[:100_000]):
        text, brace = match.groups()
        if brace == "{":
            level += 1
            selector = text.strip() if level == 1 else ""
            continue
        level = max(0, level - 1)
        if level == 0 and selector and _HIDING.search("".join(text.lower().split())):
            names.update(_CLASS.findall(selector))
    return frozenset(names)


def _too_deep(markup: str) -> bool:
    """Whether more than MAX_DEPTH elements may be open at once, judged without a tree."""
    opened: dict[str, int] = {}
    depth = 0
    for closing, name in _TAG.findall(markup):
        tag = name.lower()
        if tag in _VOID:
            continue
        if not closing:
            opened[tag] = opened.get(tag, 0) + 1
            depth += 1
        elif opened.get(tag, 0):
            opened[tag] -= 1
            depth -= 1
        if depth > MAX_DEPTH:
            return True
    return False


def _without_tags(markup: str) -> str:
    """The text between the tags, code left out, in one linear pass."""
    lowered = markup.lower() if markup.isascii() else markup
    kept: list[str] = []
    position = 0
    while opened := _CODE.search(markup, position):
        kept.append(markup[position : opened.start()])
        position = lowered.find(f"</{opened[1].lower()}", opened.end())
        if position < 0:
            break
    else:
        kept.append(markup[position:])
    return html.unescape(_ANY_TAG.sub("\n", "".join(kept)))
