"""MCP_BG_ON_END is run at the end of each job, with its facts, and changes nothing about the job."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from mcp_background_job.app import build
from mcp_background_job.config import load_settings
from mcp_background_job.core.waiting import Kind, Until
from mcp_background_job.jobdir import records
from mcp_background_job.jobdir.layout import EVENT_VARIABLE, JobDir
from mcp_background_job.jobdir.records import Exit, Spec
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.request import StartRequest
from mcp_background_job.jobs.waiting.wait import WaitRequest
from mcp_background_job.runner import on_end
from mcp_background_job.runner.on_end import environment
from tests.patience import PATIENCE_S, WAIT_S, wait_until

pytestmark = pytest.mark.real_process


def manager_with(command: str, monkeypatch: pytest.MonkeyPatch) -> JobManager:
    monkeypatch.setenv("MCP_BG_ON_END", command)
    return build(load_settings())


def spec_of(job: JobDir) -> Spec:
    spec = records.read(Spec, job.spec)
    assert spec
    return spec


async def ended(manager: JobManager, request: StartRequest) -> JobDir:
    started = await manager.start(request)
    await manager.wait(started.job, WaitRequest(until=Until(Kind.EXIT), wait_s=WAIT_S))
    return manager.state.job(started.job.job_id)


async def test_it_is_told_how_a_job_ended_and_what_it_starts_runs_none(
    state_dir: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "told"
    manager = manager_with(f"env > {told}.new; echo said; mv {told}.new {told}", monkeypatch)
    try:
        job = await ended(manager, StartRequest(command="exit 3", name="fit", env={"COLOUR": "blue"}))
        wait_until(told.exists, "the command was run")
    finally:
        manager.close()
    facts = dict(line.split("=", 1) for line in told.read_text().splitlines() if "=" in line)
    assert facts["MCP_BG_EVENT"] == "job_ended"
    assert (facts["MCP_BG_JOB_ID"], facts["MCP_BG_JOB_NAME"]) == (job.job_id, "fit")
    assert (facts["MCP_BG_STATUS"], facts["MCP_BG_EXIT_CODE"]) == ("failed", "3")
    assert facts["MCP_BG_LOG"] == job.log
    assert (facts["MCP_BG_COMMAND"], facts["COLOUR"]) == ("exit 3", "blue")
    assert "MCP_BG_COOKIE" not in facts
    wait_until(lambda: Path(job.on_end_log).read_text() == "said\n", "its output is kept")

    monkeypatch.setenv(EVENT_VARIABLE, "job_ended")
    within = build(load_settings())
    try:
        spec = spec_of(await ended(within, StartRequest(command="true")))
    finally:
        within.close()
    assert (spec.on_end, spec.parent) == ("", None)
    assert state_dir


async def test_its_failure_is_told_and_leaves_the_job_as_it_was(
    state_dir: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = manager_with("echo no webhook here; exit 7", monkeypatch)
    try:
        job = await ended(manager, StartRequest(command="true"))
        wait_until(Path(job.on_end_trouble).exists, "its failure is noted")
        details = await manager.details(job.job_id)
    finally:
        manager.close()
    assert details.job.status == "completed"
    assert "MCP_BG_ON_END" in (details.note or "")
    assert "exit code 7" in (details.note or "")
    assert state_dir


async def test_it_is_run_for_a_job_whose_runner_died(
    state_dir: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "told"
    manager = manager_with(f'echo "$MCP_BG_STATUS" > {told}.new; mv {told}.new {told}', monkeypatch)
    try:
        started = await manager.start(StartRequest(command="sleep 300"))
        seen = manager.places.look([started.job.job_id])[started.job.job_id]
        assert seen.runner_pid
        os.kill(seen.runner_pid, signal.SIGKILL)
        await manager.wait(started.job, WaitRequest(until=Until(Kind.EXIT), wait_s=WAIT_S))
        await manager.places.care(started.job.job_id)
        wait_until(told.exists, "the command was run")
    finally:
        manager.close()
    assert told.read_text() == "lost\n"
    assert state_dir


@pytest.mark.parametrize("how", ["itself", "its parent", "its condition"])
async def test_it_is_run_for_a_job_that_never_ran(
    state_dir: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    told = tmp_path / "told"
    report = 'echo "$MCP_BG_JOB_NAME $MCP_BG_STATUS ($MCP_BG_DURATION_S)"'
    manager = manager_with(f'[ "$MCP_BG_JOB_NAME" != waiting ] || {{ {report}; }} >> {told}', monkeypatch)
    try:
        first = await manager.start(StartRequest(command="sleep 300", name="first"))
        parent = await manager.start(StartRequest(command="sleep 300", name="parent"))
        waiting = await manager.start(
            StartRequest(command="true", name="waiting", after=(first.job.job_id,), parent=parent.job.job_id)
        )
        ended_by = {"itself": waiting, "its parent": parent, "its condition": first}[how]
        await manager.kill(ended_by.job.job_id, by="test", grace_s=0)
        await manager.wait(waiting.job, WaitRequest(until=Until(Kind.EXIT), wait_s=WAIT_S))
        wait_until(lambda: told.exists() and told.read_text().endswith("\n"), "the command was run")
        for left in (first, parent):
            await manager.kill(left.job.job_id, by="test", grace_s=0)
    finally:
        manager.close()
    status = "failed" if how == "its condition" else "killed"
    assert told.read_text() == f"waiting {status} ()\n"
    assert state_dir


async def test_nothing_is_run_for_what_is_our_own(state_dir: str, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = manager_with("true", monkeypatch)
    try:
        spec = spec_of(await ended(manager, StartRequest(command="true", is_own=True)))
    finally:
        manager.close()
    assert spec.on_end == ""
    assert state_dir


def a_spec(job: JobDir, **other: object) -> Spec:
    facts: dict[str, object] = {
        "job_id": job.job_id,
        "command": "make\0" + "x" * 9000,
        "argv": ["/bin/sh"],
        "cwd": "/gone",
        "env": {"MCP_BG_COOKIE": "c"},
        "created_at": 1.0,
        "cookie": "c",
        "max_output": 1,
        "max_jobs": 1,
    }
    return Spec(**{**facts, **other})  # pyright: ignore[reportArgumentType]  as they are in JSON


def test_its_environment_can_be_had_by_a_process_and_names_the_run(tmp_path: Path) -> None:
    job = JobDir(str(tmp_path / "jobs" / "jabcd"))
    end = Exit(outcome="killed", ended_at=2.0, signal="SIGTERM", reason="asked\0for")
    env = environment(job, a_spec(job, env={"MCP_BG_COOKIE": "c", "MCP_BG_RUN_ID": "rabcd"}), end)
    assert not any("\0" in value for value in env.values())
    assert len(env["MCP_BG_COMMAND"]) <= on_end.MAX_COMMAND
    assert (env["MCP_BG_EVENT"], env["MCP_BG_RUN_ID"]) == ("run_ended", "rabcd")
    assert (env["MCP_BG_STATUS"], env["MCP_BG_EXIT_CODE"], env["MCP_BG_SIGNAL"]) == ("killed", "", "SIGTERM")


#: As sudo does, in the place of the shell.
CLOSES_ALL = f"exec {sys.executable} -ISc 'import os, time; os.closerange(0, 256); time.sleep(0.2); os.mkdir(\"told\")'"


@pytest.mark.parametrize(
    ("command", "trouble", "kept"),
    [
        ("yes & sleep 300", "took longer", on_end.MAX_OUTPUT),
        ("kill -TERM $$", "SIGTERM", 0),
        ("printf 0123456789; exit 0", "", 10),
        ("(sleep 0.2; mkdir told) >/dev/null 2>&1 &", "", 0),
        (CLOSES_ALL, "", 0),
    ],
)
def test_it_is_bounded_in_time_and_in_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, trouble: str, kept: int
) -> None:
    monkeypatch.setattr(on_end, "MAX_RUN_S", 5.0 if trouble.startswith("took") else PATIENCE_S)
    monkeypatch.chdir(tmp_path)
    job = JobDir(str(tmp_path / "jobs" / "jabcd"))
    os.makedirs(job.path)
    log = on_end._log(job)
    assert log is not None
    said = on_end._carry_out(a_spec(job, cwd=str(tmp_path), on_end=command), dict(os.environ), log)
    os.close(log)
    assert trouble in said
    assert bool(said) is bool(trouble)
    assert os.path.getsize(job.on_end_log) == kept
    assert (tmp_path / "told").exists() is ("told" in command)


def test_four_run_at_once_whatever_their_ids(tmp_path: Path) -> None:
    jobs = [JobDir(str(tmp_path / "jobs" / job_id)) for job_id in ("jaaaa", "jaaab", "jbaaa", "jaaca")]
    turns = [on_end._turn(job) for job in jobs]
    assert len({os.fstat(turn).st_ino for turn in turns if turn is not None}) == on_end.MAX_AT_ONCE
    for turn in turns:
        assert turn is not None
        os.close(turn)
