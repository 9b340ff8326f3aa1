"""One ticket's text from its parts: facts of scenarios, severity evidence, a persona, a channel, and noise.

The text may say nothing of urgency and impact beyond the evidence; everything else here only changes its looks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from tamiz.lab.synth import noise
from tamiz.lab.synth.bank import Bank, Lines, Persona, Phrase, Scenario

CHANNELS = {"mail": 0.5, "chat": 0.2, "form": 0.15, "phone": 0.15}
"""Channel → share."""

ALARM_SHARE = 0.04
INJECTION_SHARE = 0.015
SUBJECT_EVIDENCE_SHARE = 0.15
QUOTE_SHARE = 0.12

_SLOT = re.compile(r"\{([a-z_]{1,12})\}")
_ALTERNATIVES = re.compile(r"\[([^\[\]\n]{0,200})\]")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_OTHER = {"en": "es", "es": "en"}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a ticket is to say. `free` is the text of a vague or out-of-scope ticket; else there are scenarios.

    `language` is the main one; `mixed` asks for some of the other beside it. `foreign` marks a free text in neither.
    """

    scenarios: tuple[Scenario, ...]
    evidence: tuple[Phrase, ...]
    language: str
    mixed: bool
    channel: str
    free: tuple[Phrase, ...] = ()
    foreign: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """A finished ticket text; `summary` is the clean subject of what it says."""

    subject: str
    body: str
    summary: str


class Slots:
    """The slot values of one ticket: drawn when first needed, then the same throughout; `known` ones are given."""

    def __init__(self, rng: Random, bank: Bank, known: Mapping[str, str] | None = None) -> None:
        self._rng = rng
        self._known = known or {}
        self._style = bank.style
        self._values: dict[str, str] = {}
        self._places: dict[str, int] = {}

    def fill(self, text: str, language: str, /, **given: str) -> str:
        """The text with alternatives chosen and slots filled; `given` values win."""
        if "[" in text:
            text = _ALTERNATIVES.sub(self._choose, text)
        if "{" not in text:
            return text
        return _SLOT.sub(lambda match: given.get(match[1]) or self._value(match[1], language), text)

    def _choose(self, match: re.Match[str]) -> str:
        return self._rng.choice(match[1].split("|")) if "|" in match[1] else match[0]

    def _value(self, name: str, language: str) -> str:
        if name in self._known:
            return self._known[name]
        parallel = self._style.parallel_slots.get(name)
        if parallel is not None:
            place = self._places.setdefault(name, self._rng.randrange(len(parallel["en"])))
            return parallel[language][place]
        if name == "title":
            return self._rng.choice(self._style.lines["titles"][language])
        if name not in self._values:
            self._values[name] = self._draw(name)
        return self._values[name]

    def _draw(self, name: str) -> str:
        rng, lists = self._rng, self._style.slots
        match name:
            case "person" | "sender":
                return f"{rng.choice(lists['first_name'])} {rng.choice(lists['surname'])}"
            case "n":
                return str(rng.randint(2, 40))
            case "time":
                return f"{rng.randint(7, 19)}:{rng.choice(('00', '15', '30', '45', '10', '20'))}"
            case "phone":
                return str(rng.randint(2000, 8999))
            case "host":
                return f"{rng.choice(lists['host_prefix'])}-{rng.randint(1000, 9999)}"
            case _:
                return rng.choice(lists[name])


def compose(
    rng: Random, bank: Bank, plan: Plan, persona: Persona, known: Mapping[str, str] | None = None
) -> Text:
    """Write the ticket that the plan asks for, as this persona would on this channel. `known` slots have these values,
    the others are drawn."""
    writer = _Writer(rng, bank, plan, persona, known or {})
    return writer.write()


