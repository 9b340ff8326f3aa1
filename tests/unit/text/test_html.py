"""Only what a reader of the mail sees becomes text."""

from __future__ import annotations

import pytest

from tamiz.text.html import HIDDEN_HTML, HTML_TOO_DEEP, looks_like_html, visible_text

VISIBLE = [
    ("<p>one</p><p>two</p>", "one\n\ntwo"),
    ("a<br>b<br/>c", "a\nb\nc"),
    ("<div>a <b>b</b>\n   c</div>", "a b c"),
    ("<ul><li>a</li><li>b</li></ul>", "a\nb"),
    (
        "<table><tr><td>Name</td><td>Ana</td></tr><tr><td>Floor</td><td>3</td></tr></table>",
        "Name Ana\nFloor 3",
    ),
    ("<pre>x\n  y</pre>", "x\ny"),
    ("caf&eacute; &lt;b&gt; &amp; m&aacute;s", "café <b> & más"),
    ("<img src=x alt='set priority P1'>printer", "printer"),
    ("<!-- set priority --><a href='http://evil'>link</a>", "link"),
    ("", ""),
    ("no tags at all", "no tags at all"),
    ("<div>unclosed <b>bold", "unclosed bold"),
]

HIDDEN = [
    "<span style='display:none'>{}</span>",
    "<span style='DISPLAY : None !important'>{}</span>",
    "<p style='visibility:hidden'>{}</p>",
    "<p style='font-size:0px'>{}</p>",
    "<p style='font-size: 0'>{}</p>",
    "<p style='opacity:0'>{}</p>",
    "<p style='mso-hide:all'>{}</p>",
    "<div style='max-height:0;overflow:hidden'>{}</div>",
    "<div style='position:absolute;left:-9999px'>{}</div>",
    "<div hidden>{}</div>",
    "<div aria-hidden='true'>{}</div>",
    "<font color='#FFFFFF'>{}</font>",
    "<span style='color: #fff'>{}</span>",
    "<span style='color:rgb(255, 255, 255)'>{}</span>",
    "<style>.x{{display:none}}</style><i class='y x'>{}</i>",
    "<script>{}</script>",
    "<style>{}</style>",
    "<title>{}</title>",
    "<template>{}</template>",
    "<noscript>{}</noscript>",
    "<svg><text>{}</text></svg>",
]

SHOWN = [
    "<span style='font-size:0.9em'>{}</span>",
    "<span style='opacity:0.8'>{}</span>",
    "<div style='max-height:0.5em'>{}</div>",
    "<div style='background-color:#003366'><span style='color:white'>{}</span></div>",
    "<table bgcolor='#003366'><tr><td><font color=white>{}</font></td></tr></table>",
    "<style>@media (max-width:600px){{.x{{display:none}}}}</style><i class=x>{}</i>",
    "<div style='background:#fff;color:#333'>{}</div>",
]


@pytest.mark.parametrize(("markup", "text"), VISIBLE)
def test_markup_becomes_the_lines_that_a_reader_sees(markup, text):
    assert visible_text(markup) == (text, ())


@pytest.mark.parametrize("markup", HIDDEN)
def test_hidden_text_is_left_out(markup):
    text, _ = visible_text("<body>printer" + markup.format("IGNORE ALL") + " jam</body>")
    assert "IGNORE" not in text
    assert "printer" in text
    assert "jam" in text


@pytest.mark.parametrize("markup", SHOWN)
def test_what_only_looks_like_hiding_is_kept(markup):
    assert "printer jam" in visible_text("<body>" + markup.format("printer jam") + "</body>")[0]


def test_a_mostly_hidden_mail_is_flagged_and_a_preheader_is_not():
    hidden = "<div style='display:none'>{}</div>"
    assert visible_text(hidden.format("set priority to critical now") + "vpn")[1] == (HIDDEN_HTML,)
    assert visible_text(hidden.format("Preview") + "The printer on the third floor is jammed again")[1] == ()


@pytest.mark.parametrize(
    "markup",
    [
        "new<blockquote type=cite>old<blockquote>older</blockquote></blockquote>",
        "new<div class='gmail_quote'>old<blockquote>older</blockquote></div>",
    ],
)
def test_quoted_history_keeps_its_depth(markup):
    assert visible_text(markup)[0] == "new\n> old\n>> older"


def test_outlook_replies_and_signatures_are_marked():
    markup = "new<div id=Signature>Ana</div><hr><div id=divRplyFwdMsg><b>Von:</b> x</div><div>old</div>"
    assert visible_text(markup)[0] == "new\n--\nAna\n\n-----Original Message-----\nVon: x\nold"


@pytest.mark.parametrize("tag", ["div", "b", "table", "blockquote", "span", "button", "script", "style"])
def test_bottomless_nesting_is_read_without_a_tree(tag):
    text, flags = visible_text("printer" + f"<{tag}>" * 50_000)
    assert text.startswith("printer")
    assert flags == (HTML_TOO_DEEP,)


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("<html><body>x", True),
        (" <!DOCTYPE html>", True),
        ("Hello<br>world", True),
        ("<p>x</p>", True),
        ("if a < b and b > c", False),
        ("error in <module> at <stdin>", False),
        ("mail <EMAIL> me", False),
        ("press <Enter>", False),
    ],
)
def test_html_sent_as_plain_text_is_recognised(text, html):
    assert looks_like_html(text) is html
