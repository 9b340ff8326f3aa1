"""Finders of secrets: private keys, API keys and tokens, credentials in addresses, passwords in sentences."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

from tamiz.text.findings import PLACEHOLDER, Finding

_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----(?:[^-]|-(?!----END)){0,12000}(?:-----END [A-Z ]{0,30}PRIVATE KEY-----)?"
)
_KNOWN_KEY = re.compile(
    r"(?<![A-Za-z0-9])(?:sk-[A-Za-z0-9_-]{16,200}|[spr]k_(?:live|test)_[A-Za-z0-9]{10,200}|whsec_[A-Za-z0-9]{16,200}"
    r"|gh[opusr]_[A-Za-z0-9]{20,255}|github_pat_\w{20,255}|glpat-[\w-]{15,100}|xox[abeprs]-[A-Za-z0-9-]{10,250}"
    r"|(?:AKIA|ASIA)[0-9A-Z]{16}|AIza[\w-]{35}|ya29\.[\w-]{20,300}|SG\.[\w-]{16,64}\.[\w-]{16,64}|hf_[A-Za-z0-9]{20,100}"
    r"|npm_[A-Za-z0-9]{30,60}|pypi-[\w-]{20,300}|dop_v1_[0-9a-f]{40,80}|shp(?:at|ca|pa|ss)_[0-9a-fA-F]{20,64}"
    r"|AC[0-9a-f]{32}|eyJ[\w-]{8,4000}\.[\w-]{8,4000}(?:\.[\w-]{0,4000})?)(?![A-Za-z0-9])"
)
_KEY_PREFIXES = re.compile(
    r"sk-|k_live_|k_test_|whsec_|gh[opusr]_|github_pat|glpat|xox|AKIA|ASIA|AIza|ya29|SG\.|hf_|npm_|pypi-|dop_|shp|AC|eyJ"
)
_NAMED_KEY = re.compile(
    r"\b(?:api[ _-]?key|access[ _-]?key(?:[ _-]?id)?|secret(?:[ _-]?(?:access[ _-]?)?key)?|client[ _-]?secret|\w{0,20}token"
    r"|bearer|authorization|account[ _-]?key|sig(?:nature)?=|clave (?:de )?(?:la )?api|private key|credential)"
    r"[\"']{0,2}(?:\s{0,3}(?:[:=]>?|\bis\b|\bes\b)\s{0,3}|\s{1,3}|(?<==))[\"']?(?:(?:bearer|basic|token)\s{1,3})?"
    r"([\w.~+/=%-]{12,400})",
    re.IGNORECASE,
)
_TOKEN = re.compile(r"(?<![\w+/=.-])[\w+/=-]{32,300}(?![\w+/=.-])")
_JOINTS = re.compile("[/_=+-]")
_IN_ADDRESS = re.compile(r"://([^\s/:@]{1,100}:[^\s/@]{1,200})@")
_HOOK = re.compile(r"hooks\.slack\.com/services/([\w/]{20,100})")

_KEYWORD = re.compile(
    r"(?<![^\W_])(?P<key>password|passwd|passcode|passphrase|pass|pwd|pw|contraseñas?|contrasenas?|contrasena|clave|pin|otp)"
    r"(?![^\W_])",
    re.IGNORECASE,
)
_MIDDLE = r"[\"']?(?P<middle>(?: [\w()'/-]{1,25}){0,4}?)"
_SYMBOL = re.compile(_MIDDLE + r" ?(?:(?: is| es)? ?(?::(?!:)|=>|->|=))\s{0,3}(?P<value>\S.{0,120})")
_VERB = re.compile(
    _MIDDLE + r" (?:is|was|es|era|ser[áa]|to|a)(?: now| ahora| currently| set to)? (?P<value>\S.{0,120})",
    re.IGNORECASE,
)
_BARE = re.compile(r" (?P<value>[\"']?\S{4,64})")
_OWNED = re.compile(
    r"\b(?:my|our|his|her|new|temporary|temp|old|mi|su|nuestra|nueva|temporal|antigua) $", re.IGNORECASE
)
_NAMED = re.compile(r"\b(?:my|the|with|and|mi|la|el|con|y|/) ?$", re.IGNORECASE)
_STATE = re.compile(
    r"pass\w{0,10}|contrase\w{0,5}|clave|.{0,40}(?:ed|ing|ado|ada|ido|ida|cto|cta|ta|ble|ly|mente)|not?|the|an?|el|la|un|una|still|too|in|it|wrong|weak|lost|gone"
    r"|bad|right|ok|fine|correct\w?|invalid\w?|incorrect\w?|reset|reset\w*|help|ayuda|change|cambio|forgot\w*|olvid\w*"
    r"|required|obligatori[oa]|yes|sí|si|no|none|ningun[oa]|n/?a|null|issue|problem\w?|error|unknown|temporary|temporal|same"
    r"|misma|old|new|nueva|antigua|case|always|never|siempre|nunca|muy|very|mal|bien|access|acceso|login|user|usuario"
    r"|account|cuenta|email|correo|please|por|para|for|with|con|de|del|my|mi|su|your|important\w?|urgent\w?|necesari[oa]"
    r"|empty|vac[ií][oa]|hidden|here|there|again|back|secure|safe|segur[oa]|short|long|larg[oa]|cort[oa]|d[eé]bil|hello|hola",
    re.IGNORECASE,
)
_PRODUCT = re.compile(
    r"(?:office|windows|win|outlook|ms|as|sap|o|m|server|teams|version|v|id)[-/]?\d{1,4}", re.IGNORECASE
)
_SYMBOLS = frozenset("!@#$%^&*+=?_~")
_ENDS = re.compile(r"[\"']?[ ]{0,3}(?:[.,;!)]|$)", re.MULTILINE)


def find_secrets(text: str) -> Iterator[Finding]:
    """Secrets, longest kinds first."""
    if "PRIVATE KEY" in text:
        yield from (Finding("API_KEY", *match.span()) for match in _PRIVATE_KEY.finditer(text))
    if "://" in text:
        yield from (Finding("PASSWORD", *match.span(1)) for match in _IN_ADDRESS.finditer(text))
        yield from (Finding("API_KEY", *match.span(1)) for match in _HOOK.finditer(text))
    if _KEY_PREFIXES.search(text):
        yield from (Finding("API_KEY", *match.span()) for match in _KNOWN_KEY.finditer(text))
    for match in _NAMED_KEY.finditer(text):
        value = match[1]
        if sum(map(str.isdigit, value)) > 1 and any(map(str.isalpha, value)):
            yield Finding("API_KEY", *match.span(1))
    for match in _TOKEN.finditer(text):
        if _is_random(match.group()):
            yield Finding("API_KEY", *match.span())
    yield from _find_passwords(text)


def _is_random(token: str) -> bool:
    """Mixed case and digits throughout, more than 4 bits a character: no path, no identifier, no hexadecimal hash."""
    digits = sum(map(str.isdigit, token))
    if digits * 10 < len(token) or token.lower() == token or token.upper() == token:
        return False
    if max(map(len, _JOINTS.split(token))) < 16:
        return False
    counts = Counter(token).values()
    return -sum(n / len(token) * math.log2(n / len(token)) for n in counts) > 4.0


def _find_passwords(text: str) -> Iterator[Finding]:
    for keyword in _KEYWORD.finditer(text):
        value = _password_after(text, keyword)
        if value:
            yield Finding("PASSWORD", *value)


def _password_after(text: str, keyword: re.Match[str]) -> tuple[int, int] | None:
    """Where the value stands that a sentence gives to a keyword, if it gives one."""
    digits_do = keyword["key"].lower() in ("pin", "otp", "clave", "passcode")
    before = text[max(0, keyword.start() - 20) : keyword.start()]
    match = _SYMBOL.match(text, keyword.end())
    if match:
        plain_does = len(match["middle"].split()) < 3
        return _value(text, match.start("value"), plain_does, digits_do=True, words=2)
    match = _VERB.match(text, keyword.end())
    if match:
        plain_does = not match["middle"] and bool(_OWNED.search(before))
        found = _value(text, match.start("value"), plain_does, digits_do=True, words=1)
        if found:
            return found
    match = _BARE.match(text, keyword.end())
    if match and keyword["key"].lower() != "pass" and (digits_do or _NAMED.search(before)):
        return _value(text, match.start("value"), plain_does=False, digits_do=digits_do, words=1)
    return None


def _value(text: str, start: int, plain_does: bool, digits_do: bool, words: int) -> tuple[int, int] | None:
    """The span of the first of a few words that is a secret; a quoted word always is."""
    for match in list(_WORDS.finditer(text, start, start + 130))[:words]:
        if match["quoted"]:
            return match.span("quoted")
        if PLACEHOLDER.match(match.group()):
            return None
        end = match.start() + len(match.group().rstrip(".,;:)]}>\"'"))
        word = text[match.start() : end]
        if _is_secret(word, digits_do) or (plain_does and _is_plain_secret(text, word, end)):
            return match.start(), end
        plain_does = False
    return None


_WORDS = re.compile(r"[\"'](?P<quoted>[^\"'\s]{3,64})[\"']|\S{1,128}")


def _is_secret(word: str, digits_do: bool) -> bool:
    """Letters mixed with digits or symbols, or a PIN."""
    if len(word) < 4 or "::" in word or _PRODUCT.fullmatch(word):
        return False
    if word.isdecimal():
        return digits_do and len(word) <= 16
    letters = any(map(str.isalpha, word))
    return letters and (
        any(map(str.isdigit, word)) or not _SYMBOLS.isdisjoint(word[:-1]) or word[-1:] in "#$%&*@"
    )


def _is_plain_secret(text: str, word: str, end: int) -> bool:
    """A single word that says nothing about the state of the password, at the end of its sentence."""
    return len(word) >= 4 and word.isalpha() and not _STATE.fullmatch(word) and bool(_ENDS.match(text, end))
