"""The bank's checks name file and scenario, its evidence is rich, and noise only changes looks."""

from __future__ import annotations

import shutil
from collections import Counter
from importlib import resources
from random import Random

import pytest

from tamiz.domain.errors import DataError
from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.lab.synth import SPLITS, default_bank, generate, load_bank, noise
from tamiz.lab.synth.bank import LANGUAGES
from tamiz.lab.synth.splits import deal, deal_stratified

STYLE_FILES = ("severity.toml", "abstain.toml", "persona.toml", "style.toml")

SCENARIO = """
[[scenario]]
id = "{category_lower}-thing-{number}"
category = "{category}"
subcategory = "Other"
assignment_group = "{group}"
request_type = "Incident"
subjects.en = ["thing {number} fails", "trouble with thing {number}"]
subjects.es = ["falla la cosa {number}", "problema con la cosa {number}"]
bodies.en = ["Thing {number} hums.", "It hums, number {number}.", "A hum from {number}.", "{number} is loud."]
bodies.es = ["La cosa {number} zumba.", "Zumba, la {number}.", "Un zumbido en la {number}.", "La {number} suena."]
"""


@pytest.fixture
def tiny(tmp_path):
    """A folder with the shipped style and severity files and twenty small scenarios of two categories."""
    for name in STYLE_FILES:
        source = resources.files("tamiz.lab.synth").joinpath("bank", name)
        with resources.as_file(source) as path:
            shutil.copy(path, tmp_path / name)
    kinds = (("Hardware", "Hardware Support"), ("Network", "Network Operations"))
    blocks = [
        SCENARIO.format(category=category, category_lower=category.lower(), group=group, number=number)
        for category, group in kinds
        for number in range(10)
    ]
    (tmp_path / "things.toml").write_text("".join(blocks), "utf-8")
    return tmp_path


def _load(folder):
    return load_bank(folder, default_taxonomy())


def test_a_tiny_bank_fills_every_split_with_tickets(tiny) -> None:
    bank = _load(tiny)
    assert Counter(s.split for s in bank.scenarios) == {"train": 14, "valid": 2, "test": 4}
    for split in SPLITS:
        assert len(generate(60, 1, split=split, bank=bank)) == 60


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        ('subcategory = "Other"', 'subcategory = "Malware"', "may not stand below category"),
        (
            'assignment_group = "Hardware Support"',
            'assignment_group = "Plumbers"',
            "is not one of its labels",
        ),
        ("hardware-thing-1", "hardware-thing-0", "exists twice"),
        ("hardware-thing-0", "thing-0", "start with the category"),
        ("Thing 0 hums.", "Thing {weight} hums.", "unknown slot {weight}"),
        ("Thing 0 hums.", "Thing {n hums.", "unbalanced braces"),
        ("Thing 0 hums.", " ", "an empty text"),
        ('"Thing 0 hums.", ', "", "needs 4 to 5 texts, not 3"),
        ('request_type = "Incident"', 'kind = "Incident"', "missing or unknown keys: kind, request_type"),
    ],
)
def test_a_mistake_in_a_scenario_names_the_file_and_the_scenario(tiny, old, new, mistake) -> None:
    file = tiny / "things.toml"
    file.write_text(file.read_text("utf-8").replace(old, new, 1), "utf-8")
    with pytest.raises(DataError) as raised:
        _load(tiny)
    assert str(raised.value).startswith("things.toml: scenario '")
    assert mistake in str(raised.value)


def test_broken_toml_and_missing_files_are_named(tiny) -> None:
    (tiny / "things.toml").write_text("[[scenario]\n", "utf-8")
    with pytest.raises(DataError, match=r"things\.toml: is not valid TOML"):
        _load(tiny)
    (tiny / "style.toml").unlink()
    (tiny / "things.toml").write_text("", "utf-8")
    with pytest.raises(DataError, match=r"the bank has no style\.toml"):
        _load(tiny)


def test_a_bank_without_scenarios_says_so_when_asked_for_tickets(tiny) -> None:
    (tiny / "things.toml").unlink()
    with pytest.raises(DataError, match="the bank has no scenario in the train split"):
        generate(50, 1, split="train", bank=_load(tiny))


@pytest.mark.parametrize("arguments", [{"languages": ("fr",)}, {"languages": ()}, {"split": "dev"}])
def test_unknown_languages_and_splits_are_refused(arguments) -> None:
    with pytest.raises(DataError):
        generate(1, 1, **arguments)


