"""The service as it is installed, over real sockets: what it says, what it takes, and whom it slows."""

from __future__ import annotations

import json
import math
import os
import resource
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median

import pytest

for package in ("fastapi", "uvicorn", "sqlalchemy", "alembic", "cryptography", "prometheus_client", "httpx"):
    pytest.importorskip(package, reason="the extra 'serve' is not installed")

from prometheus_client.parser import text_string_to_metric_families

from .real import Real, real
from .test_malformed import CASES

CANARY = "canary-5d1e"
TEXT = {"subject": "VPN", "body": "drops every ten minutes"}
MEMORY = 10e6
"""Bytes that malformed requests may cost."""
IDLE = int(os.environ.get("TAMIZ_IDLE", "5000"))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    with real(tmp_path_factory.mktemp("real"), TAMIZ_SERVE_LOG="debug") as one:
        yield one


def operations(service: Real) -> Iterator[tuple[str, str, dict]]:
    openapi = json.loads(service.ask("GET", "/openapi.json")[1])
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def spoken(value: object) -> object:
    """The same with the canary in every text."""
    if isinstance(value, dict):
        return {name: spoken(one) for name, one in value.items()}
    if isinstance(value, list):
        return [spoken(one) for one in value]
    return f"{value} {CANARY}" if isinstance(value, str) else value


def test_ticket_text_is_in_no_log_line_and_in_no_metric(service: Real) -> None:
    asked, statuses = 0, set()
    ticket = json.loads(service.ask("POST", "/classify", TEXT)[1])["ticket_id"]
    for method, path, operation in operations(service):
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
        shapes = [body, spoken(body), {"body": CANARY}, [CANARY], f'{{"body": "{CANARY}'.encode()]
        headers = [{}, {"Idempotency-Key": CANARY}, {"If-Match": CANARY, "traceparent": CANARY}]
        headers += [{"X-API-Key": f"tz_{CANARY}_{CANARY}"}, {"Content-Type": f"text/{CANARY}"}]
        for place in (path.replace("{ticket_id}", ticket), path.replace("{ticket_id}", CANARY)):
            for query in ("", f"?cursor={CANARY}&status={CANARY}&form={CANARY}&wait={CANARY}"):
                for shape in shapes if body is not None else shapes[:1]:
                    for more in headers:
                        if (
                            place.endswith("/events")
                            and place.split("/")[2] == ticket
                            and not more
                            and not query
                        ):
                            continue  # a stream that lasts a minute
                        if (
                            place.endswith("/events")
                            and "X-API-Key" not in more
                            and place.split("/")[2] == ticket
                        ):
                            continue
                        status, _ = service.ask(method, place + query, shape, **more)
                        statuses.add(status)
                        asked += 1
    for rude in (
        f"{CANARY} / HTTP/9.9\r\n\r\n",
        f"GET /{CANARY} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        f"POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n{CANARY}",
        f"GET / HTTP/1.1\r\nHost: {CANARY}\r\nX: {CANARY * 20_000}\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", service.port), 10) as client:
            client.sendall(rude.encode())
    accepted = json.loads(service.ask("POST", "/classify", spoken(TEXT))[1])["ticket_id"]
    service.ask("GET", f"/tickets/{accepted}?wait=20")
    assert asked > 150
    assert {200, 202, 400, 401, 404, 415, 422} <= statuses
    assert not any(status >= 500 for status in statuses)
    said = "\n".join(service.lines)
    assert CANARY not in said
    assert CANARY not in service.ask("GET", "/metrics")[1].decode()
    events = [
        json.loads(line) for line in service.lines if not line.startswith(("Listening", "The first key"))
    ]
    assert accepted in {event.get("ticket") for event in events if event["event"] == "triaged"}
    assert {"accepted", "started", "triaged"} <= {event["event"] for event in events}


