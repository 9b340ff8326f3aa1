"""`tamiz doctor` asks the desks that the settings name."""

from __future__ import annotations

import socket

from tamiz.testing.desk_server import DeskServer
from tamiz.testing.fake_desk import FakeDesk
from tamiz.testing.manual_clock import ManualClock

DESK = '[[desks]]\nname = "{name}"\nkind = "fake"\nurl = "{url}"\n'


def test_a_desk_that_cannot_be_reached_is_a_problem(run, tmp_path) -> None:
    settings = tmp_path / "tamiz.toml"
    assert "desks" not in run("doctor").output
    with DeskServer(FakeDesk(ManualClock())) as server, socket.create_server(("127.0.0.1", 0)) as free:
        settings.write_text(DESK.format(name="it", url=server.url))
        found = run("doctor")
        assert (found.exit_code, "desks that answer: 1 of 1" in found.output) == (0, True)
        gone = f"http://127.0.0.1:{free.getsockname()[1]}"
        free.close()
        settings.write_text(DESK.format(name="it", url=server.url) + DESK.format(name="hr", url=gone))
        found = run("doctor")
    assert (found.exit_code, "desks that answer: 1 of 2" in found.output) == (5, True)
    assert "The desk hr did not do it: it cannot be reached" in found.output
