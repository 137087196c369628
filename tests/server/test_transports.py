"""A real server process: over stdio and over HTTP."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport

from mcp_background_job.web.session import Sessions
from tests.patience import PATIENCE_S, WAIT_S
from tests.server.calls import Caller
from tests.server.served import HttpServer

pytestmark = pytest.mark.real_process


async def test_a_job_runs_over_stdio(stdio_client: Caller) -> None:
    job = await stdio_client.facts("execute_command", command="echo hi; exit 3", wait_s=WAIT_S)
    assert (job["output"], job["exit_code"]) == ("hi", 3)


async def test_the_command_is_a_child_of_its_runner_and_no_descendant_of_the_server(stdio_client: Caller) -> None:
    job = await stdio_client.facts("execute_command", command="sleep 60", wait_s=0.2)
    runner = _parent(job["pid"])
    assert _name(runner).startswith("mcp-bg")
    ancestors = [runner]
    while ancestors[-1] > 1:
        ancestors.append(_parent(ancestors[-1]))
    assert os.getpid() not in ancestors
    assert os.getsid(job["pid"]) == job["pid"]
    await stdio_client.facts("kill_job", job_id=job["job_id"])


async def test_calls_of_one_client_run_side_by_side(stdio_client: Caller) -> None:
    commands = [f"sleep 0.2; exit {code}" for code in range(8)]
    async with asyncio.timeout(PATIENCE_S):
        jobs = await asyncio.gather(
            *(stdio_client.facts("execute_command", command=command, wait_s=WAIT_S) for command in commands)
        )
    assert [job["exit_code"] for job in jobs] == list(range(8))


def test_a_bad_setting_stops_the_server_with_one_line_that_names_it(state_dir: str) -> None:
    environment = {**os.environ, "MCP_BG_STATE_DIR": state_dir, "MCP_BG_MAX_JOBS": "many"}
    ended = subprocess.run(
        [sys.executable, "-m", "mcp_background_job"],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert ended.returncode != 0
    (line,) = ended.stderr.splitlines()
    assert "MCP_BG_MAX_JOBS='many'" in line


async def test_a_job_runs_over_http(http_server: HttpServer) -> None:
    transport = StreamableHttpTransport(http_server.url, auth=http_server.token)
    async with Client(transport) as client:
        job = await Caller(client).facts("execute_command", command="echo hi; exit 3", wait_s=WAIT_S)
    assert (job["output"], job["exit_code"]) == ("hi", 3)


async def test_over_http_each_reader_of_a_client_is_told_of_its_own_endings_once(
    http_server: HttpServer, tmp_path: Path
) -> None:
    def reader(name: str) -> Client[Any]:
        headers = {"MCP-BG-Reader": name} if name else {}
        return Client(StreamableHttpTransport(http_server.url, headers=headers, auth=http_server.token))

    async def told(name: str) -> set[str]:
        """Ask, in a connection of its own, for what shows no job; returns the jobs whose ends are told with it."""
        async with reader(name) as client:
            answer = await client.call_tool("list_jobs", {"status": "queued"})
        said = "\n".join(getattr(part, "text", "") for part in answer.content)
        return {owner for owner, job_id in jobs.items() if job_id in said}

    jobs: dict[str, str] = {}
    go = tmp_path / "go"
    for name in ("planner", "reviewer", ""):
        async with reader(name) as client:
            command = f"until [ -e {shlex.quote(str(go))} ]; do sleep 0.05; done"
            jobs[name] = (await Caller(client).facts("execute_command", command=command, wait_s=0))["job_id"]
    assert await told("planner") == set()
    go.touch()
    async with reader("an onlooker") as client:
        await Caller(client).facts("wait_for_job", job_id=list(jobs.values()), wait_s=WAIT_S)
    for name in ("reviewer", "planner", "", "an onlooker"):
        assert [await told(name), await told(name)] == [{name} & jobs.keys(), set()]


@pytest.mark.requirement("http.closed")
def test_http_is_closed_without_the_token(http_server: HttpServer) -> None:
    assert _post(http_server.url).status_code == 401
    assert _post(http_server.url, Authorization="Bearer wrong").status_code == 401
    assert _post(http_server.url, Authorization=f"Bearer {http_server.token}").status_code == 200


@pytest.mark.requirement("http.closed")
def test_http_refuses_foreign_hosts_and_origins(http_server: HttpServer) -> None:
    token = {"Authorization": f"Bearer {http_server.token}"}
    assert _post(http_server.url, **token, Host="evil.example").status_code == 421
    assert _post(http_server.url, **token, Origin="http://evil.example").status_code == 403


def test_the_token_is_stored_for_its_user_alone_and_its_place_is_said(http_server: HttpServer, state_dir: str) -> None:
    path = Path(state_dir) / "http-token"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert str(path) in http_server.said
    assert http_server.token not in http_server.said
    assert re.fullmatch(r"[\w-]{40,}", http_server.token)


def test_the_page_stands_beside_the_endpoint_with_a_door_of_its_own(http_server: HttpServer) -> None:
    base = http_server.url.removesuffix("/mcp")

    def call(browser: httpx2.Client) -> httpx2.Response:
        return browser.post("/api/call", json={"action": "about"}, headers={"mcp-bg-page": "1"})

    with httpx2.Client(base_url=base, timeout=PATIENCE_S) as browser:
        assert browser.get("/").text.startswith("<!doctype html>")
        assert call(browser).status_code == 401
        sessions = Sessions(http_server.token, int(base.rpartition(":")[2]))
        assert browser.get("/enter", params={"code": sessions.new_code()}).status_code == 303

        assert call(browser).json()["facts"]["actions"]["kill_job"] == "ends"
        assert browser.post("/mcp", json={}).status_code == 401


@pytest.mark.parametrize("http_options", [("--read-only",)])
async def test_a_page_that_may_only_look_takes_nothing_from_the_tools_beside_it(http_server: HttpServer) -> None:
    base = http_server.url.removesuffix("/mcp")
    header = {"mcp-bg-page": "1"}
    async with httpx2.AsyncClient(base_url=base, timeout=PATIENCE_S) as browser:
        sessions = Sessions(http_server.token, int(base.rpartition(":")[2]))
        await browser.get("/enter", params={"code": sessions.new_code()})
        kill = {"action": "kill_job", "args": {"job_id": "nobody"}}
        assert (await browser.post("/api/call", json=kill, headers=header)).json()["code"] == "read_only"

    async with Client(StreamableHttpTransport(http_server.url, auth=http_server.token)) as client:
        job = await Caller(client).facts("execute_command", command="sleep 60", wait_s=0)
        assert (await Caller(client).facts("kill_job", job_id=job["job_id"]))["status"] == "killed"


def _post(url: str, **headers: str) -> httpx2.Response:
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    request = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}
    accept = {"Accept": "application/json, text/event-stream"}
    return httpx2.post(url, json=request, headers={**accept, **headers}, timeout=PATIENCE_S)


def _name(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text()


def _parent(pid: int) -> int:
    stat_line = Path(f"/proc/{pid}/stat").read_text()
    return int(stat_line.rpartition(")")[2].split()[1])
