"""Helpers of these tests: short ways to start jobs and wait for them, and a server that can be killed at any moment."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
from collections.abc import Generator
from typing import Any

from bench.client import ServerProcess, facts_of, text_of
from mcp_background_job.app import build
from mcp_background_job.config import load_settings
from mcp_background_job.core.job import Job
from mcp_background_job.core.waiting import Kind, Until
from mcp_background_job.jobdir import lock, records
from mcp_background_job.jobdir.layout import JobDir, StateDir
from mcp_background_job.jobdir.records import Exit, Status
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.output import compile_regex
from mcp_background_job.jobs.request import StartRequest
from mcp_background_job.jobs.waiting.wait import Waited, WaitRequest
from tests.nursery.starts import program
from tests.patience import PATIENCE_S, WAIT_S

#: Pause between two looks at a condition that nobody announces.
_LOOK_AGAIN_S = 0.01

#: The longest that a call may wait for its job, and some more.
_ANSWER_PATIENCE_S = WAIT_S + PATIENCE_S


async def start(manager: JobManager, command: str, **values: Any) -> Job:
    """Start a job, and return when its process exists."""
    return (await manager.start(StartRequest(command=command, **values), client="test")).job


async def ended(manager: JobManager, job: Job | str, patience_s: float = PATIENCE_S) -> Job:
    """Wait for the end of a job."""
    job = await manager.find(job) if isinstance(job, str) else job
    waited = await manager.wait(job, WaitRequest(until=Until(Kind.EXIT), wait_s=patience_s))
    if waited.why == "left_running":
        waited = await manager.wait(job, WaitRequest(until=Until(Kind.EXIT), wait_s=patience_s))
    assert waited.why == "exit", f"{job.label} is still {waited.job.status}"
    return waited.job


async def printed(manager: JobManager, job: Job, pattern: str) -> Waited:
    """Wait until a job's output matches."""
    request = WaitRequest(
        until=Until(Kind.REGEX), until_pattern=compile_regex(pattern, "until"), wait_s=PATIENCE_S, from_start=True
    )
    waited = await manager.wait(job, request)
    assert waited.why == "matched", f"{job.label} did not print {pattern!r}: {waited}"
    return waited


def output_of(manager: JobManager, job_id: str) -> bytes:
    """Return the whole log, as it is on disk."""
    return manager.places.store_of(job_id).read_log(job_id, 0, 2**40).data


def directory_of(state_dir: str, job_id: str) -> JobDir:
    """Return the paths of a job."""
    return StateDir(state_dir).job(job_id)


def exit_of(state_dir: str, job_id: str) -> Exit:
    """Return a job's exit record, which must be there."""
    record = records.read(Exit, directory_of(state_dir, job_id).exit)
    assert record is not None, f"{job_id} has no exit record"
    return record


def status_of(state_dir: str, job_id: str) -> Status:
    """Return the report that a job's runner has published."""
    record = records.read(Status, directory_of(state_dir, job_id).status)
    assert record is not None, f"{job_id} has no status"
    return record


def runner_of(state_dir: str, job_id: str) -> int:
    """Return the pid of a job's living runner: the kernel tells which process holds the job's lock."""
    holder = lock.holder_of(directory_of(state_dir, job_id).lock)
    assert holder is not None, f"{job_id} has no runner"
    assert holder.pid is not None
    return holder.pid


def kill_and_wait(pid: int) -> None:
    """Kill a process that the test started, as a crash would end it; returns when it is gone."""
    descriptor = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        assert select.select([descriptor], [], [], PATIENCE_S)[0], f"{pid} survives SIGKILL"
    finally:
        os.close(descriptor)


def cannot_wake(store: object, job_id: str, pid: int) -> bool:
    """Replace the function that wakes suspended runners, for a case where it cannot, such as a debugger's hold."""
    del store, job_id, pid
    return False


@contextlib.contextmanager
def another_manager(state_dir: str, **settings: Any) -> Generator[JobManager]:
    """Open a further manager on the same state directory, as a command line does."""
    manager = build(load_settings(state_dir=state_dir, **settings))
    try:
        yield manager
    finally:
        manager.close()


def tree_of(directory: str) -> dict[str, tuple[int, bytes]]:
    """Return everything below a directory, for a check that nothing was written."""
    found: dict[str, tuple[int, bytes]] = {}
    for folder, _, files in os.walk(directory):
        found[folder] = (0, b"")
        for name in files:
            if not name.startswith("jobs.sqlite3"):  # the index is opened by looking for a job
                path = os.path.join(folder, name)
                with open(path, "rb") as file:
                    found[path] = (os.stat(path).st_mode, file.read())
    return found


class Server(ServerProcess):
    """A server of this project, with the tests' settings."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        super().__init__(program(*arguments), {**os.environ, **environment}, answer_timeout_s=_ANSWER_PATIENCE_S)

    def send_call(self, tool: str, **arguments: Any) -> int:
        """Call a tool without waiting for the answer; returns the number of the request."""
        return self._ask("tools/call", {"name": tool, "arguments": arguments})

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool and return the structured part of its result."""
        return facts_of(super().call(tool, **arguments))

    def text(self, tool: str, **arguments: Any) -> str:
        """Call a tool and return its text."""
        return text_of(super().call(tool, **arguments))

    def error(self, tool: str, **arguments: Any) -> str:
        """Call a tool that must fail, and return the sentence that says why."""
        result = self.answer(tool, **arguments)
        assert result.get("isError"), result
        return text_of(result)

    def answer(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool and return its result unchanged."""
        return self.request("tools/call", {"name": tool, "arguments": arguments})

    def kill_and_read(self) -> dict[int, dict[str, Any]]:
        """Kill the server; returns the results that it had sent by then, by number of request."""
        assert self._process.stdout
        self._process.kill()
        lines = (self._unread + self._process.stdout.read()).split(b"\n")[:-1]
        self.close()
        answers = [message for message in map(json.loads, lines) if "result" in message]
        return {answer["id"]: answer["result"] for answer in answers}

    def close(self) -> None:
        """Close the server's stdin and wait for its end, which may take no longer than a client's patience."""
        assert self._end(PATIENCE_S), "the server does not end"
