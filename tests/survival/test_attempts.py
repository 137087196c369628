"""Jobs that are started again: when they fail, by themselves; or on request, with changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.jobs import attempts
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.request import Changes
from tests.conftest import Liveness
from tests.patience import WAIT_S, until, wait_until
from tests.survival.support import Server, ended, output_of, start

pytestmark = pytest.mark.real_process


async def test_a_job_that_fails_is_started_again_and_shows_which_attempt_it_is(
    manager: JobManager, liveness: Liveness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "FIRST_S", 0.01)
    command = f"test -e failed && exec {liveness.holder('server')}; touch failed; echo down; exit 3"
    job = await start(manager, command, restart="on-failure", cwd=str(tmp_path), name="server")
    liveness.expect("server")

    details = await manager.details(job.job_id)

    assert details.job.status == "running"
    assert "attempt 1 ended with exit code 3" in (details.note or "")
    assert "attempt 2 runs" in (details.note or "")
    assert output_of(manager, job.job_id).startswith(b"down\n[mcp-background-job: attempt 1 ended with exit code 3")
    killed = await manager.kill(job.job_id, by="test")
    assert killed.status == "killed"
    liveness.assert_dead("server")
    assert ((await manager.details(job.job_id)).note or "").endswith("the job ended in attempt 2")


@pytest.mark.requirement("restart.on_failure")
async def test_a_kill_ends_a_job_that_waits_for_its_next_attempt(
    manager: JobManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "FIRST_S", 60.0)
    job = await start(manager, "exit 4", restart="on-failure")

    async def waits() -> bool:
        return "attempt 2 begins in" in ((await manager.details(job.job_id)).note or "")

    await until(waits, "the first attempt fails")
    assert (await manager.kill(job.job_id, by="test")).status == "killed"
    details = await manager.details(job.job_id)
    assert (details.job.status, details.job.exit_code, details.job.signal) == ("killed", None, "SIGTERM")
    assert (details.note or "").endswith("the job ended before attempt 2")


async def test_a_job_that_fails_too_often_has_failed_as_its_last_attempt_did(
    manager: JobManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "FIRST_S", 0.01)
    job = await ended(
        manager, await start(manager, "cat; exit 4", restart="on-failure", attempts=1, stdin_text="text\n")
    )

    assert (job.status, job.exit_code) == ("failed", 4)
    assert output_of(manager, job.job_id).count(b"text\n[mcp-background-job: attempt") == 2
    assert "attempt 2 ended with exit code 4" in ((await manager.details(job.job_id)).note or "")
    again = (await manager.restart(job.job_id)).job
    assert output_of(manager, (await ended(manager, again)).job_id).count(b"[mcp-background-job: attempt") == 2


@pytest.mark.requirement("restart.on_failure")
def test_attempts_go_on_when_the_server_is_dead(state_dir: str, liveness: Liveness, tmp_path: Path) -> None:
    assert state_dir
    command = (
        f"test -e failed && exec {liveness.holder('server')}; touch failed; while ! test -e dead; do :; done; exit 1"
    )
    with Server() as server:
        job = server.call("execute_command", command=command, cwd=str(tmp_path), restart="on-failure", wait_s=0)
        wait_until((tmp_path / "failed").exists, "the first attempt runs")  # what was only recorded waits for a server
        server.kill()
    (tmp_path / "dead").touch()

    liveness.expect("server")

    with Server() as server:
        assert "attempt 2 runs" in server.call("get_job_status", job_id=job["job_id"])["note"]
        assert server.call("kill_job", job_id=job["job_id"])["status"] == "killed"


# -- on request --------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("restart.changes")
async def test_a_restart_changes_what_it_is_told_to_and_keeps_the_rest(manager: JobManager, tmp_path: Path) -> None:
    job = await start(manager, "echo $A-$B-$(pwd)", name="echo", env={"A": "1", "B": "2"}, cwd="/")
    await ended(manager, job)

    first = (await manager.restart(job.job_id, Changes(env={"B": "3"}))).job
    await ended(manager, first)  # a job that still runs would be stopped by the next restart
    second = (await manager.restart(first.job_id, Changes(command="echo other-$A-$B", cwd=str(tmp_path)))).job

    assert output_of(manager, first.job_id) == b"1-3-/\n"
    assert output_of(manager, (await ended(manager, second)).job_id) == b"other-1-3\n"
    assert (second.name, second.cwd) == ("echo", str(tmp_path))


async def test_a_restart_says_when_the_old_job_had_to_be_killed(manager: JobManager, liveness: Liveness) -> None:
    command = "exec " + liveness.script("stubborn", "ignore()\nconnect('stubborn')\nhang()\n")
    job = await start(manager, command, name="server")
    liveness.expect("stubborn")

    started = await manager.restart(job.job_id, Changes(command="exec sleep 600", grace_s=0.2))

    liveness.assert_dead("stubborn")
    assert "did not end within 0.2 s of SIGTERM and was killed (SIGKILL to" in (started.note or "")
    polite = await manager.restart(started.job.job_id, Changes(command="true"))
    assert polite.note is None


@pytest.mark.requirement("restart.changes")
async def test_a_restart_that_cannot_be_leaves_the_old_job_alone(manager: JobManager, liveness: Liveness) -> None:
    job = await start(manager, "exec " + liveness.holder("server"))
    liveness.expect("server")

    for changes in (Changes(cwd="/no/such/place"), Changes(env={"A=": ""}), Changes(grace_s=-1)):
        with pytest.raises(InvalidRequestError):
            await manager.restart(job.job_id, changes)

    liveness.assert_alive("server")
    assert (await manager.kill(job.job_id, by="test")).status == "killed"


def test_a_start_in_the_place_of_another_says_when_that_had_to_be_killed(state_dir: str, liveness: Liveness) -> None:
    assert state_dir
    command = "exec " + liveness.script("stubborn", "ignore()\nconnect('stubborn')\nhang()\n")
    with Server() as server:
        first = server.call("execute_command", command=command, name="dev", wait_s=0)
        liveness.expect("stubborn")
        second = server.call(
            "execute_command", command="echo up; sleep 600", name="dev", if_running="restart", until="up", wait_s=WAIT_S
        )
        assert f"job {first['job_id']} `dev` did not end within 5 s of SIGTERM" in second["note"]
        third = server.call(
            "restart_job",
            job_id="dev",
            command="echo $WHAT; sleep 600",
            env={"WHAT": "else"},
            until="else",
            wait_s=WAIT_S,
        )
        assert (third["why"], third["line"]) == ("matched", "else")
        assert server.call("kill_job", job_id="dev")["status"] == "killed"
