"""Raw message → canonical text: readable, plain, newest request first, without personal data.

Flags of a canonical text say what was found on the way: `truncated`, `forwarded` (the newest part only points at the
history, whose first message is taken in), `attachments`, `encoded_block`, `hidden_html` (at least 30 % of the text),
`html_too_deep`, `mail_too_deep` (nothing was read), `hidden_characters`, `lookalike_letters`, `mojibake_repaired`.
"""

from tamiz.text.canonical import MAX_CHARS, TEXT_VERSION, canonicalize
from tamiz.text.findings import KINDS, Redactor
from tamiz.text.language import detect_language
from tamiz.text.pii import redact

__all__ = ["KINDS", "MAX_CHARS", "TEXT_VERSION", "Redactor", "canonicalize", "detect_language", "redact"]
