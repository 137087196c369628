"""Clients that follow jobs, runs and lists, in both eras of the protocol."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from mcp import MCPError

from mcp_background_job.config import load_settings
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.server.build import build_server
from tests.patience import WAIT_S, until
from tests.server.calls import Caller
from tests.server.subscriptions.followers import ERAS, LEGACY, MODERN, Follower, connected, following, subscribe

pytestmark = pytest.mark.real_process


@contextlib.asynccontextmanager
async def _follower(manager: JobManager, era: str) -> AsyncGenerator[Follower]:
    async with connected(build_server(manager, load_settings(toolsets="all")), era) as follower:
        yield follower


async def _started(follower: Follower, command: str) -> str:
    facts = await Caller(follower.client).facts("execute_command", command=command, wait_s=0)
    return facts["job_id"]


def _when(path: Path, then: str) -> str:
    return f"until [ -e '{path}' ]; do sleep 0.05; done; {then}"


@pytest.mark.parametrize("era", ERAS)
async def test_what_a_job_prints_its_end_and_the_list_are_told(manager: JobManager, era: str, tmp_path: Path) -> None:
    async with _follower(manager, era) as follower:
        command = f"{_when(tmp_path / 'print', 'echo one')}; {_when(tmp_path / 'end', 'exit 3')}"
        job_id = await _started(follower, command)
        job, log = f"job://{job_id}", f"job://{job_id}/log"
        await until(lambda: _has(follower, job, '"status":"running"'), "it runs")
        async with following(follower, [job, log, "jobs://"]):
            (tmp_path / "print").touch()
            await follower.hears(log)
            assert await _has(follower, log, "one")
            (tmp_path / "end").touch()
            for uri in (job, log, "jobs://"):
                await follower.hears(uri, 2 if uri == log else 1)
            assert await _has(follower, job, '"exit_code":3')
        await until(lambda: _nobody_waits(manager), "the job is no longer watched")
    assert set(follower.heard) == {job, log, "jobs://"}


@pytest.mark.parametrize("era", ERAS)
async def test_following_and_reading_tell_no_reader_anything(manager: JobManager, era: str, tmp_path: Path) -> None:
    async with _follower(manager, era) as follower:
        job_id = await _started(follower, f"echo first; {_when(tmp_path / 'end', 'exit 4')}")
        log = f"job://{job_id}/log"
        async with following(follower, [log]):
            (tmp_path / "end").touch()
            await follower.hears(log)
            await until(lambda: _has(follower, log, "first"), "the log has its line")
        facts = await Caller(follower.client).facts("wait_for_job", job_id=job_id, wait_s=WAIT_S)
        assert (facts["exit_code"], facts["output"]) == (4, "first")


async def _has(follower: Follower, uri: str, text: str) -> bool:
    (content,) = await follower.client.read_resource(uri)
    return text in getattr(content, "text", "")


async def test_a_subscription_to_what_is_not_there_is_refused_by_name(manager: JobManager) -> None:
    async with _follower(manager, LEGACY) as follower:
        for uri, code in (
            ("job://jnever", "unknown_job"),
            ("job://jnever/log", "unknown_job"),
            ("run://rnever2", "unknown_run"),
            ("other://thing", None),
        ):
            with pytest.raises(MCPError) as refusal:
                await subscribe(follower.client, uri)
            data: dict[str, Any] = refusal.value.error.data
            assert (refusal.value.error.code, data["uri"], data.get("code")) == (-32602, uri, code)


async def test_of_what_a_client_listens_for_what_is_not_there_is_left_out(manager: JobManager) -> None:
    async with _follower(manager, MODERN) as follower:
        job_id = await _started(follower, "sleep 600")
        async with following(follower, ["job://jnever", f"job://{job_id}", "run://rnever2", "other://thing"]):
            assert follower.granted == [f"job://{job_id}"]
        await Caller(follower.client).facts("kill_job", job_id=job_id)


async def test_a_new_job_changes_the_list_of_resources(manager: JobManager) -> None:
    async with _follower(manager, MODERN) as follower, following(follower, [], lists=True):
        await _started(follower, "true")
        await follower.hears("")


async def test_a_name_means_the_job_that_has_it(manager: JobManager) -> None:
    async with _follower(manager, LEGACY) as follower:
        facts = await Caller(follower.client).facts("execute_command", command="sleep 600", name="web", wait_s=0)
        async with following(follower, ["job://web"]):
            await Caller(follower.client).facts("kill_job", job_id=facts["job_id"])
            await follower.hears("job://web")


async def test_two_hundred_followers_of_one_job_share_its_watcher(manager: JobManager, tmp_path: Path) -> None:
    async with _follower(manager, MODERN) as asking:
        job_id = await _started(asking, _when(tmp_path / "go", "echo now"))
        log = f"job://{job_id}/log"
        followers = [Follower(asking.client) for _ in range(200)]
        async with contextlib.AsyncExitStack() as stack:
            for follower in followers:
                await stack.enter_async_context(following(follower, [log]))
            assert manager.hub.subscribers == 1
            (tmp_path / "go").touch()
            for follower in followers:
                await follower.hears(log)
        await until(lambda: _nobody_waits(manager), "the job is no longer watched")


async def _nobody_waits(manager: JobManager) -> bool:
    return manager.hub.subscribers == 0


async def test_a_connection_that_ends_follows_nothing_any_more(manager: JobManager) -> None:
    server = build_server(manager, load_settings(toolsets="all"))
    async with connected(server, LEGACY) as staying:
        job_id = await _started(staying, "sleep 600")
        async with connected(server, LEGACY) as leaving:
            for uri in (f"job://{job_id}", f"job://{job_id}/log", f"job://{job_id}"):
                await subscribe(leaving.client, uri)
            assert manager.hub.subscribers == 2
        await until(lambda: _nobody_waits(manager), "the job is no longer watched")
        await Caller(staying.client).facts("kill_job", job_id=job_id)
