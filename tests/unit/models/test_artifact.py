"""Model folders and the registry: immutable, verifiable, moved by a pointer."""

from __future__ import annotations

import json

import pytest

from tamiz.domain.errors import ArtifactError, BrokenArtifactError, ModelNotFoundError
from tamiz.domain.gate import Policy
from tamiz.domain.taxonomy import infer
from tamiz.models.artifact import Manifest, read_manifest, read_taxonomy, verify, write_artifact
from tamiz.models.open import open_model
from tamiz.models.registry import FileRegistry

TAXONOMY = infer("t", {"area": ["A", "B"]})


def manifest(
    name: str = "m", kind: str = "majority", created: str = "2026-01-01T00:00:00+00:00", seed: int = 0
) -> Manifest:
    return Manifest(
        name,
        kind,
        created,
        "0",
        TAXONOMY.classes_hash,
        TAXONOMY.prose_hash,
        "1",
        seed,
        policy=Policy().to_dict(),
    )


def write(folder, **facts):
    return write_artifact(folder, manifest(**facts), TAXONOMY, {"a.bin": b"one", "sub/b.bin": b"two"})


def test_what_is_written_is_read_and_verified(tmp_path) -> None:
    folder = write(tmp_path / "m")
    assert verify(folder) == []
    read = read_manifest(folder)
    assert set(read.files) == {"a.bin", "sub/b.bin", "taxonomy.toml"}
    assert read.read_policy() == Policy()
    assert read_taxonomy(folder, read) == TAXONOMY
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m"]


def test_identity_ignores_the_moment_and_nothing_else(tmp_path) -> None:
    first = read_manifest(write(tmp_path / "1")).content_hash
    assert read_manifest(write(tmp_path / "2", created="2027-01-01T00:00:00+00:00")).content_hash == first
    assert read_manifest(write(tmp_path / "3", seed=1)).content_hash != first


def test_a_folder_is_never_overwritten(tmp_path) -> None:
    write(tmp_path / "m")
    with pytest.raises(BrokenArtifactError, match="already something"):
        write(tmp_path / "m")


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda f: (f / "a.bin").write_bytes(b"xxx"), "a.bin has changed"),
        (lambda f: (f / "a.bin").unlink(), "a.bin is missing"),
        (lambda f: (f / "new").write_bytes(b""), "new does not belong to the model"),
    ],
)
def test_every_difference_is_found(tmp_path, damage, problem) -> None:
    folder = write(tmp_path / "m")
    damage(folder)
    assert verify(folder) == [problem]


@pytest.mark.parametrize(
    ("name", "content", "mistake"),
    [
        ("manifest.json", "{", "cannot be read"),
        ("manifest.json", json.dumps({"name": "x"}), "unknown or missing entries"),
        ("taxonomy.toml", "name = 1", "taxonomy.toml"),
    ],
)
def test_damage_is_told_when_a_model_is_opened(tmp_path, name, content, mistake) -> None:
    folder = write(tmp_path / "m")
    (folder / name).write_text(content)
    with pytest.raises(BrokenArtifactError, match=mistake):
        open_model(folder)


def test_an_unknown_kind_or_another_taxonomy_is_refused(tmp_path) -> None:
    with pytest.raises(BrokenArtifactError, match="kind 'crystal'"):
        open_model(write(tmp_path / "a", kind="crystal"))
    other = infer("t", {"area": ["A", "C"]})
    folder = write_artifact(tmp_path / "b", manifest(), other, {})
    with pytest.raises(BrokenArtifactError, match="not the one"):
        open_model(folder)


def test_registry_adds_activates_and_rolls_back(tmp_path) -> None:
    registry = FileRegistry(tmp_path / "home", {"builtin": write(tmp_path / "ships", name="builtin")})
    assert [e.name for e in registry.list()] == ["builtin"]
    assert registry.active() is None
    old = registry.add(write(tmp_path / "old", name="desk", created="2026-01-01T00:00:00+00:00", seed=1))
    new = registry.add(write(tmp_path / "new", name="desk", created="2026-02-01T00:00:00+00:00", seed=2))
    assert registry.add(tmp_path / "new") == new
    assert registry.resolve("desk") == new
    assert registry.resolve(f"desk@{old.name[:6]}") == old
    registry.activate(f"desk@{old.name[:6]}")
    registry.activate("desk")
    registry.activate("desk")
    assert registry.active() == new
    assert [e.active for e in registry.list() if e.name == "desk"] == [True, False]
    assert registry.rollback() == old
    assert registry.rollback() is None
    with pytest.raises(ArtifactError, match="nothing to roll back"):
        registry.rollback()


def test_registry_refuses_unknown_names_and_damaged_models(tmp_path) -> None:
    registry = FileRegistry(tmp_path / "home", {})
    with pytest.raises(ModelNotFoundError, match="known are: none"):
        registry.resolve("nope")
    folder = write(tmp_path / "m")
    (folder / "a.bin").write_bytes(b"xxx")
    for call in (registry.add, lambda f: registry.activate(str(f))):
        with pytest.raises(ArtifactError, match=r"a\.bin has changed"):
            call(folder)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "active.json").write_text("{")
    with pytest.raises(ArtifactError, match="pointer"):
        registry.active()
