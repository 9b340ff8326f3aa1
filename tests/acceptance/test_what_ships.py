"""What ships holds no secret and knows no machine: everything that git tracks, and all files of the package."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import tamiz

ROOT = Path(__file__).parents[2]
PACKAGE = Path(tamiz.__file__).parent
SECRETS = {
    "a private key": rb"-----BEGIN (?:RSA |EC |OPENSSH |PGP )?PRIVATE KEY[^\n]{0,20}-----\s*\n[A-Za-z0-9+/=\s]{100}",
    "a key of AWS": rb"\b(?:AKIA|ASIA)(?!IOSFODNN7EXAMPLE)[0-9A-Z]{16}\b(?<!EXAMPLE)",
    "a token of GitHub": rb"\b(?:ghp|gho|ghu|ghs|ghr)_(?!(\w)\1{9})[A-Za-z0-9]{36}\b",
    "a token of Slack": rb"\bxox[baprs]-\d{10,}-\d{10,}-[A-Za-z0-9]{20,}",
    "a key of Google": rb"\bAIza(?!(\w)\1{9})[0-9A-Za-z_-]{35}\b",
    "a key of Tamiz": rb"\btz_[A-Za-z0-9_-]{43}\b",
    "a password in an address": rb"\b(?:postgresql|https?|redis|amqp)://[a-z]+:(?!hunter2|password|secret|pass|pw|\{|\.\.\.)[^@\s/\"'{}]{6,}@",
    "a package index": rb"(?:--|extra-)index-url[= ]https?://",
}
PLACES = {"a machine's folder": rb"(?<![\w/.-])/(?:root|work|home/\w+)/[\w.-]+"}
TEXTS = {
    ".py",
    ".toml",
    ".md",
    ".txt",
    ".json",
    ".yml",
    ".yaml",
    ".cfg",
    ".ipynb",
    ".sh",
    ".csv",
    ".jsonl",
    "",
}


def tracked() -> list[Path]:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("this is no working copy of git")
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    return [ROOT / name.decode() for name in names.split(b"\0") if name]


def found(paths: list[Path], patterns: dict[str, bytes]) -> Iterator[str]:
    """Where which pattern stands; never what it is."""
    compiled = {what: re.compile(pattern) for what, pattern in patterns.items()}
    for path in paths:
        if path.is_file() and path.suffix in TEXTS:
            content = path.read_bytes()
            for what, pattern in compiled.items():
                for match in pattern.finditer(content):
                    yield f"{path.relative_to(path.anchor)}:{content.count(10, 0, match.start()) + 1}: {what}"


def test_the_package_holds_no_secret_and_knows_no_machine() -> None:
    files = [path for path in PACKAGE.rglob("*") if "__pycache__" not in path.parts]
    assert len(files) > 200
    assert list(found(files, {**SECRETS, **PLACES})) == []


def test_what_git_tracks_holds_no_secret() -> None:
    assert list(found(tracked(), SECRETS)) == []


def test_the_package_holds_only_what_belongs_there() -> None:
    known = {
        ".py",
        ".toml",
        ".json",
        ".txt",
        ".onnx",
        ".safetensors",
        ".typed",
        ".mako",
        ".jinja",
        ".md",
        ".gbnf",
        ".gguf",
    }
    strange = [
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix not in known
    ]
    assert strange == []
    assert not [path for path in PACKAGE.rglob("*") if path.is_symlink() or path.name.startswith(".env")]
