"""What a process asked of the disk, from the kernel's side: `strace` writes down every call with its bytes, and when it
began and ended relative to all others. Nothing has to be built into SQLite, and nothing can be forgotten there: bytes
that reach a file by another way (a memory map) would be missing in the replay and show as damage."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..harness import ROOT, environment

CALLS = (
    "pwrite64,pwritev,pwritev2,write,writev,fsync,fdatasync,sync_file_range,ftruncate,fallocate,"
    "openat,unlink,unlinkat,rename,renameat,renameat2,copy_file_range,sendfile"
)
REPLAYED = ("write", "size", "sync", "make", "drop", "name")
UNWATCHED = ("-shm", ".lock")
"""An index in memory that is made anew from the log, and a note about a process."""

_LINE = re.compile(r"^(\d+) +(\w+)\((.*)$", re.DOTALL)
_RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>")
_RESULT = re.compile(r" = (-?\d+)")
_FD = re.compile(r"^-?\w+<([^>]*)>")
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')


@dataclass
class Op:
    """One call that succeeded. `began` and `ended` are its places in the order of all calls. `kind` is `write`,
    `size` (of a file, in `offset`), `sync`, `make`, `drop` or `name`; acknowledgements are writes to their file."""

    kind: str
    path: str
    began: int
    ended: int = 0
    offset: int = 0
    data: bytes = field(default=b"", repr=False)
    target: str = ""


def available() -> bool:
    """Can calls be recorded here?"""
    try:
        command = ["strace", "-f", "--seccomp-bpf", "-e", "trace=fsync", "-o", "/dev/null", "true"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def record(log: Path, arguments: Sequence[str], *more: str) -> None:
    """Run the workload under strace; CalledProcessError where it fails."""
    recorder = ["strace", "-f", "--seccomp-bpf", "-y", "-xx", "-s", str(1 << 26), "-e", f"trace={CALLS}"]
    command = [*recorder, "-e", "signal=none", *more, "-o", str(log)]
    program = [sys.executable, "-m", "tests.chaos.powercut.workload", *arguments]
    subprocess.run([*command, *program], cwd=ROOT, env=environment(), check=True)


def read(log: Path, folder: Path, acks: Path) -> list[Op]:
    """The calls on files of a folder, and on the file of acknowledgements, in the order in which they began."""
    return [op for op in _all(log) if op.path == str(acks) or _watched(op, folder)]


def _watched(op: Op, folder: Path) -> bool:
    if not op.path.startswith(str(folder)) or op.path.endswith(UNWATCHED):
        return False
    if op.kind not in REPLAYED or op.offset < 0:
        raise ValueError(f"{op.kind} on {op.path} cannot be replayed")
    return True


def _all(log: Path) -> Iterator[Op]:
    """Calls in the order of their beginnings; those that failed or never returned are left out, but for writes, which
    may have reached the disk all the same."""
    found: list[Op] = []
    open_calls: dict[str, Op] = {}
    with log.open(encoding="ascii") as lines:
        for number, line in enumerate(lines):
            resumed = _RESUMED.match(line)
            begun = _LINE.match(line.rstrip("\n"))
            if resumed:
                _end(found, open_calls.pop(resumed[1], None), line, number)
            elif begun and (op := _op(begun[2], begun[3], number)) is not None:
                found.append(op)
                if line.endswith("<unfinished ...>\n"):
                    op.ended = sys.maxsize
                    open_calls[begun[1]] = op
                else:
                    _end(found, op, line, number)
    yield from found


def _end(found: list[Op], op: Op | None, line: str, number: int) -> None:
    if op is None:
        return
    op.ended = number
    result = _RESULT.search(line, line.rindex(" = ") if " = " in line else len(line))
    if result is None or int(result[1]) < 0:
        if op.kind == "write":
            op.ended = sys.maxsize
        else:
            found.remove(op)


def _op(call: str, rest: str, number: int) -> Op | None:
    strings = [_bytes(one) for one in _STRING.findall(rest)]
    fd = _FD.match(rest)
    path = _bytes(fd[1]).decode("utf-8", "replace").removesuffix(" (deleted)") if fd else ""
    if call in ("pwrite64", "write"):
        offset = int(re.findall(r", (\d+)", rest[rest.rindex('"') :])[1]) if call == "pwrite64" else -1
        return Op("write", path, number, offset=offset, data=strings[0])
    if call in ("fsync", "fdatasync"):
        return Op("sync", path, number)
    if call == "ftruncate":
        return Op("size", path, number, offset=int(re.findall(r", (\d+)", rest)[0]))
    names = [one.decode("utf-8", "replace") for one in strings]
    if call == "openat":
        return Op("make", names[0], number) if "O_CREAT" in rest else None
    if call in ("unlink", "unlinkat"):
        return Op("drop", names[0], number)
    if call.startswith("rename"):
        return Op("name", names[0], number, target=names[1])
    return Op(call, path, number)


def _bytes(text: str) -> bytes:
    """What `-xx` wrote: every byte as \\x41."""
    return bytes.fromhex(text.replace("\\x", "")) if text.startswith("\\x") else text.encode()
