"""The service as a process of its own, and models for it to change between."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tamiz.bootstrap.wiring import starter_folder


class Running:
    """`tamiz serve` as a process of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.home = folder / "home"
        environment = {**os.environ, "TAMIZ_HOME": str(self.home)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tamiz", "serve", "--port", "0", *options],
            cwd=folder,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        self.url, self.told = "", ""
        for line in self.process.stderr:
            self.told += line
            if line.startswith("Listening on "):
                self.url = line.split()[-1]
                break

    @property
    def key(self) -> str:
        """The first key, an administrator's."""
        return (self.home / "first-key").read_text("ascii").strip()

    def triaged(self, body: str, **more: str) -> dict:
        """A ticket, once it is triaged."""
        status, told = self.get("/classify", self.key, {"subject": "VPN", "body": body, **more})
        assert status == 202, told
        return self.get(f"{told['location']}?wait=20", self.key)[1]

    def get(self, path: str, key: str = "", body: object = None) -> tuple[int, dict]:
        headers = {"Content-Type": "application/json", **({"X-API-Key": key} if key else {})}
        data = None if body is None else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(
                urllib.request.Request(self.url + path, data, headers), timeout=30
            ) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def stop(self, how: int = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        self.told += self.process.communicate(timeout=30)[1]
        return self.process.returncode


@contextmanager
def serving(folder: Path) -> Iterator[Running]:
    """A service that is stopped in the end, where nobody did that before."""
    one = Running(folder)
    try:
        yield one
    finally:
        if one.process.poll() is None:
            one.stop()


def variant(folder: Path, name: str, *, applies: bool = False) -> Path:
    """The starter under another name; `applies` gives it the right to apply whatever it says."""
    place = folder / name
    shutil.copytree(starter_folder(), place)
    path = place / "manifest.json"
    manifest = json.loads(path.read_text("utf-8"))
    manifest["name"] = name
    if applies:
        manifest["policy"]["scope_apply"] = manifest["policy"]["scope_recommend"] = -1.0
        for policy in manifest["policy"]["fields"].values():
            policy |= {
                "mode": "apply",
                "apply_at": 0.0,
                "recommend_at": 0.0,
                "by_label": {},
                "severe_at": None,
            }
    path.write_text(json.dumps(manifest), "utf-8")
    return place
