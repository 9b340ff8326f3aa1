"""English, Spanish, both or neither: function words first, a language identifier where they say too little."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from tamiz.domain.ticket import Language

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

MAX_CHARS = 2000
MIN_SHARE = 0.25
"""Share of the weaker language's evidence from which a text is mixed; less is a loan word or a quoted message."""


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


SURE = 0.85
"""Probability from which the identifier is believed against a few words."""

_EN = _words("""
    the of and to is are was were be been i i'm im i've you your we our they them their it's its this that these
    those with for from by on not can't cannot can could would should will won't don't doesn't didn't isn't wasn't
    have has had having do does did what when where which who how why there here my after before since because but
    if then also still again please hi hello dear thanks thank help need needs want get getting got unable working
    work works doesnt dont cant isnt trying tried try about any some just only into out up down off over only every
    today yesterday tomorrow morning week new old issue password screen printer laptop computer user users account
    access keeps keep says say see email mailbox login log request urgent broken slow slowly reset install order
    phone call team stopped won't hey regards missing error fails failed failing unlock locked change changed add
    remove server keyboard mouse money card transfer payment charged top-up pin
    """)
_ES = _words("""
    el los las un unos unas y del al lo su sus mi mis nos nuestro nuestra muy pero porque cuando donde como cómo qué
    cuándo dónde está están estoy estamos estaba soy somos es son fue ser hay tengo tiene tienen tenemos hace hacer
    puedo puede pueden podemos podría podrían puedes quiero quisiera necesito necesitamos desde hasta hoy ayer mañana
    ahora también ya sin sobre entre esta este esto estos estas ese esa eso más nada nadie ningún ninguna todo todos
    hola buenos buenas gracias saludos favor ayuda urgente contraseña correo impresora pantalla ordenador portátil
    equipo usuario usuarios cuenta acceso red teclado ratón servidor sistema error funciona funcionan sale aparece
    intento intentar entrar abrir abre imprime enciende arranca responde carga lento lenta bloqueado bloqueada caído caída problema aplicación pedido
    solicito solicitud incidencia clave tarjeta dinero transferencia pago conecta conexión conectar deja da
    me le les la en con que por para si una unas otra otro cada días semana lunes martes miércoles jueves viernes
    compañero compañera jefe jefa oficina teléfono móvil llamada archivo carpeta nuevo nueva quien cual
    """)
_BOTH = _words("error me a no real once sale pin das son")
_FOREIGN = _words("""
    não uma você com em os ao aos obrigado obrigada meu minha está seu olá estou também são pelo muito isso quando
    le les des est une pas je vous nous avec dans sur mon ma mes ne bonjour merci du ce cette sont être ça plus qui
    der die das und ist nicht ich mit auf für bitte ein eine einen den dem wir sie kann mein meine haben hallo danke
    seit beim zum zur im werden wird nach auch il che non sono per di grazie della delle nel mio mia gli ho più buongiorno
    het een niet van ik op voor met zijn wij kan mijn geen graag maar deze bedankt amb els és puc tinc però gràcies meu contrasenya compte correu vull dia bon fa
    aquest meva als nie jest się jak proszę dzień mam ve bir bu için çok merhaba och att det inte jag som är tack
    va fie din pentru maine mea og ikke jeg på til har det nu este sunt şi și pentru cu mulţumesc и не на
    """)
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_NOISE = re.compile(
    r"https?://\S{1,500}|\S{1,100}@\S{1,100}|<[A-Z_]{2,20}>|[\w.]{0,60}[\\/_][\w\\/.-]{1,200}"
    r"|\b(?:los angeles|las vegas|el paso|la paz|el salvador|la coruña)\b",
    re.IGNORECASE,
)
_IBERIAN = ("es", "gl", "ca", "pt")
_QUOTED = re.compile(r'"[^"\n]{2,200}"')
_SENTENCE = re.compile(r"[.!?;:\n]+")
_SPANISH_MARKS = re.compile(r"[ñ¿¡]|[áéíóú]n?\b|ción\b|\bme (?:sale|da|aparece|dice)\b|\bno me\b")
_PLAUSIBLE = _words("en es pt fr de it nl ca gl pl ro tr sv da no fi cs hu vi id")


def detect_language(text: str) -> Language:
    """The language of a folded text, judged on its first 2,000 characters; `other` when it has no words."""
    text = _NOISE.sub(" ", text[:MAX_CHARS])
    if text.count('"') > 1:
        # What a program said is not what the person speaks; unless that is all there is.
        own = _QUOTED.sub(" ", text)
        text = own if len(_WORD.findall(own)) > 2 else text
    lowered = text.lower()
    words = _WORD.findall(lowered)
    letters = sum(map(len, words))
    if letters == 0 or _latin_share(words) < 0.5:
        return "other"
    english, spanish, foreign = _evidence(words)
    spanish += bool(_SPANISH_MARKS.search(lowered)) and not foreign
    if foreign > max(english, spanish):
        return "other" if foreign > 1 else _identified(text, letters, english, spanish)
    if min(english, spanish) > 1 and _is_mixed(lowered, english, spanish):
        return "mixed"
    strong = max(english, spanish) > 1 and 2 * foreign <= max(english, spanish)
    if strong and english != spanish and 20 * max(english, spanish) >= len(words):
        return "en" if english > spanish else "es"
    return _identified(text, letters, english, spanish)


def _evidence(words: list[str]) -> tuple[int, int, int]:
    """How many words speak for English, for Spanish, and for another language."""
    english = sum(word in _EN and word not in _BOTH for word in words)
    spanish = sum(word in _ES and word not in _BOTH for word in words)
    foreign = sum(word in _FOREIGN and word not in _EN and word not in _ES for word in words)
    return english, spanish, foreign


def _is_mixed(lowered: str, english: int, spanish: int) -> bool:
    share = min(english, spanish) / (english + spanish)
    if share >= MIN_SHARE:
        return True
    whole = {"en": False, "es": False}
    for sentence in _SENTENCE.split(lowered):
        en, es, _ = _evidence(_WORD.findall(sentence))
        whole["en"] = whole["en"] or (en > 2 and es == 0)
        whole["es"] = whole["es"] or (es > 2 and en == 0)
    return all(whole.values()) and share >= MIN_SHARE / 2


def _identified(text: str, letters: int, english: int, spanish: int) -> Language:
    """Let the identifier decide where words say little; in short texts a lone known word outweighs it."""
    if letters < 20 and english != spanish:
        return "en" if english > spanish else "es"
    ranked = dict(_identifier().rank(text))
    language, probability = next(iter(ranked.items()))
    if probability >= SURE and language in ("en", "es"):
        return "en" if language == "en" else "es"
    if probability >= SURE and letters >= 40 and abs(english - spanish) < 3:
        return "es" if language in _IBERIAN and spanish > english else "other"
    if english != spanish:
        return "en" if english > spanish else "es"
    iberian = sum(ranked[name] for name in _IBERIAN)
    endings = sum(word[-1] in "oaáéíóú" for word in _WORD.findall(text.lower()) if len(word) > 2)
    if iberian > ranked["en"] + 0.2 and 4 * endings >= len(text.split()):
        return "es"
    # A few names of products carry no language; English is what they are sorted under.
    return "en" if text.isascii() else "other"


def _latin_share(words: list[str]) -> float:
    joined = "".join(words)
    return sum(character <= "\u024f" for character in joined) / len(joined)


@lru_cache(maxsize=1)
def _identifier() -> LanguageIdentifier:
    """The py3langid model, limited to languages that a help desk may see; loaded at the first doubt (0.5 s)."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(_PLAUSIBLE)
    return identifier