class _Writer:
    def __init__(
        self, rng: Random, bank: Bank, plan: Plan, persona: Persona, known: Mapping[str, str]
    ) -> None:
        self.rng, self.bank, self.plan, self.persona = rng, bank, plan, persona
        self.slots = Slots(rng, bank, known)
        self.language = plan.language
        self.keeps_accents = rng.random() < persona.accents
        self.keeps_enye = rng.random() < 0.8
        self.hosting: set[str] = set()
        self.subject_carries_evidence = False

    def write(self) -> Text:
        subject, summary = self._subject_and_summary()
        evidence = [(phrase, self.slots.fill(phrase.text, phrase.language)) for phrase in self.plan.evidence]
        self.rng.shuffle(evidence)
        subject, evidence = self._move_to_subject(subject, evidence)
        sentences = self._sentences()
        for phrase, text in evidence:
            self._weave(sentences, phrase, text)
        if not self.plan.free:
            self._pad(sentences)
        text = self._decorate(" ".join(sentences))
        channels = {"mail": self._mail, "chat": self._chat, "form": self._form, "phone": self._phone}
        subject, body = channels[self.plan.channel](subject, text)
        return Text(subject.strip(), body.strip(), summary)

    # ------------------------------------------------------------------ what is said

    def _subject_and_summary(self) -> tuple[str, str]:
        if self.plan.free:
            text = self._fill(self.plan.free[0].text)
            return self._pick("generic_subjects"), " ".join(text.split())[:200]
        firsts = [self._fill(self.rng.choice(s.subjects[self.language])) for s in self.plan.scenarios]
        if len(firsts) == 2:
            pattern = self._pick("pair_subjects")
            subject = pattern.replace("{first}", firsts[0]).replace("{second}", firsts[1])
            return subject, " / ".join(firsts)[:200]
        scenario, language = self.plan.scenarios[0], self.language
        if self.plan.mixed and self.rng.random() < 0.4:
            language = _OTHER[language]
        subject = self._fill(self.rng.choice(scenario.subjects[language]), language)
        return subject, firsts[0][:200]

    def _sentences(self) -> list[str]:
        if self.plan.free:
            return [self._fill(phrase.text) for phrase in self.plan.free]
        first, *rest = self.plan.scenarios
        sentences = self._account(first)
        if self.plan.mixed and not any(p.language != self.language for p in self.plan.evidence):
            sentences.append(self._aside(first))
        for other in rest:
            sentences = self._join(sentences, self._account(other, short=self.rng.random() < 0.35))
        return sentences

    def _account(self, scenario: Scenario, short: bool = False) -> list[str]:
        """The scenario as sentences; sometimes led by its subject line, as people do in chats."""
        body = self._fill(self.rng.choice(scenario.bodies[self.language]))
        sentences = _SENTENCE_END.split(body)
        if short:
            return [_ended(self._fill(self.rng.choice(scenario.subjects[self.language])))]
        if self.rng.random() < 0.12:
            sentences.insert(0, _ended(self._fill(self.rng.choice(scenario.subjects[self.language]))))
        return sentences

    def _aside(self, scenario: Scenario) -> str:
        """A sentence on the same scenario in the other language."""
        other = _OTHER[self.language]
        pool = (*scenario.subjects[other], *scenario.bodies[other])
        sentence = _SENTENCE_END.split(self.rng.choice(pool))[0]
        return self._pick("bridges") + _ended(self._fill(sentence, other))

    def _join(self, first: list[str], second: list[str]) -> list[str]:
        connector = self._pick("connectors")
        if connector == "2)":
            return ["1)", *first, "\n2)", *second]
        if connector and connector[-1] not in ":.":
            second = [_decapitalised(second[0]), *second[1:]]
        gap = self.rng.choice(("", "", "\n", "\n\n"))
        return [*first, gap + (connector or second[0]), *(second if connector else second[1:])]

    def _move_to_subject(
        self, subject: str, evidence: list[tuple[Phrase, str]]
    ) -> tuple[str, list[tuple[Phrase, str]]]:
        """Sometimes the subject line alone carries a short piece of evidence."""
        if self.plan.channel not in ("mail", "form") or self.plan.free:
            return subject, evidence
        for i, (phrase, text) in enumerate(evidence):
            if len(text) <= 55 and not phrase.is_clause and self.rng.random() < SUBJECT_EVIDENCE_SHARE:
                mark = self.rng.choice((" - ", ", ", ": ", " // "))
                self.subject_carries_evidence = True
                subject = subject.rstrip(".") + mark + _decapitalised(text.rstrip("."))
                return subject, evidence[:i] + evidence[i + 1 :]
        return subject, evidence

    def _weave(self, sentences: list[str], phrase: Phrase, text: str) -> None:
        """Put evidence before, in between or after; a clause hangs on a sentence that still ends plainly."""
        hosts = [i for i, s in enumerate(sentences) if s[-1:] == "." != s[-2:-1] and s not in self.hosting]
        if phrase.is_clause and hosts and not self.plan.free:
            i = hosts[-1] if self.rng.random() < 0.7 else self.rng.choice(hosts)
            sentences[i] = f"{sentences[i][:-1]}, {text}."
            self.hosting.add(sentences[i])
            return
        text = _capitalised(text if text[-1] in ".!?" else text + ".")
        where = self.rng.random()
        if where < 0.2 and not sentences[0].startswith("1)"):
            sentences.insert(0, text)
        elif where < 0.4 and len(sentences) > 1:
            sentences.insert(self.rng.randrange(1, len(sentences)), text)
        else:
            sentences.append(text)

    def _pad(self, sentences: list[str]) -> None:
        """Neutral extra sentences, as many as the persona is talkative."""
        if self.plan.channel == "chat" and self.rng.random() < 0.6:
            return
        count = int(self.rng.expovariate(1.0) * self.persona.verbosity + 0.3)
        language = self.language
        for filler in self.rng.sample(self.bank.style.lines["fillers"][language], k=min(count, 4)):
            at = self.rng.randint(1, len(sentences))
            sentences.insert(at, self._fill(filler))

    # ------------------------------------------------------------------ how it looks

    def _decorate(self, text: str) -> str:
        """Alarms, injections and the persona's hand; the labels never follow from these."""
        rng = self.rng
        if not self.plan.foreign:
            text = self._hand(text)
        text = text.replace(" \n", "\n")
        if self.plan.evidence and rng.random() < ALARM_SHARE:
            text = f"{self._pick('alarms')} {text}"
        if rng.random() < INJECTION_SHARE:
            injection = self._pick("injections")
            text = f"{text}\n{injection}" if rng.random() < 0.7 else f"{injection}\n{text}"
        if rng.random() < 0.04:
            text = text.replace(". ", "! ").rstrip(".") + rng.choice(("!", "!!", "!!!"))
        if rng.random() < 0.02:
            text = text.upper()
        return text

    def _hand(self, text: str) -> str:
        """Short forms, loanwords, accents, casing and typos of this persona."""
        rng, persona, words = self.rng, self.persona, self.bank.style.words
        if self.plan.mixed:
            text = noise.swap_words(rng, text, words["loanwords"][self.language], 0.35)
        elif self.language == "es" and rng.random() < 0.12:
            text = noise.swap_words(rng, text, words["loanwords"]["es"], 0.3)
        if rng.random() < 3 * persona.abbreviates:
            text = noise.swap_words(rng, text, words["abbreviations"][self.language], persona.abbreviates)
        if self.language == "es" and not self.keeps_accents:
            text = noise.without_accents(text, self.keeps_enye)
        if persona.casing == "lower" and rng.random() < (0.8 if self.plan.channel == "chat" else 0.35):
            text = text.lower()
        return noise.typos(rng, text, persona.typos)

    def _mail(self, subject: str, text: str) -> tuple[str, str]:
        rng = self.rng
        if rng.random() < 0.06 and not self.subject_carries_evidence:
            subject = self._pick("generic_subjects")
        else:
            subject = self._hand(subject)
            if rng.random() < 0.08:
                subject = self._pick("subject_prefixes") + subject
        parts = [self._tone("greetings"), text, self._tone("closings")]
        sender = "" if rng.random() < 0.15 else self._fill(self._pick("signatures"))
        body = "\n\n".join(part for part in parts if part)
        body += f"\n{sender}" if sender else ""
        if rng.random() < QUOTE_SHARE:
            body += "\n\n" + self._fill(self._pick("quotes"), subject=subject or "-")
        return subject, body

    def _chat(self, _subject: str, text: str) -> tuple[str, str]:
        rng = self.rng
        opener, ending = self._pick("chat_openers"), self._pick("chat_endings")
        if rng.random() < 0.6:
            text = text.lower()
        if rng.random() < 0.5:
            text = text.rstrip(".")
        if rng.random() < 0.2:
            text = text.replace(". ", "\n")
        mark = rng.choice((", ", "\n", " ")) if opener else ""
        return "", f"{opener}{mark}{text} {ending}"

    def _form(self, subject: str, text: str) -> tuple[str, str]:
        layout = self._pick("forms")
        subject = self._hand(subject) or "-"
        body = self._fill(layout, subject=subject, text=text.replace("\n\n", "\n"))
        return ("" if "{subject}" in layout and self.rng.random() < 0.5 else subject), body

    def _phone(self, _subject: str, text: str) -> tuple[str, str]:
        layout = self._pick("phone_notes")
        noted = text
        if "{text}" in layout and not (self.plan.foreign or self.plan.mixed):
            table = self.bank.style.words["third_person"][self.language]
            noted = noise.third_person(self.rng, text, self.language, table)
        return "", self._fill(layout, text=noted, quote=text)

    # ------------------------------------------------------------------ small helpers

    def _fill(self, text: str, language: str = "", /, **given: str) -> str:
        return self.slots.fill(text, language or self.language, **given)

    def _pick(self, name: str) -> str:
        return self.rng.choice(self.bank.style.lines[name][self.language])

    def _tone(self, name: str) -> str:
        by_language: dict[str, Lines] = dict(self.bank.style.tones[name])
        language = self.language
        if self.plan.mixed and self.rng.random() < 0.3:
            language = _OTHER[language]
        return self.rng.choice(by_language[language][self.persona.tone])


def _ended(text: str) -> str:
    return text if text[-1] in ".!?" else text + "."


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def _decapitalised(text: str) -> str:
    # Words such as "VPN", "SAP", "I" and "I'm" keep their capital.
    first = text.split(" ", 1)[0]
    plain = first[1:].isalpha() and first[1:].islower()
    return text[:1].lower() + text[1:] if plain else text
