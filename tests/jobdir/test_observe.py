"""What is true of a job, read from directories made by hand and locks held by real processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mcp_background_job.core.recovery import REBOOT, RUNNER_GONE
from mcp_background_job.core.states import Outcome, State
from mcp_background_job.jobdir import lock, observe, records
from mcp_background_job.jobdir.layout import JobDir, StateDir
from mcp_background_job.jobdir.observe import Observation
from mcp_background_job.jobdir.records import Exit, Status

BOOT = "this boot"
RUNNING = Status(state="running", boot_id=BOOT, runner_pid=7, pid=8, started_at=100.0)

HoldLock = Callable[..., int]


def publish(job: JobDir, status: Status) -> None:
    records.write(job.status, records.encode(status))


def seen(job: JobDir) -> Observation:
    return observe.observe(job, BOOT)


def test_a_job_without_files_is_queued(job: JobDir) -> None:
    assert seen(job) == Observation(State.QUEUED)


def test_a_job_without_a_directory_is_queued_and_not_lost(state: StateDir) -> None:
    assert seen(state.job("jgone")) == Observation(State.QUEUED)


def test_a_job_with_a_lock_file_that_nobody_holds_is_still_queued(job: JobDir) -> None:
    Path(job.lock).touch()

    assert seen(job) == Observation(State.QUEUED)


@pytest.mark.real_process
def test_a_job_whose_lock_is_held_is_starting_until_its_runner_says_more(job: JobDir, runner_of: HoldLock) -> None:
    pid = runner_of(job)

    assert seen(job) == Observation(State.STARTING, runner_pid=pid)


@pytest.mark.real_process
def test_a_job_whose_runner_lives_runs_and_the_kernel_names_the_runner(job: JobDir, runner_of: HoldLock) -> None:
    publish(job, RUNNING)
    pid = runner_of(job)

    assert seen(job) == Observation(State.RUNNING, status=RUNNING, runner_pid=pid)
    assert pid != RUNNING.runner_pid


@pytest.mark.parametrize("word", ["starting", "running"])
def test_a_job_with_a_status_and_no_lock_is_lost_and_to_be_swept(job: JobDir, word: str) -> None:
    status = Status(state=word, boot_id=BOOT, runner_pid=7, started_at=100.0)
    publish(job, status)
    found = seen(job)

    assert (found.state, found.outcome, found.sweep) == (State.EXITED, Outcome.LOST, True)
    assert found.exit is not None
    assert found.exit.outcome == "lost"
    assert found.exit.exit_code is None
    assert found.exit.reason == RUNNER_GONE
    assert found.exit.started_at == 100.0
    assert found.status == status


def test_a_job_is_not_lost_whose_runner_comes_while_we_look(job: JobDir, monkeypatch: pytest.MonkeyPatch) -> None:
    look = lock.holder_of

    def look_just_before_it_comes(path: str) -> lock.Holder | None:
        monkeypatch.setattr(lock, "holder_of", look)
        found = look(path)
        assert lock.try_acquire(job.lock) is not None
        publish(job, RUNNING)
        return found

    monkeypatch.setattr(lock, "holder_of", look_just_before_it_comes)
    try:
        assert seen(job) == Observation(State.RUNNING, status=RUNNING, runner_pid=os.getpid())
    finally:
        lock.release_mine()


def test_a_lost_job_does_not_run_whose_sweeper_comes_while_we_look(
    job: JobDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(job, RUNNING)
    read = records.read

    def read_just_before_it_comes(kind: Any, path: str) -> Any:
        monkeypatch.setattr(records, "read", read)
        found = read(kind, path)
        publish(job, replace(RUNNING, sweeping=True))
        assert lock.try_acquire(job.lock) is not None
        return found

    monkeypatch.setattr(records, "read", read_just_before_it_comes)
    try:
        found = seen(job)
    finally:
        lock.release_mine()
    assert (found.state, found.outcome, found.sweep) == (State.EXITED, Outcome.LOST, False)


def test_a_job_that_a_reboot_ended_is_lost_for_that_reason(job: JobDir) -> None:
    publish(job, Status(state="running", boot_id="another boot", runner_pid=7))
    found = seen(job)

    assert (found.state, found.outcome, found.sweep) == (State.EXITED, Outcome.LOST, True)
    assert found.exit is not None
    assert found.exit.reason == REBOOT


@pytest.mark.real_process
def test_a_job_that_is_being_swept_is_lost_and_nobody_else_needs_to_sweep(job: JobDir, runner_of: HoldLock) -> None:
    publish(job, Status(state="running", boot_id=BOOT, runner_pid=7, sweeping=True))
    pid = runner_of(job)
    found = seen(job)

    assert (found.state, found.outcome, found.sweep, found.runner_pid) == (State.EXITED, Outcome.LOST, False, pid)


def test_a_sweep_that_died_itself_is_to_be_done_again(job: JobDir) -> None:
    publish(job, Status(state="running", boot_id=BOOT, runner_pid=7, sweeping=True))

    assert seen(job).sweep


@pytest.mark.parametrize("outcome", Outcome)
def test_an_exit_record_is_believed(job: JobDir, outcome: Outcome) -> None:
    record = Exit(outcome=outcome.value, ended_at=5.0)
    records.write(job.exit, records.encode(record))

    assert seen(job) == Observation(State.EXITED, outcome=outcome, exit=record)


@pytest.mark.real_process
@pytest.mark.parametrize(
    ("name", "outcome"), [("mcp-bg j4k2", Outcome.COMPLETED), ("mcp-bg:j4k2", None), ("unknown", None)]
)
def test_an_exit_record_is_believed_while_a_runner_of_the_first_release_still_tidies_up(
    job: JobDir, runner_of: HoldLock, name: str, outcome: Outcome | None
) -> None:
    publish(job, RUNNING)
    records.write(job.exit, records.encode(Exit(outcome="completed", ended_at=5.0, exit_code=0)))
    runner_of(job, name)

    assert seen(job).outcome is outcome


@pytest.mark.real_process
@pytest.mark.parametrize(
    ("outcome", "started_at", "believed"),
    [("killed", None, True), ("failed", None, True), ("completed", None, False), ("killed", 3.0, False)],
)
def test_that_a_job_was_withdrawn_is_believed_while_its_runner_comes_too_late(
    job: JobDir, runner_of: HoldLock, outcome: str, started_at: float | None, *, believed: bool
) -> None:
    records.write(job.exit, records.encode(Exit(outcome=outcome, ended_at=5.0, started_at=started_at)))
    runner_of(job)

    assert seen(job).state is (State.EXITED if believed else State.STARTING)


@pytest.mark.real_process
@pytest.mark.parametrize(
    ("name", "record"),
    [
        ("mcp-bg j4k2", Exit(outcome="killed", ended_at=5.0, started_at=3.0)),
        ("mcp-bg:j4k2", Exit(outcome="completed", ended_at=5.0, started_at=3.0, exit_code=0)),
        ("mcp-bg:j4k2", Exit(outcome="killed", ended_at=5.0)),
    ],
    ids=["a runner of the first release", "one of ours", "one that came too late"],
)
def test_an_exit_record_is_believed_if_its_runner_ends_while_we_look(
    job: JobDir, runner_of: HoldLock, monkeypatch: pytest.MonkeyPatch, name: str, record: Exit
) -> None:
    publish(job, RUNNING)
    records.write(job.exit, records.encode(record))
    pid, look = runner_of(job, name), lock.holder_of

    def look_just_before_it_ends(path: str) -> lock.Holder | None:
        monkeypatch.setattr(lock, "holder_of", look)
        found = look(path)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)  # not even its name is left
        return found

    monkeypatch.setattr(lock, "holder_of", look_just_before_it_ends)
    assert seen(job) == Observation(State.EXITED, outcome=Outcome(record.outcome), exit=record)


@pytest.mark.real_process
def test_that_it_was_withdrawn_is_not_believed_of_a_job_that_runs(job: JobDir, runner_of: HoldLock) -> None:
    publish(job, RUNNING)
    records.write(job.exit, records.encode(Exit(outcome="killed", ended_at=5.0)))
    runner_of(job, child=True)

    assert seen(job).state is State.RUNNING


@pytest.mark.real_process
@pytest.mark.parametrize("name", ["mcp-bg j4k2", "mcp-bg:j4k2", "unknown"])
def test_what_is_no_record_in_the_place_of_one_does_not_end_a_job_whose_runner_lives(
    job: JobDir, runner_of: HoldLock, name: str
) -> None:
    publish(job, RUNNING)
    os.mkdir(job.exit)
    runner_of(job, name)

    assert (seen(job).state, seen(job).outcome) == (State.RUNNING, None)


def test_a_job_that_ends_between_two_looks_is_not_lost(job: JobDir, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(job, RUNNING)

    def ends_now(_path: str) -> None:
        records.write(job.exit, records.encode(Exit(outcome="completed", ended_at=5.0, exit_code=0)))

    monkeypatch.setattr(lock, "holder_of", ends_now)

    assert seen(job).outcome is Outcome.COMPLETED


def test_a_job_that_begins_and_ends_between_two_looks_is_not_lost(job: JobDir, monkeypatch: pytest.MonkeyPatch) -> None:
    record = Exit(outcome="completed", ended_at=5.0, exit_code=0)

    def ends_now(_path: str) -> None:
        records.write(job.exit, records.encode(record))

    def begins_now(_path: str) -> None:
        publish(job, RUNNING)
        monkeypatch.setattr(lock, "holder_of", ends_now)

    monkeypatch.setattr(lock, "holder_of", begins_now)

    assert seen(job) == Observation(State.EXITED, outcome=Outcome.COMPLETED, exit=record)


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 100, b'{"version": 1, "outcome": "comple', b'{"outcome": "perfect", "ended_at": 1}']
)
def test_a_broken_exit_record_is_a_lost_job_with_the_reason_and_never_a_success(job: JobDir, data: bytes) -> None:
    publish(job, RUNNING)
    Path(job.exit).write_bytes(data)
    found = seen(job)

    assert (found.state, found.outcome, found.sweep) == (State.EXITED, Outcome.LOST, False)
    assert found.exit is not None
    assert found.exit.outcome == "lost"
    assert found.exit.ended_at == os.stat(job.exit).st_mtime
    assert found.trouble is not None
    assert job.exit in found.trouble
    assert found.exit.reason == found.trouble


CORRUPT_STATUS = [
    b"",
    b"{",
    b"[]",
    b"\xff\xff",
    b'{"state": "running"}',
    b'{"state": "dancing", "boot_id": "b", "runner_pid": 1}',
]


@pytest.mark.parametrize("data", CORRUPT_STATUS)
def test_a_broken_status_still_proves_that_a_runner_was_there(job: JobDir, data: bytes) -> None:
    Path(job.status).write_bytes(data)
    found = seen(job)

    assert (found.state, found.outcome, found.sweep) == (State.EXITED, Outcome.LOST, True)
    assert found.trouble is not None
    assert job.status in found.trouble


@pytest.mark.real_process
@pytest.mark.parametrize("data", CORRUPT_STATUS)
def test_a_broken_status_does_not_end_a_job_whose_runner_lives(job: JobDir, data: bytes, runner_of: HoldLock) -> None:
    Path(job.status).write_bytes(data)
    pid = runner_of(job)
    found = seen(job)

    assert (found.state, found.outcome, found.runner_pid) == (State.STARTING, None, pid)
    assert found.trouble is not None


@pytest.mark.real_process
@pytest.mark.parametrize("word", ["queued", "exited"])
def test_a_status_that_no_runner_writes_does_not_end_or_unstart_a_job_whose_runner_lives(
    job: JobDir, word: str, runner_of: HoldLock
) -> None:
    publish(job, Status(state=word, boot_id=BOOT, runner_pid=7))
    runner_of(job)

    assert seen(job).state in {State.STARTING, State.RUNNING}