def test_every_level_has_at_least_45_phrases_in_each_language() -> None:
    counts = Counter(
        (name, level, phrase.language)
        for phrase in default_bank().evidence
        for name, level in phrase.levels.items()
        if len(phrase.levels) == 1
    )
    levels = ("High", "Medium", "Low")
    expected = {(n, lv, la) for n in ("urgency", "impact") for lv in levels for la in LANGUAGES}
    assert set(counts) == expected
    assert min(counts.values()) >= 45


def test_no_phrase_means_two_different_levels() -> None:
    meanings: dict[str, set[tuple[tuple[str, str], ...]]] = {}
    for phrase in default_bank().evidence:
        meanings.setdefault(phrase.text.casefold(), set()).add(tuple(sorted(phrase.levels.items())))
    assert [text for text, found in meanings.items() if len(found) > 1] == []


def test_only_the_lowest_level_is_ever_expressed_by_silence() -> None:
    tickets = [t for t in generate(2000, 4) if not t.abstain]
    for name in ("urgency", "impact"):
        silent = [t for t in tickets if not getattr(t, f"{name}_evidence")]
        assert silent
        assert {t.labels[name] for t in silent} == {"Low"}


def test_one_language_can_be_asked_for_alone() -> None:
    assert {t.language for t in generate(400, 2, languages=("es",))} <= {"es", "other"}


def test_splits_depend_on_the_keys_alone_and_come_at_70_10_20() -> None:
    keys = [f"key {i}" for i in range(100)]
    dealt = deal(keys)
    assert dealt == deal(reversed(keys))
    assert Counter(dealt.values()) == {"train": 70, "valid": 10, "test": 20}


def test_stratified_splits_give_every_label_its_share_however_rare() -> None:
    labels = {f"key {i}": ["common", f"third {i % 3}", *(["rare"] if i % 20 == 0 else [])] for i in range(60)}
    dealt = deal_stratified(labels)
    assert dealt == deal_stratified(dict(reversed(labels.items())))
    assert Counter(dealt.values()) == {"train": 42, "valid": 6, "test": 12}
    for label in ("third 0", "third 1", "third 2"):
        assert Counter(dealt[key] for key in labels if label in labels[key])["test"] == 4
    assert Counter(dealt[key] for key in labels if "rare" in labels[key]) == {"train": 2, "test": 1}


def test_both_languages_of_a_pair_share_a_split() -> None:
    bank = default_bank()
    for phrases in (bank.evidence, bank.vague, [p for p in bank.out_of_scope if p.language != "other"]):
        for english, spanish in zip(phrases[::2], phrases[1::2], strict=True):
            assert (english.language, spanish.language) == ("en", "es")
            assert english.split == spanish.split


def test_every_label_with_three_scenarios_has_one_in_the_test() -> None:
    scenarios = default_bank().scenarios
    assert len(scenarios) >= 200
    for name in ("category", "subcategory", "assignment_group", "application", "request_type"):
        counts = Counter(s.labels[name] for s in scenarios)
        tested = {s.labels[name] for s in scenarios if s.split == "test"}
        assert [label for label, count in counts.items() if count >= 3 and label not in tested] == []


def test_a_phrase_without_its_translation_is_refused(tiny) -> None:
    file = tiny / "severity.toml"
    text = file.read_text("utf-8")
    start = text.index("{ en = ")
    end = text.index(", es = ", start)
    file.write_text(text[:end] + " }, " + text[text.index("\n", end) :], "utf-8")
    with pytest.raises(DataError, match=r"severity\.toml: .* is not a pair of en and es"):
        _load(tiny)


@pytest.mark.parametrize(
    ("text", "language", "noted"),
    [
        ("I can't open my mail.", "en", "can't open "),
        ("I have lost my badge", "en", " has lost "),
        ("Tengo mi portátil roto.", "es", "Tiene su portátil roto."),
    ],
)
def test_an_agent_notes_the_caller_in_the_third_person(text, language, noted) -> None:
    table = default_bank().style.words["third_person"][language]
    told = noise.third_person(Random(1), text, language, table)
    assert noted in told
    assert not {"i", "my", "mi", "tengo"} & set(told.lower().split())


def test_typing_noise_follows_its_rate_and_the_keyboard() -> None:
    text = "the quick brown fox jumps over the lazy dog " * 20
    assert noise.typos(Random(1), text, 0.0) == text
    assert noise.typos(Random(1), text, 0.02) != text
    assert set(noise.NEIGHBOURS["ñ"]) <= set("lpo")
    assert noise.without_accents("¿Qué pasó, señor?") == "Que paso, señor?"
    assert noise.without_accents("señor", keep_enye=False) == "senor"
