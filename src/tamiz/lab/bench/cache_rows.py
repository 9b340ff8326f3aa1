"""What encoders say of the tickets of a stream: every text once, and kept in a folder, since it takes minutes."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tamiz.domain.triage import Distribution, Prediction
from tamiz.lab.base_models import MINILM, load_base
from tamiz.lab.bench.cache_stream import Arrival
from tamiz.lab.encoder_config import parse
from tamiz.models.encoder import EncoderModel
from tamiz.models.text_encoder import TextEncoder
from tamiz.pipeline.triage import MIN_LETTERS

Units = NDArray[np.float32]
MINILM_TOKENS = 256


@dataclass(frozen=True, slots=True)
class Rows:
    """N arrivals as a model sees them: predictions, and unit vectors [N, D]."""

    arrivals: Sequence[Arrival]
    predictions: Sequence[Prediction]
    units: Units


def rows_of(model: EncoderModel, arrivals: Sequence[Arrival], keep: Path) -> Rows:
    """What a model says of arrivals; a text that says nothing, or in no language of the taxonomy, lies out of its scope."""
    texts = [a.text.text for a in arrivals]
    distinct = list(dict.fromkeys(texts))
    fields = {f.name: f.classes for f in model.taxonomy.predicted}

    def made() -> dict[str, NDArray[np.float32]]:
        said = model.predict(distinct)
        found = {
            name: np.array([p.distributions[name].probabilities for p in said], np.float32) for name in fields
        }
        return {
            **found,
            "/units": np.array([p.embedding for p in said], np.float32),
            "/scope": np.array([p.scope for p in said], np.float32),
        }

    table = _kept(keep, model.info.content_hash, distinct, made)
    place = {text: row for row, text in enumerate(distinct)}
    units = table["/units"]
    predictions = []
    for text, arrival in zip(texts, arrivals, strict=True):
        row = place[text]
        distributions = {
            name: Distribution(classes, tuple(table[name][row].astype(float).tolist()))
            for name, classes in fields.items()
        }
        letters = sum(character.isalpha() for character in text)
        outside = letters < MIN_LETTERS or arrival.text.language == "other"
        scope = 0.0 if outside else float(table["/scope"][row])
        predictions.append(Prediction(distributions, scope, ()))
    return Rows(arrivals, predictions, units[[place[text] for text in texts]])


def minilm_units(arrivals: Sequence[Arrival], keep: Path) -> Units:
    """Unit vectors [N, 384] of all-MiniLM-L6-v2 in single precision."""
    texts = [a.text.text for a in arrivals]
    distinct = list(dict.fromkeys(texts))
    table = _kept(keep, MINILM, distinct, lambda: {"/units": minilm().embed(distinct)})
    place = {text: row for row, text in enumerate(distinct)}
    return np.asarray(table["/units"][[place[text] for text in texts]])


def minilm() -> TextEncoder:
    """The encoder all-MiniLM-L6-v2."""
    from tamiz.lab.export_onnx import export_fp32

    base = load_base(parse({"base": MINILM, "mode": "frozen"}), ())
    with tempfile.TemporaryDirectory() as folder:
        graph = export_fp32(base.model, Path(folder) / "fp32.onnx").read_bytes()
    return TextEncoder(graph, base.tokenizer, MINILM_TOKENS)


def _kept(
    folder: Path, name: str, texts: Sequence[str], make: Callable[[], dict[str, NDArray[np.float32]]]
) -> dict[str, NDArray[np.float32]]:
    """What is kept of these texts, or made now."""
    digest = hashlib.sha256("\0".join((name, *texts)).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    path = folder / f"{digest}.npz"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with path.with_suffix(".part").open("wb") as file:
            np.savez(file, allow_pickle=False, **make())
        path.with_suffix(".part").replace(path)
    with np.load(path) as table:
        return {key: table[key] for key in table.files}
