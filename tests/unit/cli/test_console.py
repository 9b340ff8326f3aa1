"""Moments as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tamiz.cli.console import moment_ago
from tamiz.domain.errors import ConfigError

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90m", NOW - timedelta(minutes=90)),
        ("2h", NOW - timedelta(hours=2)),
        (" 3d ", NOW - timedelta(days=3)),
        ("2w", NOW - timedelta(weeks=2)),
        ("2026-03-09T08:30:00Z", datetime(2026, 3, 9, 8, 30, tzinfo=UTC)),
        ("2026-03-09T08:30:00+02:00", datetime(2026, 3, 9, 6, 30, tzinfo=UTC)),
        ("2026-03-09", datetime(2026, 3, 9).astimezone(UTC)),
    ],
)
def test_a_moment_is_a_time_or_so_long_ago(text: str, moment: datetime) -> None:
    assert moment_ago(text, NOW) == moment


@pytest.mark.parametrize(
    "text", ["", "soon", "2", "-2h", "2x", "999999w", "2026-13-01", "0001-01-01T00:00:00+23:00"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--since"):
        moment_ago(text, NOW)


def test_what_strangers_write_is_no_markup(run, tmp_path) -> None:
    hostile = (r"\[/x]", "[/b]", "[red]")
    texts = "".join(f"{one} printer\n" for one in hostile)
    (tmp_path / "tickets.txt").write_text(texts, "utf-8")
    (tmp_path / "tickets.csv").write_text("Number,Description\n[/b],printer\n", "utf-8")
    shown = run("triage", "tickets.txt", "--lines", "--output", "table")
    assert (shown.exit_code, [one in shown.output for one in hostile]) == (0, [True] * 3)
    assert "[/b]" in run("triage", "tickets.csv", "--output", "table").output
