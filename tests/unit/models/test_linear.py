"""TF-IDF models: the same features in training and serving, answers independent of neighbours."""

from __future__ import annotations

import random

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn comes with the extra 'train'")

from tamiz.domain.errors import DataError
from tamiz.domain.taxonomy import NONE, infer
from tamiz.lab.data.example import Example
from tamiz.lab.train_baseline import BaselineOptions, linear_predictions, matrix, train_baseline
from tamiz.models.artifact import verify
from tamiz.models.open import open_model
from tamiz.models.tfidf import Tfidf, TfidfOptions

WORDS = {
    "Network": "wifi vpn router cable signal",
    "Hardware": "screen keyboard mouse battery dock",
    "Access": "password login account group right",
}


def examples(count: int, seed: int) -> list[Example]:
    rng = random.Random(seed)
    made = []
    for i in range(count):
        label = rng.choice(list(WORDS))
        words = rng.sample(WORDS[label].split(), 2) + rng.sample(
            ["please", "the", "my", "since", "monday", "help", "is"], 3
        )
        rng.shuffle(words)
        made.append(Example(str(i), " ".join(words), {"area": label, "kind": rng.choice(["x", "y"])}))
    return made


TAXONOMY = infer("t", {"area": list(WORDS), "kind": ["x", "y"]}, "area")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("linear") / "m"
    options = BaselineOptions(earned=True, tfidf=TfidfOptions(min_df=1))
    return open_model(train_baseline(examples(300, 1), examples(400, 2), TAXONOMY, folder, options))


def test_a_trained_model_knows_its_classes_and_is_calibrated(model) -> None:
    test = examples(200, 3)
    predictions = model.predict([e.text for e in test])
    right = [
        p.distributions["area"].best[0] == e.labels["area"] for p, e in zip(predictions, test, strict=True)
    ]
    assert np.mean(right) == 1.0
    assert all(sum(p.distributions["kind"].probabilities) == pytest.approx(1) for p in predictions)
    noise = np.mean([p.distributions["kind"].best[1] for p in predictions])
    assert noise < 0.65  # a coin cannot be known


def test_policy_applies_what_is_learned_and_not_what_is_noise(model) -> None:
    assert model.policy.of("area").apply_at is not None
    assert model.policy.of("kind").apply_at is None


def test_alone_and_among_others_is_the_same(model) -> None:
    texts = [e.text for e in examples(32, 4)] + ["", "ñ", "\ud800", "😀", "x" * 50_000]
    together = model.predict(texts)
    for text, prediction in zip(texts, together, strict=True):
        assert model.predict([text])[0] == prediction
    assert model.predict([]) == []


def test_training_twice_gives_the_same_model(tmp_path) -> None:
    first, second = (
        open_model(train_baseline(examples(80, 1), [], TAXONOMY, tmp_path / str(i), BaselineOptions()))
        for i in range(2)
    )
    assert first.info.content_hash == second.info.content_hash
    assert verify(tmp_path / "0") == []


def test_a_class_without_rows_and_a_nullable_field_are_no_trouble(tmp_path) -> None:
    taxonomy = infer("t", {"area": [*WORDS, "Unseen"]}, "area")
    model = open_model(
        train_baseline(examples(80, 1), examples(80, 2), taxonomy, tmp_path / "m", BaselineOptions())
    )
    distribution = model.predict(["wifi vpn"])[0].distributions["area"]
    assert distribution.best[0] == "Network"
    assert distribution.of("Unseen") < 0.1
    assert NONE not in distribution.labels


def test_majority_answers_with_frequencies(tmp_path) -> None:
    rows = [Example(str(i), "t", {"area": "Network" if i < 7 else "Access"}) for i in range(10)]
    folder = train_baseline(rows, [], TAXONOMY, tmp_path / "m", BaselineOptions(majority=True))
    assert open_model(folder).predict(["anything"])[0].distributions["area"].best == ("Network", 0.7)


def test_rows_without_labels_are_refused(tmp_path) -> None:
    with pytest.raises(DataError, match="no training row"):
        train_baseline([Example("1", "x")], [], TAXONOMY, tmp_path / "m", BaselineOptions())


def test_serving_features_are_training_features() -> None:
    texts = [e.text for e in examples(50, 5)] + ["Ünïcode <EMAIL> x-y it's", ""]
    tfidf = Tfidf.fit(texts, TfidfOptions(min_df=1))
    table = matrix(tfidf, texts).toarray()
    for row, text in zip(table, texts, strict=True):
        places, values = tfidf.transform(text)
        assert np.array_equal(row[places], values)
        assert np.count_nonzero(row) == len(places)
    words = table[0, : tfidf.word_features]
    assert np.linalg.norm(words) == pytest.approx(1.0, abs=1e-5)
    assert tfidf.known_share("wifi zzz") == 0.5


def test_word_features_equal_scikit_learns() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = ["the wifi is down", "the printer is is is slow", "vpn down again"]
    ours = Tfidf.fit(texts, TfidfOptions(words=(1, 2), characters=(1, 0), min_df=1))
    theirs = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\w+")
    expected = theirs.fit_transform(texts).toarray()
    assert list(ours.vocabulary) == list(theirs.get_feature_names_out())
    assert np.allclose(matrix(ours, texts).toarray(), expected, atol=1e-6)


def test_the_linear_baseline_of_reports_learns() -> None:
    guess, scores = linear_predictions(examples(100, 1), examples(50, 2), "area")
    assert np.mean([g == e.labels["area"] for g, e in zip(guess, examples(50, 2), strict=True)]) > 0.95
    assert scores.shape == (50, 3)
