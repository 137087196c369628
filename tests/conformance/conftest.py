"""The server that the conformance suite tests, and the suite's programs from npm."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.patience import scaled, wait_until
from tests.ports import lasting_ports

TOKEN = "secret"

SUITE = "@modelcontextprotocol/conformance/dist/index.js"


@pytest.fixture(scope="session")
def modules() -> Path:
    """The directory in which npm has put the suite, and a node that is new enough for it."""
    modules = Path(os.environ.get("CONFORMANCE", "/nowhere")) / "node_modules"
    if not all((modules / name).exists() for name in ("node/bin/node", SUITE)):
        pytest.skip("npm is missing or cannot download: make test-conformance has not installed the suite")
    return modules


@pytest.fixture(scope="session")
def url(modules: Path) -> Generator[str]:  # noqa: ARG001  nothing is served where nobody can look
    """The address of a server with the suite's tools beside its own; all tests share the server."""
    (port,) = lasting_ports(1)
    address = f"http://127.0.0.1:{port}/mcp"
    with tempfile.TemporaryDirectory() as state:
        settings = {"MCP_BG_HTTP_TOKEN": TOKEN, "MCP_BG_STATE_DIR": state, "MCP_BG_LOGIN_ENV": "never"}
        command = [sys.executable, "-m", "tests.conformance.server", str(port)]
        environment, root = {**os.environ, **settings}, Path(__file__).parents[2]
        server = subprocess.Popen(command, env=environment, cwd=root)
        try:
            wait_until(lambda: _answers(address), "the server answers")
            yield address
        finally:
            # A scenario that fails leaves its jobs waiting for answers.
            kill = [sys.executable, "-m", "mcp_background_job", "kill", "--all"]
            subprocess.run(kill, env=environment, cwd=root, check=True, stdout=subprocess.DEVNULL)
            server.terminate()
            server.wait(scaled(30.0))


def _answers(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=1)  # noqa: S310  it is on loopback
    except urllib.error.HTTPError:
        return True  # without the token, the server refuses
    except OSError:
        return False
    return True
