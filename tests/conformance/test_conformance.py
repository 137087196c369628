"""The official conformance suite against the real server, over HTTP with its token: ``make test-conformance``."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.patience import scaled, wait_until

pytestmark = pytest.mark.conformance

_HERE = Path(__file__).parent
_INSTALLED = Path(os.environ.get("CONFORMANCE", "/nowhere")) / "node_modules"
_TOKEN = "secret"

#: A scenario takes seconds; the suite gives up on each of its waits by itself.
_SCENARIO_S = scaled(120.0)

#: Those of the extension for tasks, and of each the checks that fail for a reason.
SCENARIOS: dict[str, dict[str, str]] = {
    "tasks-lifecycle": {},
    "tasks-capability-negotiation": {},
    "tasks-wire-fields": {},
    "tasks-request-state-removal": {},
    "tasks-request-headers": {},
    "tasks-dispatch-and-envelope": {},
    "tasks-required-task-error": {},
    "tasks-status-notifications": {},
    "tasks-mrtr-input": {
        "tasks-mrtr-partial-fulfillment": "it wants two questions at once: a job, and a run, asks one after the other"
    },
}


@pytest.fixture(scope="module")
def node() -> list[str]:
    """What runs the suite."""
    program = _INSTALLED / "node/bin/node"
    if not program.exists():
        pytest.skip("npm is missing, or make test-conformance has not installed the suite")
    suite = _INSTALLED / "@modelcontextprotocol/conformance/dist/index.js"
    return [str(program), "--import", str(_HERE / "token.mjs"), str(suite)]


@pytest.fixture
def url(state_dir: str) -> Generator[str]:
    """Where the server is, with the suite's tools beside its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}/mcp"
    environment = {**os.environ, "MCP_BG_HTTP_TOKEN": _TOKEN, "MCP_BG_STATE_DIR": state_dir}
    command = [sys.executable, "-m", "tests.conformance.server", str(port)]
    server = subprocess.Popen(command, env=environment, cwd=_HERE.parent.parent)
    try:
        wait_until(lambda: _answers(address), "the server answers")
        yield address
    finally:
        server.terminate()
        server.wait(scaled(30.0))


def _answers(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=1)  # noqa: S310  it is on loopback
    except urllib.error.HTTPError:
        return True  # without the token it refuses
    except OSError:
        return False
    return True


@pytest.mark.timeout(_SCENARIO_S * len(SCENARIOS))
def test_the_suite_finds_nothing_but_what_has_a_reason(node: list[str], url: str) -> None:
    wrong = {name: _failed(node, url, name) ^ set(known) for name, known in SCENARIOS.items()}
    assert {name: checks for name, checks in wrong.items() if checks} == {}


def _failed(node: list[str], url: str, scenario: str) -> set[str]:
    """Run a scenario; returns the checks that failed."""
    run = subprocess.run(
        [*node, "server", "--url", url, "--scenario", scenario, "--verbose"],
        env={**os.environ, "CONFORMANCE_TOKEN": _TOKEN},
        capture_output=True,
        text=True,
        timeout=_SCENARIO_S,
        check=False,
    )
    begin = run.stdout.find("[\n")  # behind a line that says what is run
    assert begin >= 0, run.stdout + run.stderr
    checks, _ = json.JSONDecoder().raw_decode(run.stdout, begin)
    return {check["id"] for check in checks if check["status"] == "FAILURE"}
