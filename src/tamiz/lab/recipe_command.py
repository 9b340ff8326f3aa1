"""The command line of recipes that report for themselves: a folder in, report.json and report.md in it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def command(
    about: str | None, run: Callable[[Path], dict[str, Any]], as_markdown: Callable[[dict[str, Any]], str]
) -> None:
    """Run the recipe of the folder that is named, write its report and print it."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    report = run(folder)
    (folder / "report.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", "utf-8")
    (folder / "report.md").write_text(as_markdown(report), "utf-8")
    print(as_markdown(report))
