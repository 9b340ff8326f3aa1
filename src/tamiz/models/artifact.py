"""A model on disk: an immutable folder with a manifest, its taxonomy and its files, each by its sha256.

manifest.json      what it is, what it was trained on, what it scored, its policy and calibration
taxonomy.toml      the classes it chooses between
...                safetensors, ONNX, JSON and text files of its components; never a pickle
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tamiz.domain import taxonomy_file
from tamiz.domain.errors import BrokenArtifactError, TaxonomyError
from tamiz.domain.gate import Policy
from tamiz.domain.ports import ModelInfo
from tamiz.domain.taxonomy import Taxonomy

FORMAT = 1
MANIFEST = "manifest.json"
TAXONOMY = "taxonomy.toml"
DRAFT = ".draft-"
"""How the name of a folder begins that is not complete yet, or never was."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a model says of itself. `policy` and `calibration` are plain data (`Policy.to_dict`, fusion weights);
    `files` maps relative paths to sha256 and is filled in when the artifact is written."""

    name: str
    kind: str
    created: str
    tamiz_version: str
    classes_hash: str
    prose_hash: str
    text_version: str
    seed: int = 0
    data: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    policy: Mapping[str, Any] = field(default_factory=dict)
    calibration: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def content_hash(self) -> str:
        """The identity of the model: its facts and files, but not the moment of its making."""
        facts = {key: value for key, value in asdict(self).items() if key != "created"}
        return hashlib.sha256(json.dumps(facts, sort_keys=True, ensure_ascii=False).encode()).hexdigest()

    @property
    def info(self) -> ModelInfo:
        """The identity as the Model port tells it."""
        return ModelInfo(self.name, self.kind, self.content_hash, self.classes_hash, self.text_version)

    def read_policy(self) -> Policy:
        """The gate's thresholds."""
        return Policy.from_dict(self.policy)


def write_artifact(
    folder: Path, manifest: Manifest, taxonomy: Taxonomy, files: Mapping[str, bytes | Path]
) -> Path:
    """Write a model folder at once: a temporary folder beside it, then a rename.

    `files` maps relative paths to content or to a file to copy. Raises BrokenArtifactError where something already
    stands at `folder`: artifacts are never overwritten.
    """
    if folder.exists():
        raise BrokenArtifactError(path=folder, mistake="there is already something at this place")
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=DRAFT, dir=folder.parent))
    try:
        for name, content in {**files, TAXONOMY: taxonomy_file.dumps(taxonomy).encode()}.items():
            target = draft / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Path):
                shutil.copyfile(content, target)
            else:
                target.write_bytes(content)
        facts = {**asdict(manifest), "files": hashes(draft)}
        (draft / MANIFEST).write_text(
            json.dumps(facts, indent=1, ensure_ascii=False, sort_keys=True) + "\n", "utf-8"
        )
        draft.chmod(0o755)
        draft.replace(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a model folder. Raises BrokenArtifactError naming what is wrong."""
    path = folder / MANIFEST
    try:
        data = json.loads(path.read_text("utf-8"))
        manifest = Manifest(**data)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BrokenArtifactError(path=folder, mistake=f"{MANIFEST} cannot be read ({error})") from error
    except TypeError as error:
        raise BrokenArtifactError(
            path=folder, mistake=f"{MANIFEST} has unknown or missing entries ({error})"
        ) from error
    if manifest.format != FORMAT:
        raise BrokenArtifactError(
            path=folder, mistake=f"its format is {manifest.format}, this version reads {FORMAT}"
        )
    return manifest


def read_taxonomy(folder: Path, manifest: Manifest) -> Taxonomy:
    """The taxonomy inside a model folder; it must hash to the classes that the manifest names."""
    try:
        taxonomy = taxonomy_file.load(folder / TAXONOMY)
    except TaxonomyError as error:
        raise BrokenArtifactError(path=folder, mistake=str(error)) from error
    if taxonomy.classes_hash != manifest.classes_hash:
        raise BrokenArtifactError(
            path=folder, mistake=f"{TAXONOMY} is not the one that the model was trained on"
        )
    return taxonomy


def verify(folder: Path) -> list[str]:
    """Every way in which the folder differs from its manifest: changed, missing and added files. Empty: sound."""
    manifest = read_manifest(folder)
    found = hashes(folder)
    problems = [f"{name} is missing" for name in manifest.files if name not in found]
    problems += [
        f"{name} has changed" for name, digest in manifest.files.items() if found.get(name, digest) != digest
    ]
    return problems + [f"{name} does not belong to the model" for name in found if name not in manifest.files]


def hashes(folder: Path) -> dict[str, str]:
    """Relative path → sha256 of every file below a folder, the manifest left out."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    return {path.relative_to(folder).as_posix(): _sha256(path) for path in paths}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
