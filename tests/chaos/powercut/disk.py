"""A disk whose power goes: what was synced is there, of the rest anything may be.

The model is as unkind as a disk may be that keeps its promises. Everything before the last completed sync of a file is
safe. Of every later write, each sector of 512 bytes holds the old bytes, the new ones, or neither; later writes may
have arrived and earlier ones not; changes of size and writes may be in any order. New names, renamings and deletions
hold from the next completed sync of the folder on; before that, as a journalling file system does, up to any one of
them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random

from .trace import Op

SECTOR = 512
JUNK = 0.05
"""Share of unsynced sectors that hold neither old nor new bytes, on a disk that does such things."""


@dataclass
class File:
    """Safe content, and what may or may not follow it."""

    safe: bytearray = field(default_factory=bytearray)
    loose: list[Op] = field(default_factory=list)


@dataclass
class Disk:
    """One folder. `names` are safe, `naming` what may follow; `now` is what the process sees."""

    folder: str
    files: dict[int, File] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)
    naming: list[tuple[Op, dict[str, int]]] = field(default_factory=list)
    now: dict[str, int] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=count)

    def issue(self, op: Op) -> None:
        """A call has begun."""
        if op.kind in ("make", "drop", "name"):
            self._rename(op)
        elif op.kind in ("write", "size") and op.path in self.now:
            self.files[self.now[op.path]].loose.append(op)

    def complete(self, sync: Op) -> None:
        """A sync has ended: what had ended before it began is safe."""
        if sync.path == self.folder:
            while self.naming and self.naming[0][0].ended < sync.began:
                self.names = self.naming.pop(0)[1]
        elif sync.path in self.now:
            file = self.files[self.now[sync.path]]
            for op in file.loose:
                if op.ended < sync.began:
                    _apply(file.safe, op)
            file.loose = [op for op in file.loose if op.ended >= sync.began]

    def crash(self, random: Random) -> dict[str, bytes]:
        """The files by name, as they may be found when the power is back."""
        share = random.choice((0.0, 1.0, 0.5, random.random()))
        junk = random.choice((0.0, JUNK))
        after = random.randint(0, len(self.naming))
        names = self.naming[after - 1][1] if after else self.names
        return {
            name: bytes(self._found(self.files[number], random, share, junk))
            for name, number in names.items()
        }

    def _found(self, file: File, random: Random, share: float, junk: float) -> bytearray:
        found = bytearray(file.safe)
        for op in file.loose:
            if op.kind == "size":
                if random.random() < share:
                    _apply(found, op)
                continue
            for offset, sector in _sectors(op):
                if random.random() < junk:
                    _put(found, offset, random.randbytes(len(sector)))
                elif random.random() < share:
                    _put(found, offset, sector)
        return found

    def _rename(self, op: Op) -> None:
        names = dict(self.now)
        if op.kind == "make":
            if op.path in names:
                return
            names[op.path] = next(self._numbers)
            self.files[names[op.path]] = File()
        elif op.kind == "drop":
            names.pop(op.path, None)
        else:
            names[op.target] = names.pop(op.path)
        self.now = names
        self.naming.append((op, names))


def _sectors(op: Op) -> Iterator[tuple[int, bytes]]:
    """A write as pieces that end at the boundaries of sectors."""
    at = 0
    while at < len(op.data):
        size = min(SECTOR - (op.offset + at) % SECTOR, len(op.data) - at)
        yield op.offset + at, op.data[at : at + size]
        at += size


def _apply(content: bytearray, op: Op) -> None:
    if op.kind == "write":
        _put(content, op.offset, op.data)
    elif op.offset < len(content):
        del content[op.offset :]
    else:
        content.extend(bytes(op.offset - len(content)))


def _put(content: bytearray, offset: int, data: bytes) -> None:
    if offset > len(content):
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


@dataclass(frozen=True)
class Cut:
    """One power cut: after how many calls, the files that were found, and what had been promised by then."""

    at: int
    files: dict[str, bytes]
    promised: frozenset[tuple[str, str]]


def cuts(
    ops: Sequence[Op], folder: Path, acks: Path, moments: Sequence[int], random: Random
) -> Iterator[Cut]:
    """The disk at these moments (places in the order of calls, ascending)."""
    events = sorted(
        [(op.began, 0, op) for op in ops] + [(op.ended, 1, op) for op in ops if op.kind == "sync"],
        key=lambda event: event[:2],
    )
    disk, promised, position = Disk(str(folder)), set(), 0
    for moment in moments:
        while position < len(events) and events[position][0] < moment:
            _, ended, op = events[position]
            position += 1
            if op.path == str(acks):
                promised.update(_promises(op))
            elif op.kind == "sync" and ended:
                disk.complete(op)
            elif op.kind != "sync":
                disk.issue(op)
        yield Cut(moment, disk.crash(random), frozenset(promised))


def _promises(op: Op) -> Iterator[tuple[str, str]]:
    for line in op.data.decode().splitlines():
        what, _, name = line.partition(" ")
        yield what, name