def test_the_metrics_page_is_what_prometheus_reads(service: Real, tmp_path: Path) -> None:
    service.ask(
        "GET", f"/tickets/{json.loads(service.ask('POST', '/classify', TEXT)[1])['ticket_id']}?wait=20"
    )
    page = service.ask("GET", "/metrics")[1]
    names = {family.name for family in text_string_to_metric_families(page.decode())}
    for part in ("accepted", "queue_age_seconds", "coverage_ratio", "commit_seconds", "model_info"):
        assert f"tamiz_{part}" in names
    figures = service.figures()
    for stage in ("waiting", "canonicalize", "predict", "decide", "store"):
        assert figures[f'tamiz_stage_seconds_count{{stage="{stage}"}}'] > 0
    if shutil.which("promtool") is None:
        if os.environ.get("TAMIZ_SERVERS") == "required":
            pytest.fail("promtool is not installed")
        pytest.skip("promtool is not installed")
    done = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_malformed_bodies_take_little_memory(tmp_path: Path) -> None:
    with real(tmp_path) as service:

        def refused(body: bytes) -> bool:
            try:
                return 400 <= service.ask("POST", "/classify", body)[0] < 500
            except ConnectionError:  # closed before all of it was sent
                return len(body) > 2 * 1024 * 1024

        for _ in range(30):
            ticket = json.loads(service.ask("POST", "/classify", TEXT)[1])["ticket_id"]
            service.ask("POST", "/predict", TEXT)
        service.ask("GET", f"/tickets/{ticket}?wait=20")  # the first triages allocate what they keep
        before = service.memory("VmRSS")
        grown, worst = [], ("", 0)
        for name, body in CASES * 2:
            service.forget_peak()
            start = service.memory("VmRSS")
            assert refused(body), name
            worst = max(worst, (name, service.memory("VmHWM") - start), key=lambda one: one[1])
            grown.append(service.memory("VmRSS") - before)
        first, second = grown[len(CASES) - 1], grown[-1]
    print(
        f"\n{len(CASES)} malformed bodies: at most {worst[1] / 1e6:.1f} MB at once ({worst[0]}), "
        f"{first / 1e6:.1f} MB kept by the first round, {second / 1e6:.1f} MB by both"
    )
    assert worst[1] < MEMORY
    assert second < MEMORY
    assert second - first < MEMORY / 10


def test_thousands_of_idle_connections_keep_nobody_from_being_served(service: Real) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    number = min(IDLE, hard - 300) if hard != resource.RLIM_INFINITY else IDLE
    try:
        with ExitStack() as opened:
            for _ in range(number):
                opened.enter_context(socket.create_connection(("127.0.0.1", service.port), 10))
            took = []
            for _ in range(50):
                started = time.monotonic()
                assert service.ask("POST", "/classify", TEXT)[0] == 202
                took.append(time.monotonic() - started)
            print(
                f"\n{number} idle connections: an answer took {median(took) * 1e3:.1f} ms, "
                f"at most {max(took) * 1e3:.1f} ms"
            )
            assert median(took) < 1
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def p99(seconds: list[float]) -> float:
    return sorted(seconds)[math.ceil(0.99 * len(seconds)) - 1]


LOUD = """
import http.client, json, sys, threading, time
port, key, rate, seconds = int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), float(sys.argv[4])
headers, seen = {"Content-Type": "application/json", "X-API-Key": key}, []
connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
due = time.monotonic()
ends = due + seconds
while due < ends:
    time.sleep(max(0.0, due - time.monotonic()))
    connection.request("POST", "/classify", sys.argv[5], headers)
    answer = connection.getresponse()
    answer.read()
    seen.append(answer.status)
    due = max(due + 1 / rate, time.monotonic() - 0.05)
connection.close()
print(json.dumps([seen.count(202), seen.count(429), len(seen)]))
"""
"""A client of its own process, so that its work is not counted as the service's."""


def asking(service: Real, tenant: str, rate: float, number: int) -> tuple[list[float], set[int]]:
    """Seconds per answer, and the statuses, of so many requests over one connection."""
    body, took, seen = json.dumps(TEXT).encode(), list[float](), set[int]()
    headers = {"Content-Type": "application/json", "X-API-Key": service.keys[tenant]}
    with closing(service.connect()) as connection:
        for _ in range(number):
            started = time.monotonic()
            connection.request("POST", "/classify", body, headers)
            answer = connection.getresponse()
            answer.read()
            took.append(time.monotonic() - started)
            seen.add(answer.status)
            time.sleep(max(0.0, 1 / rate - took[-1]))
    return took, seen


def test_the_quiet_tenant_hardly_notices_the_loud_one(tmp_path: Path) -> None:
    with real(tmp_path, TAMIZ_SERVE_RATE="20") as service:
        asking(service, "b", 10, 10)
        alone, _ = asking(service, "b", 10, 60)
        command = [
            sys.executable,
            "-c",
            LOUD,
            str(service.port),
            service.keys["a"],
            "1000",
            "8",
            json.dumps(TEXT),
        ]
        crowd = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        time.sleep(1)
        beside, calm = asking(service, "b", 10, 60)
        told, _ = crowd.communicate(timeout=60)
        _, refused, sent = json.loads(told)
        print(
            f"\n{len(beside)} answers beside {sent / 8:.0f} requests a second: p50 {median(beside) * 1e3:.1f} ms "
            f"and p99 {p99(beside) * 1e3:.1f} ms, alone {median(alone) * 1e3:.1f} and {p99(alone) * 1e3:.1f} ms"
        )
        assert calm == {202}
        assert refused > sent / 2
        assert p99(beside) < max(0.25, 5 * p99(alone))
