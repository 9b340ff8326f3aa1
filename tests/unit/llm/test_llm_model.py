"""A language model on disk: opened, calibrated, aimed at other labels, wired from settings, and told plainly when missing."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from tamiz.bootstrap.settings import LlmSettings, Settings, load_settings
from tamiz.bootstrap.sieve import load
from tamiz.bootstrap.wiring import STARTER_LLM, registry, zero_shot
from tamiz.bootstrap.writers import find_cascade, find_writer
from tamiz.domain.errors import (
    BrokenArtifactError,
    ConfigError,
    MissingWeightsError,
    ModelNotFoundError,
    TaxonomyMismatchError,
)
from tamiz.domain.gate import Policy
from tamiz.domain.ports import ModelInfo, Question
from tamiz.domain.schema import wire_schema
from tamiz.domain.taxonomy import infer
from tamiz.domain.taxonomy_file import default_taxonomy, dumps
from tamiz.domain.triage import Decision
from tamiz.models.artifact import Manifest, write_artifact
from tamiz.models.calibration import Calibration, Fusion, Scope
from tamiz.models.llm import prompt
from tamiz.models.llm.decode import Asking
from tamiz.models.llm.weights import base_file
from tamiz.models.llm.writer import KIND, OPTIONS, LlmModel, sound
from tamiz.testing.scripted_writer import RandomScorer
from tamiz.text import TEXT_VERSION

TAXONOMY = default_taxonomy()
ASKING = Asking(prompt.instructions()["en"][0])
INFO = ModelInfo("small", KIND, "0", TAXONOMY.classes_hash, TEXT_VERSION)
MINE = infer("mine", {"queue": ["sales", "refunds", "sales"], "mood": ["angry", "calm"]})


def artifact(folder: Path, options: dict | None = None) -> Path:
    told = {
        "base": "SmolLM2-135M-Instruct",
        "language": "en",
        "wording": 0,
        "shown": "nothing",
        "base_sha256": "0",
    } | (options or {})
    fusions = {f.name: Fusion((2.0,), ()) for f in TAXONOMY.predicted}
    manifest = Manifest(
        name=folder.name,
        kind=KIND,
        created="2026-01-01T00:00:00+00:00",
        tamiz_version="0",
        classes_hash=TAXONOMY.classes_hash,
        prose_hash=TAXONOMY.prose_hash,
        text_version=TEXT_VERSION,
        policy=Policy().to_dict(),
        calibration={
            **Calibration(fusions, Scope()).to_dict(),
            "pools": {"encoder": "abc", "fields": {"urgency": {"encoder": 0.3, "writer": 0.7, "bias": []}}},
        },
    )
    return write_artifact(folder, manifest, TAXONOMY, {OPTIONS: json.dumps(told).encode()})


def test_calibration_sharpens_what_the_model_says(tmp_path) -> None:
    plain = LlmModel(INFO, TAXONOMY, RandomScorer(3), ASKING)
    opened = LlmModel.open(artifact(tmp_path / "m"), scorer=RandomScorer(3))
    question = Question("x", fields=("urgency",), summary=False)
    raw, calibrated = (model.write(question).distributions["urgency"] for model in (plain, opened))
    assert raw.best[0] == calibrated.best[0]
    assert calibrated.best[1] > raw.best[1]
    whole = opened.predict(["x", "y"])
    assert [tuple(p.distributions) for p in whole] == [tuple(f.name for f in TAXONOMY.predicted)] * 2
    assert opened.predict([]) == []
    assert opened.pools_with("abc")["urgency"]["writer"] == 0.7
    assert opened.pools_with("other") == {}


def test_aimed_at_other_labels_it_is_shown_them_and_not_calibrated(tmp_path) -> None:
    opened = LlmModel.open(artifact(tmp_path / "m"), scorer=RandomScorer())
    assert opened.aimed_at(TAXONOMY) is opened
    aimed = opened.aimed_at(MINE)
    told = aimed.write(Question("x", fields=("queue",)))
    assert told.distributions["queue"].labels == ("sales", "refunds")
    assert aimed.calibration is None
    assert aimed.decoder.asking.shown is prompt.Shown.LABELS
    assert aimed.pools_with("abc") == {}


@pytest.mark.parametrize("options", [{"wording": 99}, {"shown": "everything"}, {"language": "xx"}])
def test_broken_options_are_named(options, tmp_path) -> None:
    with pytest.raises(BrokenArtifactError, match=r"llm\.json"):
        LlmModel.open(artifact(tmp_path / "m", options), scorer=RandomScorer())


def test_another_base_than_the_trained_one_is_refused(tmp_path) -> None:
    file = tmp_path / "base.gguf"
    file.write_bytes(b"GGUF")
    with pytest.raises(BrokenArtifactError, match="not the file that the adapter was trained on"):
        sound(file, "0" * 64)


def test_missing_weights_say_how_to_get_them() -> None:
    with pytest.raises(
        MissingWeightsError, match="weights of 'Unheard-of-7B' are not on this machine"
    ) as caught:
        base_file("Unheard-of-7B")
    assert "TAMIZ_LLM_BASE" in caught.value.one_line()


def test_settings_come_from_file_and_environment_and_keys_from_the_environment_alone(tmp_path) -> None:
    (tmp_path / "tamiz.toml").write_text('[llm]\nkind = "openai"\nurl = "http://localhost:1/v1"\n', "utf-8")
    settings = load_settings({"TAMIZ_LLM_MODEL": "qwen", "TAMIZ_LLM_KEY": "s3cret"}, tmp_path)
    assert (settings.llm.kind, settings.llm.model) == ("openai", "qwen")
    assert "s3cret" not in repr(settings)
    (tmp_path / "tamiz.toml").write_text('[llm]\nkey = "s3cret"\n', "utf-8")
    with pytest.raises(ConfigError, match="TAMIZ_LLM_KEY"):
        load_settings({}, tmp_path)
    with pytest.raises(ConfigError, match="llm"):
        load_settings({"TAMIZ_LLM_KIND": "crystal ball"}, tmp_path / "none")


@pytest.mark.parametrize(
    ("told", "mistake"),
    [
        ({"kind": "openai", "model": "m"}, "llm.url"),
        ({"kind": "openai", "url": "http://127.0.0.1:1/v1"}, "llm.model"),
        ({"kind": "gemini"}, "llm.model"),
        ({"kind": "embedded", "model": "starter"}, "no language model"),
    ],
)
def test_settings_that_lack_something_say_what(told, mistake, tmp_path) -> None:
    settings = Settings(home=tmp_path, llm=LlmSettings(**told))
    with pytest.raises(ConfigError, match=mistake):
        find_writer(settings, TAXONOMY)


def test_without_a_language_model_only_the_floor_stands_behind_the_encoder(tmp_path) -> None:
    sieve = load("starter", Settings(home=tmp_path))
    assert sieve.cascade.writer is None
    assert sieve.cascade.floor
    with pytest.raises(ModelNotFoundError):
        find_cascade(Settings(home=tmp_path, llm=LlmSettings(kind="embedded", model="absent")), sieve.model)


def test_a_taxonomy_without_any_model_is_answered_by_descriptions_and_never_applied(tmp_path) -> None:
    sieve = load("", Settings(home=tmp_path), taxonomy=MINE)
    validator = jsonschema.Draft202012Validator(wire_schema(MINE))
    for text in ("I want my money back for the broken toaster", "", "¿Cuánto cuesta el plan anual?"):
        triage = sieve.triage(text)
        validator.validate(triage.to_wire())
        assert all(f.decision is not Decision.APPLY for f in triage.fields.values())
    refund = sieve.model.predict(["a refund of my payment, please"])[0].distributions["queue"]
    assert refund.best[0] == "refunds"
    known = load("", Settings(home=tmp_path), taxonomy=TAXONOMY)
    assert known.model.info.kind == "encoder"
    with pytest.raises(TaxonomyMismatchError):
        load("starter", Settings(home=tmp_path), taxonomy=MINE)


def test_label_descriptions_tell_the_default_taxonomy_apart() -> None:
    model = zero_shot(TAXONOMY)
    texts = ["my laptop screen is broken and flickers", "the heating in the meeting room does not work"]
    first = [p.distributions["category"].best[0] for p in model.predict(texts)]
    assert first == ["Hardware", "Workplace"]


def test_the_shipped_adapter_is_small_and_listed(tmp_path) -> None:
    found = registry(Settings(home=tmp_path)).builtin
    assert STARTER_LLM in found
    size = sum(path.stat().st_size for path in found[STARTER_LLM].rglob("*") if path.is_file())
    assert size < 12_000_000


def test_a_taxonomy_file_reaches_the_command(tmp_path) -> None:
    (tmp_path / "mine.toml").write_text(dumps(MINE), "utf-8")
    from typer.testing import CliRunner

    from tamiz.cli.main import app

    done = CliRunner().invoke(
        app, ["triage", "refund please", "--taxonomy", str(tmp_path / "mine.toml"), "--output", "json"]
    )
    assert done.exit_code == 0, done.output
    assert set(json.loads(done.stdout)["fields"]) == {"queue", "mood"}
