"""Models by name, and the pointer to the active one. Models never change; activating moves a pointer.

<home>/models/<name>/<first 12 of the content hash>/     immutable model folders
<home>/active.json                                       {"current": path, "previous": [path, ...]}
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tamiz.domain.errors import (
    ArtifactError,
    BrokenArtifactError,
    ModelNotFoundError,
    NoEarlierModelError,
)
from tamiz.domain.ticket import DEFAULT_TENANT
from tamiz.models.artifact import DRAFT, MANIFEST, read_manifest, verify

POINTER = "active.json"
_FOREIGN = frozenset("/\\\0")
"""What would lead from a name to another folder."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One known model."""

    name: str
    kind: str
    content_hash: str
    created: str
    path: Path
    active: bool


@dataclass(frozen=True, slots=True)
class Pointer:
    """The active model's folder (empty: none) and those before it, latest first."""

    current: str = ""
    previous: tuple[str, ...] = ()


class FileRegistry:
    """Models in a data folder. `builtin` maps names to folders that ship with the package."""

    def __init__(self, home: Path, builtin: Mapping[str, Path]) -> None:
        self.home = home
        self.builtin = {name: path for name, path in builtin.items() if (path / MANIFEST).is_file()}

    def list(self) -> list[Entry]:
        """All models, newest first; the ones that ship come last. BrokenArtifactError where a manifest is damaged."""
        entries, broken = self.readable()
        if broken:
            raise broken[0]
        return [*entries]

    def readable(self) -> tuple[tuple[Entry, ...], tuple[BrokenArtifactError, ...]]:
        """All models whose manifest can be read, in that order, and what is wrong with the others."""
        active = self.active()
        paths = (manifest.parent for manifest in (self.home / "models").glob(f"*/*/{MANIFEST}"))
        found = [self._entry_or_mistake(path, active) for path in paths if not path.name.startswith(DRAFT)]
        entries = [one for one in found if isinstance(one, Entry)]
        entries.sort(key=lambda entry: entry.created, reverse=True)
        shipped = [self._entry(path, active, name) for name, path in self.builtin.items()]
        return (*entries, *shipped), tuple(one for one in found if not isinstance(one, Entry))

    def resolve(self, name: str) -> Path:
        """The folder of a model: a name (its newest version), `name@hash-prefix`, or a path.

        Raises ModelNotFoundError listing what is known.
        """
        folder = Path(name)
        return folder if (folder / MANIFEST).is_file() else self.find(name)

    def find(self, name: str) -> Path:
        """The folder of a model by its name or `name@hash-prefix`, and in no other way. ModelNotFoundError."""
        return self.versions(name)[0].path

    def versions(self, name: str) -> tuple[Entry, ...]:
        """Every version of a model by its name or `name@hash-prefix`, newest first. ModelNotFoundError for none,
        BrokenArtifactError where the only ones cannot be read."""
        wanted, _, prefix = name.partition("@")
        entries, broken = self.readable()
        found = (one for one in entries if one.name == wanted and one.content_hash.startswith(prefix))
        if versions := tuple(found):
            return versions
        for error in broken:
            if Path(str(error.facts["path"])).parent.name == wanted:
                raise error
        known = ", ".join(dict.fromkeys(entry.name for entry in entries)) or "none"
        raise ModelNotFoundError(name=name, known=known)

    def add(self, folder: Path) -> Path:
        """Take a sound model folder into the registry (a copy) and return its place; adding it twice is harmless."""
        problems = verify(folder)
        if problems:
            raise ArtifactError(path=folder, mistake="; ".join(problems[:3]))
        place = self.place(folder)
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            draft = Path(tempfile.mkdtemp(prefix=DRAFT, dir=place.parent))
            shutil.copytree(folder, draft, dirs_exist_ok=True)
            draft.replace(place)
        return place

    def place(self, folder: Path) -> Path:
        """Where a model folder belongs. ArtifactError where the name that it gives itself would lead elsewhere."""
        manifest = read_manifest(folder)
        if manifest.name in ("", ".", "..") or not _FOREIGN.isdisjoint(manifest.name):
            raise ArtifactError(path=folder, mistake=f"{manifest.name!r} is no name for a model")
        return self.home / "models" / manifest.name / manifest.content_hash[:12]

    def active(self) -> Path | None:
        """The folder that the pointer names; None while nothing was activated."""
        current = self._pointer().current
        return Path(current) if current else None

    def activate(self, name: str) -> Path:
        """Point at a sound model and remember the one before."""
        path = self.resolve(name).absolute()
        problems = verify(path)
        if problems:
            raise ArtifactError(path=path, mistake="; ".join(problems[:3]))
        pointer = self._pointer()
        if pointer.current != str(path):
            before = (pointer.current,) if pointer.current else ()
            self._write(str(path), before + pointer.previous)
        return path

    def rollback(self) -> Path | None:
        """Point at the model that was active before; None (the configured one) where there was none.

        Raises NoEarlierModelError when nothing was ever activated, ArtifactError where that model is not sound any more.
        """
        pointer = self._pointer()
        if not pointer.current:
            raise NoEarlierModelError(tenant=DEFAULT_TENANT)
        current, *rest = pointer.previous or ("",)
        problems = verify(Path(current)) if current else []
        if problems:
            raise ArtifactError(path=current, mistake="; ".join(problems[:3]))
        self._write(current, tuple(rest))
        return Path(current) if current else None

    def follow(self, path: Path) -> None:
        """Point where another pointer points by now: one step back where the model was active before, else on top."""
        pointer, then = self._pointer(), str(path.absolute())
        if pointer.previous[:1] == (then,):
            self._write(then, pointer.previous[1:])
        elif pointer.current != then:
            self._write(then, ((pointer.current,) if pointer.current else ()) + pointer.previous)

    def _entry_or_mistake(self, path: Path, active: Path | None) -> Entry | BrokenArtifactError:
        try:
            return self._entry(path, active)
        except BrokenArtifactError as error:
            return error

    def _entry(self, path: Path, active: Path | None, name: str = "") -> Entry:
        manifest = read_manifest(path)
        here = active is not None and active == path.absolute()
        return Entry(
            name or manifest.name, manifest.kind, manifest.content_hash, manifest.created, path, here
        )

    def _pointer(self) -> Pointer:
        path = self.home / POINTER
        if not path.is_file():
            return Pointer()
        try:
            data = json.loads(path.read_text("utf-8"))
            return Pointer(str(data["current"]), tuple(str(item) for item in data["previous"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ArtifactError(path=path, mistake=f"the pointer file cannot be read ({error})") from error

    def _write(self, current: str, previous: tuple[str, ...]) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        draft = self.home / f".{POINTER}.{os.getpid()}"
        draft.write_text(json.dumps({"current": current, "previous": list(previous[:20])}), "utf-8")
        draft.replace(self.home / POINTER)
