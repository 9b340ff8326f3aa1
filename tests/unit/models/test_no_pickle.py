"""A model's files are data: a pickle under the name of any of them is refused, and nothing in it runs."""

from __future__ import annotations

import ast
import hashlib
import json
import pickle
import shutil
import struct
from pathlib import Path

import pytest

import tamiz
from tamiz.bootstrap.wiring import starter_folder
from tamiz.domain.errors import BrokenArtifactError
from tamiz.models.artifact import MANIFEST, verify
from tamiz.models.open import open_model

STARTER = starter_folder()
FILES = sorted(str(path.relative_to(STARTER)) for path in STARTER.rglob("*") if path.is_file())
UNSAFE = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, sentinel: Path) -> None:
        self.sentinel = sentinel

    def __reduce__(self):
        return Path.touch, (self.sentinel,)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(STARTER, tmp_path / "model")
    return tmp_path / "model"


def signed(folder: Path, name: str) -> None:
    """Have the manifest vouch for what stands there, as who swaps a file would."""
    facts = json.loads((folder / MANIFEST).read_text("utf-8"))
    facts["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / MANIFEST).write_text(json.dumps(facts), "utf-8")
    assert verify(folder) == []


def test_the_bomb_goes_off_where_it_is_unpickled(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Bomb(tmp_path / "sentinel")))  # noqa: S301 - our own, to see that it works
    assert (tmp_path / "sentinel").exists()


@pytest.mark.parametrize("protocol", [0, 5])
@pytest.mark.parametrize("name", FILES)
def test_a_pickle_is_refused_and_never_unpickled(
    folder: Path, tmp_path: Path, name: str, protocol: int
) -> None:
    sentinel = tmp_path / "sentinel"
    (folder / name).write_bytes(pickle.dumps(Bomb(sentinel), protocol))
    if name != MANIFEST:
        signed(folder, name)
    with pytest.raises(BrokenArtifactError):
        open_model(folder)
    assert not sentinel.exists()


@pytest.mark.parametrize(
    "content",
    [
        struct.pack("<Q", 2**63 - 1) + b"{}",
        struct.pack("<Q", 200_000_000) + b"{" + b" " * 1000,
        struct.pack("<Q", 2) + b"{}",
        b"",
        b'\x93NUMPY\x01\x00v\x00{"descr": "|O", "fortran_order": False, "shape": (1,), }',
    ],
    ids=["endless header", "header beyond the file", "no tensors", "empty", "objects of numpy"],
)
def test_a_header_that_lies_is_refused(folder: Path, content: bytes) -> None:
    (folder / "heads.safetensors").write_bytes(content)
    signed(folder, "heads.safetensors")
    with pytest.raises(BrokenArtifactError):
        open_model(folder)


def test_nothing_that_serves_can_unpickle() -> None:
    root = Path(tamiz.__file__).parent
    for path in root.rglob("*.py"):
        if "lab" in path.relative_to(root).parts:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert UNSAFE.isdisjoint(name.partition(".")[0] for name in names), path
            if isinstance(node, ast.keyword):
                assert node.arg != "allow_pickle", path
