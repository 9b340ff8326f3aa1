"""Judging language models: rules, pools, the comparison of systems, and the ways that are only measured against."""

from __future__ import annotations

import pytest

pytest.importorskip("sklearn", reason="the extra 'train' is not installed")
pytest.importorskip("scipy", reason="the extra 'train' is not installed")

from tamiz.domain.gate import FieldPolicy, Policy
from tamiz.domain.ports import ModelInfo
from tamiz.domain.taxonomy_file import default_taxonomy
from tamiz.domain.ticket import RawMessage
from tamiz.domain.triage import Pool
from tamiz.lab.bench.llm_confidence import calibrated, confidence
from tamiz.lab.bench.llm_ways import Ways, parsed_json, parsed_lines, triage_all
from tamiz.lab.data.synthetic import synthetic_examples
from tamiz.lab.llm import judge
from tamiz.lab.llm.calibrate import fit
from tamiz.lab.llm.report import as_markdown, headline
from tamiz.lab.llm.rules import Rules
from tamiz.models.calibration import Calibration, Fusion
from tamiz.models.llm import prompt
from tamiz.models.llm.decode import Asking
from tamiz.models.llm.writer import LlmModel, answers
from tamiz.pipeline.cascade import Cascade
from tamiz.testing.scripted import ScriptedModel
from tamiz.testing.scripted_writer import RandomScorer

TAXONOMY = default_taxonomy()
INSTRUCTION = prompt.instructions()["en"][0]


@pytest.fixture(scope="module")
def examples():
    return synthetic_examples(140, 5, "train")


def model(seed: int) -> LlmModel:
    info = ModelInfo("random", "llm", str(seed), TAXONOMY.classes_hash, "")
    return LlmModel(info, TAXONOMY, RandomScorer(seed, loud=2.0), Asking(INSTRUCTION))


def encoder(truth) -> ScriptedModel:
    """Knows urgency and category, unsure of everything else."""

    def script(text):
        labels = truth.get(text, {})
        known = {name: (labels[name], 0.9) for name in ("urgency", "category") if name in labels}
        return {name: (TAXONOMY.field(name).classes[0], 0.4) for name in ("impact", "application")} | known

    policy = Policy({f.name: FieldPolicy(recommend_at=0.5) for f in TAXONOMY.choices})
    return ScriptedModel(TAXONOMY, script, policy)


def test_rules_read_the_taxonomys_own_words(examples) -> None:
    rules = Rules(TAXONOMY, [e for e in examples if not e.abstain])
    texts = ["Outlook does not open my mailbox", "complete outage, nobody in the whole company can work", ""]
    mail, outage, nothing = rules.predict(texts)
    assert mail.distributions["application"].best[0] == "Outlook"
    assert outage.distributions["impact"].best[0] == "High"
    assert nothing.distributions["application"].best[0] == "none"
    assert sum(nothing.distributions["category"].probabilities) == pytest.approx(1.0)


def test_pools_learn_whom_to_believe(examples) -> None:
    truth = {e.text: e.labels for e in examples}
    own, noise = encoder(truth), model(1)
    decoded = [noise.decoder.decode(noise.question(e.text)) for e in examples]
    fitted = fit(TAXONOMY, decoded, examples, own)
    assert fitted.pools["encoder"] == own.info.content_hash
    known = fitted.pools["fields"]["urgency"]
    assert known["encoder"] > 3 * known["writer"]
    assert set(fitted.calibration.fusions) == {f.name for f in TAXONOMY.predicted}
    assert all(p.apply_at is None for p in fitted.policy.fields.values())


def test_confidence_is_measured_beside_what_chance_would_show(examples) -> None:
    noise = model(1)
    decoded = [noise.decoder.decode(noise.question(e.text)) for e in examples]
    noise.calibration = fit(TAXONOMY, decoded, examples, encoder({})).calibration
    report = confidence(noise, 150, 3)
    bare = Calibration({f.name: Fusion((1.0,)) for f in TAXONOMY.predicted})
    raw = answers(TAXONOMY, decoded)
    loud = calibrated(TAXONOMY, bare.predictions(TAXONOMY, [raw.scores], raw.signals), examples, 0)
    for way in ("calibrated on other scenarios", "calibrated on tickets of these scenarios"):
        assert set(report[way]) == {f.name for f in TAXONOMY.choices}
        assert report[way]["category"]["ece"] < loud["category"]["ece"] - 0.1
        assert 0.0 < report[way]["category"]["ece_by_chance"] < 0.15


def test_the_report_stands_on_the_same_tickets_for_every_system(examples) -> None:
    clear = [e for e in examples if not e.abstain]
    truth = {e.text: e.labels for e in clear}
    own, tuned = encoder(truth), model(1)
    cascade = Cascade(tuned, {"impact": Pool(0.5, 0.5)})
    judged = judge.ask(clear, tuned, model(2), own, cascade, clear)
    fields = judge.compare(judged, TAXONOMY, clear)
    assert set(fields) == {f.name for f in TAXONOMY.choices}
    urgency = fields["urgency"]
    assert urgency["accuracy"][judge.ENCODER]["value"] == 1.0
    assert urgency["better"] == judge.ENCODER
    assert urgency["cascade_against_better"]["p"] == 1.0
    assert 0.1 < urgency["accuracy"][judge.MAJORITY]["value"] < 0.9
    report = {
        "fields": fields,
        "encoder_gate": judge.encoder_gate(own, clear, TAXONOMY, own.policy),
        "real": {"urgency": {"source": "somewhere", **urgency}},
        "scope": {"rows": 1, judge.TUNED: 0.5, judge.ENCODER: 0.5},
        "summaries": judge.summaries(tuned, clear[:2]),
        "training": {
            "config": {"base": "b", "rank": 1},
            "trained_parameters": 1,
            "rows": 1,
            "steps": 1,
            "seconds": 60.0,
            "device": "cpu",
            "precision": "fp32",
            "examples_per_second": 1.0,
            "peak_memory_mb": 1,
            "held_out_loss": 1.0,
        },
        "megabytes": 1.0,
        "hash": "0" * 64,
    }
    told = as_markdown(report)
    assert "| urgency |" in told
    assert "somewhere" in told
    assert len(headline(report)) == len(fields)


def test_free_answers_are_read_and_held_against_the_taxonomy() -> None:
    lines = "category: Network\nsubcategory: Other\napplication: null\nurgency: High\nimpact: High\n"
    lines += "assignment_group: Network Operations\nrequest_type: Incident\nsummary: vpn"
    replies = iter(["no idea", lines])

    def post(route, body):
        return {"choices": [{"message": {"content": next(replies)}}]}

    ways = Ways(post, TAXONOMY, INSTRUCTION, lines=True)
    answer = ways.retry("the vpn drops")
    assert (answer.valid, answer.tries) == (True, 2)
    assert answer.values["priority"] == "Critical"
    assert parsed_json('```json\n{"a": 1}\n```') == {"a": 1}
    assert parsed_json("[1]") == parsed_json("{broken") == {}
    assert parsed_lines("a: b\nnoise\nc: null") == {"a": "b", "c": None}
    wrong = Ways(
        lambda route, body: {"choices": [{"message": {"content": "category: Zebra"}}]},
        TAXONOMY,
        "x",
        lines=True,
    )
    assert not wrong.retry("x", tries=1).valid
    triaged = triage_all(wrong, lambda text: wrong.retry(text, tries=1))([RawMessage("", "x")])[0]
    assert triaged.fields["category"].value == "Zebra"
