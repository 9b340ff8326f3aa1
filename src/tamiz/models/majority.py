"""The model that always answers with the class frequencies: the floor that every other one is measured against."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from safetensors.numpy import load_file

from tamiz.domain.errors import BrokenArtifactError
from tamiz.domain.gate import Policy
from tamiz.domain.ports import ModelInfo
from tamiz.domain.taxonomy import Taxonomy
from tamiz.domain.triage import Distribution, Prediction
from tamiz.models.artifact import read_manifest, read_taxonomy

KIND = "majority"
FILE = "frequencies.safetensors"


class MajorityModel:
    """Class frequencies behind the Model port."""

    def __init__(self, info: ModelInfo, taxonomy: Taxonomy, policy: Policy, prediction: Prediction) -> None:
        self.info = info
        self.taxonomy = taxonomy
        self.policy = policy
        self._prediction = prediction

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """The same prediction for every text."""
        return [self._prediction] * len(texts)

    @classmethod
    def open(cls, folder: Path) -> MajorityModel:
        """Open a model folder of kind "majority"."""
        manifest = read_manifest(folder)
        taxonomy = read_taxonomy(folder, manifest)
        try:
            shares = load_file(folder / FILE)
            found = {
                f.name: Distribution(f.classes, tuple(shares[f.name].tolist())) for f in taxonomy.predicted
            }
        except (OSError, KeyError, ValueError) as error:
            raise BrokenArtifactError(path=folder, mistake=f"{FILE} cannot be read ({error})") from error
        return cls(manifest.info, taxonomy, manifest.read_policy(), Prediction(found))
