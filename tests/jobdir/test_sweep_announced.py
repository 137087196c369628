"""A job whose runner died is lost from then on: a sweeper that takes its lock is never taken for its runner."""

from __future__ import annotations

import dataclasses
import os

import pytest

from mcp_background_job.core.recovery import RUNNER_GONE
from mcp_background_job.core.states import State
from mcp_background_job.jobdir import lock, records
from mcp_background_job.jobdir.boot import boot_id, machine
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.observe import Observation, observe
from mcp_background_job.jobdir.records import Spec, Status
from mcp_background_job.runner.main import Reply, take

LEFT = Status(state="running", boot_id=boot_id(), runner_pid=2**22, pid=2**22, started_at=100.0, machine=machine())


def left_behind(job: JobDir, status: Status = LEFT) -> None:
    """Make a directory as a runner that was killed leaves it."""
    spec = Spec(
        job_id=job.job_id,
        command="true",
        argv=["true"],
        cwd="/",
        env={},
        created_at=1.0,
        cookie="c",
        max_output=4096,
        max_jobs=1,
    )
    records.write_spec(job, spec)
    records.write(job.status, records.encode(status))


@pytest.fixture
def while_it_takes(monkeypatch: pytest.MonkeyPatch) -> list[Status | None]:
    """What the status file said whenever somebody was about to take a lock."""
    said: list[Status | None] = []
    acquire = lock.try_acquire

    def acquired(path: str) -> int | None:
        said.append(records.read(Status, os.path.join(os.path.dirname(path), "status.json")))
        return acquire(path)

    monkeypatch.setattr(lock, "try_acquire", acquired)
    return said


def test_that_somebody_sweeps_is_said_before_the_lock_is_taken(
    job: JobDir, while_it_takes: list[Status | None]
) -> None:
    left_behind(job)
    assert take(job, Reply(None)) is not None
    [said] = while_it_takes
    assert said == dataclasses.replace(LEFT, sweeping=True, runner_pid=os.getpid())
    assert lost(observe(job, boot_id()))
    lock.release_mine()
    assert lost(observe(job, boot_id()))


def lost(seen: Observation) -> bool:
    return seen.state is State.EXITED and seen.exit is not None and seen.exit.reason == RUNNER_GONE


def test_nothing_is_said_of_a_job_that_waits(job: JobDir) -> None:
    left_behind(job)
    os.unlink(job.status)
    assert take(job, Reply(None)) is not None
    lock.release_mine()
    assert not os.path.exists(job.status)


def test_nothing_is_said_of_a_job_on_another_machine(job: JobDir) -> None:
    elsewhere = dataclasses.replace(LEFT, machine="another", boot_id="another")
    left_behind(job, elsewhere)
    take(job, Reply(None))
    lock.release_mine()
    assert records.read(Status, job.status) == elsewhere
