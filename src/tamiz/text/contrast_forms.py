"""The forms of a listed word in English and Spanish, without accents, so that a list names each word once. For `contrast`.

More forms are made than exist ("tried" and "tryed"): what nobody writes costs a little memory and does no harm.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

_VOWELS = "aeiou"
_DOUBLES = re.compile(
    r"[^aeiou]{0,5}(?:un|re|de|sub|per|trans|com|ad|over|up|off|dis)?[^aeiou]{0,5}[aeiouy][^aeiouwxy]"
)
_IRREGULAR = {
    "be": "am is are was were been being 's",
    "begin": "began begun beginning",
    "break": "broke broken",
    "bring": "brought",
    "build": "built",
    "buy": "bought",
    "catch": "caught",
    "choose": "chose chosen",
    "come": "came coming",
    "cut": "cutting",
    "do": "does did done",
    "draw": "drew drawn",
    "drive": "drove driven",
    "eat": "ate eaten",
    "fall": "fell fallen",
    "feel": "felt",
    "find": "found",
    "forbid": "forbade forbidden forbidding",
    "forget": "forgot forgotten forgetting",
    "freeze": "froze frozen",
    "get": "got gotten getting",
    "give": "gave given",
    "go": "goes went gone",
    "hang": "hung",
    "have": "has had having",
    "hear": "heard",
    "hide": "hid hidden",
    "hold": "held",
    "keep": "kept",
    "know": "knew known",
    "lead": "led",
    "leave": "left",
    "lend": "lent",
    "let": "letting",
    "lose": "lost",
    "make": "made",
    "mean": "meant",
    "meet": "met",
    "overwrite": "overwrote overwritten",
    "pay": "paid",
    "put": "putting",
    "quit": "quitting",
    "read": "",
    "rise": "rose risen",
    "run": "ran running",
    "say": "said",
    "see": "saw seen",
    "sell": "sold",
    "send": "sent",
    "set": "setting",
    "shake": "shook shaken",
    "show": "shown",
    "shrink": "shrank shrunk",
    "shut": "shutting",
    "sink": "sank sunk",
    "slow": "",
    "speak": "spoke spoken",
    "speed": "sped",
    "spend": "spent",
    "spin": "spun spinning",
    "split": "splitting",
    "stand": "stood",
    "steal": "stole stolen",
    "stick": "stuck",
    "take": "took taken",
    "teach": "taught",
    "tell": "told",
    "think": "thought",
    "throw": "threw thrown",
    "type": "",
    "unfreeze": "unfroze unfrozen",
    "wake": "woke woken",
    "win": "won",
    "withdraw": "withdrew withdrawn",
    "write": "wrote written",
}
_FIXED = {
    "dar": "doy das da damos dais dan de des demos deis den di diste dio dimos disteis dieron dad dando dado dada dados dadas daba daban dare dara daran daria darian",
    "estar": "estoy estas esta estamos estais estan este esten estuve estuvo estuvieron estado estando estaba estaban estara estaria",
    "haber": "he has ha hemos habeis han hay haya hayan habia habian hubo habra habria habido",
    "ir": "voy vas va vamos vais van vaya vayan fui fue fuimos fueron ido yendo iba iban ira iran iria id",
    "ser": "soy eres es somos sois son sea sean fue fueron sido siendo era eran sera seran seria",
    "ver": "veo ves ve vemos veis ven vea veas veamos vean vi vio vimos vieron visto vista vistos vistas viendo veia veian vere vera veran veria ved",
    "saber": "se sabes sabe sabemos sabeis saben sepa sepan supe supo supieron sabido sabia sabian sabra",
    "caer": "caigo cae caen caemos caiga caigan cai cayo cayeron caido caida caidos caidas cayendo caia caian caera",
    "oir": "oigo oyes oye oimos oyen oiga oigan oyo oyeron oido oyendo oia oian",
    "leer": "leo lees lee leemos leeis leen lea leas lean lei leyo leyeron leido leida leidos leidas leyendo leia leian leera leed",
    "poder": "puedo puedes puede podemos podeis pueden pueda puedas podamos puedan pude pudo pudimos pudieron podido pudiendo podia podian podra podran podria podrias podriamos podriais podrian pudiera pudieran",
    "querer": "quiero quieres quiere queremos quereis quieren quiera quieras queramos quieran quise quiso quisimos quisieron querido queria querian querra querria quisiera quisieras quisieramos quisieran",
}
_STRONG = {
    "decir": ("dig", "dij", "dir", "dicho", "dice dices dicen di"),
    "hacer": ("hag", "hic", "har", "hecho", "hace haces hacen haz hizo"),
    "poner": ("pong", "pus", "pondr", "puesto", "pone pones ponen pon"),
    "salir": ("salg", "sal", "saldr", "salido", "sale sales salen sal"),
    "tener": ("teng", "tuv", "tendr", "tenido", "tiene tienes tienen ten"),
    "traer": ("traig", "traj", "traer", "traido", "trae traes traen trayendo"),
    "valer": ("valg", "val", "valdr", "valido", "vale vales valen"),
    "venir": ("veng", "vin", "vendr", "venido", "viene vienes vienen ven viniendo"),
    "ducir": ("duzc", "duj", "ducir", "ducido", "duce duces ducen"),
}
"""Ending of the infinitive: stems of the first person, of the past and of the future, the participle, other forms."""
_ENDINGS = {
    "a": "o as a amos ais an e es emos eis en ad ando ado ada ados adas aba abas abamos aban aste asteis aron "
    "are ara aras aremos areis aran aria arias ariamos ariais arian ase asen aran acion aciones",
    "e": "o es e emos eis en a as amos ais an ed iendo ido ida idos idas ia ias iamos iais ian i iste io imos "
    "isteis ieron ere era eras eremos ereis eran eria erias eriamos eriais erian iera ieras ieramos ieran",
    "i": "o es e imos is en a as amos ais an id iendo ido ida idos idas ia ias iamos iais ian i iste io "
    "isteis ieron ire ira iras iremos ireis iran iria irias iriamos iriais irian iera ieras ieramos ieran",
}
_CLITICS = re.compile(r"(?:me|te|se|nos|os)?(?:lo|la|los|las|le|les|me|te|se|nos|os)$")
_HOSTS = ("r", "d", "ndo", "a", "e", "n", "z")
SHORTEST_HOST = 3


@lru_cache(maxsize=4096)
def english_verb(verb: str) -> frozenset[str]:
    """Base, third person, past and gerund; both spellings where the last letter may be doubled."""
    stem = verb.removesuffix("e") if verb.endswith("e") and not verb.endswith("ee") else verb
    third = verb[:-1] + "ies" if _consonant_y(verb) else verb + ("es" if verb.endswith(_SIBILANTS) else "s")
    found = {verb, third, stem + "ing"}
    if verb.endswith("ie"):
        found.add(verb[:-2] + "ying")
    found.add(verb[:-1] + "ied" if _consonant_y(verb) else stem + "ed" if stem != verb else verb + "ed")
    if verb.endswith("ee"):
        found |= {verb + "d", verb + "ing"}
    if len(verb) > 2 and verb[-1] not in "aeiouwxyh" and verb[-2] in _VOWELS and verb[-3] not in _VOWELS:
        found |= {verb + verb[-1] + "ed", verb + verb[-1] + "ing"}
    for base, forms in _IRREGULAR.items():
        if verb == base or verb in (f"re{base}", f"un{base}", f"over{base}"):
            found.update(verb.removesuffix(base) + form for form in forms.split())
    return frozenset(found)


_SIBILANTS = ("s", "x", "z", "ch", "sh", "o")


def english_noun(noun: str) -> frozenset[str]:
    """A noun and its plural."""
    if _consonant_y(noun):
        return frozenset((noun, noun[:-1] + "ies"))
    return frozenset((noun, noun + ("es" if noun.endswith(_SIBILANTS) else "s")))


def _consonant_y(word: str) -> bool:
    return len(word) > 1 and word.endswith("y") and word[-2] not in _VOWELS


@lru_cache(maxsize=4096)
def spanish_verb(verb: str) -> frozenset[str]:
    """All simple forms of an infinitive, stem changes and spelling included."""
    if verb in _FIXED:
        return frozenset((verb, *_FIXED[verb].split()))
    kind = verb[-2]
    stem = verb[:-2]
    found = {verb}
    for ending in _ENDINGS[kind].split():
        found.add(_spelt(stem, kind, ending) + ending)
        if kind != "a" and ending in ("ido", "io", "iendo", "ieron", "ida") and stem[-1] in "aeou":
            found.add(stem + "y" + ending[1:])
    for changed in _changed(stem, kind):
        for ending in _ENDINGS[kind].split()[:11] + (["io", "ieron", "iendo", "iera"] if kind == "i" else []):
            found.add(_spelt(changed, kind, ending) + ending)
    if verb.endswith("uir") and not verb.endswith(("guir", "quir")):
        found |= {stem + "y" + ending for ending in ("o", "es", "e", "en", "a", "as", "amos", "an")}
    for base, strong in _STRONG.items():
        if verb.endswith(base):
            found.update(_strong(verb.removesuffix(base), *strong))
    return frozenset(found)


def _changed(stem: str, kind: str) -> Iterator[str]:
    """The stem as it is under stress: e → ie or i, o → ue."""
    sounded = stem[:-1] if stem.endswith(("gu", "qu")) else stem
    place = max(map(sounded.rfind, "aeiou"))
    if place >= 0 and stem[place] in "eo":
        yield stem[:place] + {"e": "ie", "o": "ue"}[stem[place]] + stem[place + 1 :]
        if kind == "i":
            yield stem[:place] + {"e": "i", "o": "u"}[stem[place]] + stem[place + 1 :]


def _spelt(stem: str, kind: str, ending: str) -> str:
    """The stem as it is spelt before this ending, so that it sounds the same."""
    front = ending[0] in "ei"
    if kind == "a" and front:
        for last, other in (("c", "qu"), ("g", "gu"), ("z", "c")):
            if stem.endswith(last):
                return stem.removesuffix(last) + other
    if kind != "a" and not front:
        if stem.endswith(("ec", "oc", "uc")):
            return stem[:-1] + "zc"
        for last, other in (("gu", "g"), ("g", "j"), ("c", "z")):
            if stem.endswith(last):
                return stem.removesuffix(last) + other
    return stem


def _strong(prefix: str, first: str, past: str, future: str, participle: str, other: str) -> Iterator[str]:
    for stem, endings in (
        (first, "o a as amos ais an"),
        (past, "e iste o imos isteis ieron eron iera ieran"),
        (future, "e a as emos eis an ia ias iamos iais ian"),
    ):
        yield from (prefix + stem + ending for ending in endings.split())
    yield from (prefix + form for form in other.split())
    yield from (prefix + participle[:-1] + ending for ending in ("o", "a", "os", "as"))


def spanish_noun(noun: str) -> frozenset[str]:
    """A noun or adjective in both genders and numbers."""
    if noun.endswith(("o", "a")):
        return frozenset(noun[:-1] + ending for ending in ("o", "a", "os", "as"))
    if noun.endswith("z"):
        return frozenset((noun, noun[:-1] + "ces"))
    if noun.endswith("e"):
        return frozenset((noun, noun + "s"))
    if noun.endswith("or"):
        return frozenset((noun, noun + "a", noun + "es", noun + "as"))
    return frozenset((noun, noun + "es", noun + "s"))


def without_clitics(word: str) -> Iterator[str]:
    """The verb forms that may stand before pronouns in this Spanish word: "instaladme" → "instalad"."""
    found = _CLITICS.search(word)
    if not found:
        return
    for start in range(found.start(), len(word) - 1):
        host, rest = word[:start], word[start:]
        if len(host) >= SHORTEST_HOST and host.endswith(_HOSTS) and _CLITICS.fullmatch(rest):
            yield host
