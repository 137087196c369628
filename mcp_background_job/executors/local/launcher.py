"""Launches runners: the spawner forks them if it is up, else they are started by exec. The runner itself reports."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcp_background_job.errors import LaunchError
from mcp_background_job.executors import lanes, looping
from mcp_background_job.executors.local.waking import is_spawner_suspended
from mcp_background_job.jobdir.layout import JobDir

if TYPE_CHECKING:
    import asyncio

_RUNNER = str(Path(__file__).parent.parent.parent / "runner" / "__main__.py")

#: Without site-packages and the user's variables: a runner must not depend on its environment.
_INTERPRETER = [sys.executable, "-I", "-S", _RUNNER]

#: The whole environment of a runner; in particular not the cookie of a job that this process may run in.
_ENVIRONMENT = {"PATH": os.defpath}

#: A runner reports within milliseconds; if the machine is out of memory or frozen, it may take seconds.
REPORT_TIMEOUT_S = 20.0

#: If a spawner's runner has not reported by then, the spawner is stuck and is no longer used.
SPAWNER_TIMEOUT_S = 10.0

#: A forked runner reports earlier than this, unless the machine is loaded. Then we check at this interval whether
#: somebody has suspended the spawner.
_BETWEEN_LOOKS_S = 0.25

#: The most bytes of a pid in digits.
_LONGEST_PID = 20

#: The most launches at once; more would only wait for the processor, and fill the spawner's socket.
MAX_UNDER_WAY = 16


class Launcher:
    """Launches runners for one process."""

    def __init__(self) -> None:
        """Starts nothing: a process that launches one job needs no spawner."""
        self._spawner: socket.socket | None = None
        self._spawner_pid: int | None = None
        self._starting: asyncio.Task[None] | None = None

    @cached_property
    def _under_way(self) -> asyncio.Semaphore:
        import asyncio  # noqa: PLC0415  see ``looping``

        return asyncio.Semaphore(MAX_UNDER_WAY)

    def start_spawner(self) -> None:
        """Start the spawner unless it runs; without it, launching works too, but slower."""
        if self._spawner is not None:
            return
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                _exec([*_INTERPRETER, "--spawner", str(theirs.fileno())], theirs.fileno())
            except OSError:
                ours.close()
                return
        ours.setblocking(False)  # noqa: FBT003  its only form
        self._spawner = ours

    def start_spawner_soon(self) -> asyncio.Task[None]:
        """Start the spawner in the background; a launch meanwhile waits for it."""
        import asyncio  # noqa: PLC0415  see ``looping``

        self._starting = asyncio.create_task(lanes.write(self.start_spawner))
        return self._starting

    def close(self) -> None:
        """Let the spawner end; runners are not affected."""
        spawner, self._spawner, self._spawner_pid = self._spawner, None, None
        if spawner:
            spawner.close()

    async def launch(self, job: JobDir, *, killed_by: str | None = None) -> dict[str, Any]:
        """Launch a runner and return its report, once it owns the job or finds that there is nothing to own.

        Raises:
            LaunchError: the runner reports why it could not start the job, or could not itself be started.
        """
        if looping.is_absent():  # who launches one job without a loop has no spawner
            return await self._executed(job, killed_by)
        await looping.needed()
        async with self._under_way:
            if self._starting is not None:
                await self._starting  # takes less time than starting a runner by exec
            report = await self._forked(job) if killed_by is None else None
            return report or await self._executed(job, killed_by)

    async def _forked(self, job: JobDir) -> dict[str, Any] | None:
        """Have the spawner fork a runner; ``None`` if it does not, or if spawner or runner died before a report."""
        read, write = os.pipe()
        try:
            try:
                if not self._ask_spawner(job, write):
                    return None
            finally:
                os.close(write)
            line = await self._answer_of_forked(read)
        finally:
            os.close(read)
        # A second runner does no harm, even if the first one comes up after all.
        return _report(job, line) if line else None

    async def _answer_of_forked(self, read: int) -> bytes | None:
        deadline = time.monotonic() + SPAWNER_TIMEOUT_S
        while (left := deadline - time.monotonic()) > 0:
            line = await _answer(read, min(left, _BETWEEN_LOOKS_S))
            if line is not None:
                return line
            if await lanes.look(self._is_suspended):
                break
        self.close()
        return None

    def _is_suspended(self) -> bool:
        """Tell whether the spawner, or the runner that it keeps ready, is suspended."""
        spawner = self._spawner
        if spawner is not None and self._spawner_pid is None:
            with contextlib.suppress(OSError, ValueError):  # it is not up yet
                self._spawner_pid = int(spawner.recv(_LONGEST_PID, socket.MSG_DONTWAIT))
        return self._spawner_pid is not None and is_spawner_suspended(self._spawner_pid)

    async def _executed(self, job: JobDir, killed_by: str | None) -> dict[str, Any]:
        read, write = os.pipe()
        try:
            try:
                await lanes.lasting(self._exec_runner, job, write, killed_by)
            finally:
                os.close(write)
            return _report(job, await _answer(read, REPORT_TIMEOUT_S))
        finally:
            os.close(read)

    def _ask_spawner(self, job: JobDir, write: int) -> bool:
        spawner = self._spawner  # another thread may find it dead
        if spawner is None:
            return False
        try:
            socket.send_fds(spawner, [os.fsencode(job.path)], [write])
        except BlockingIOError:  # it has many requests to serve; this one does not wait
            return False
        except OSError:  # it is dead
            self.close()
            return False
        return True

    def _exec_runner(self, job: JobDir, write: int, killed_by: str | None) -> None:
        arguments = [] if killed_by is None else [killed_by]
        try:
            _exec([*_INTERPRETER, job.path, str(write), *arguments], write)
        except OSError as error:
            raise LaunchError(f"cannot start a runner for job {job.job_id}: {error}") from error


def _exec(command: list[str], descriptor: int) -> None:
    """Start a process that detaches itself, and wait until it has."""
    subprocess.run(
        command,
        pass_fds=[descriptor],
        env=_ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        check=False,
    )


async def _answer(read: int, timeout_s: float) -> bytes | None:
    """Read the runner's line. It is shorter than a pipe's atomic write, so it arrives whole or not at all.

    Returns ``None`` when the time is over, and an empty line if the runner ended without one.
    """
    if looping.is_absent():
        return os.read(read, select.PIPE_BUF) if _is_readable(read, timeout_s) else None
    await looping.needed()
    import asyncio  # noqa: PLC0415  see ``looping``

    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(read, lambda: ready.done() or ready.set_result(None))
    try:
        async with asyncio.timeout(timeout_s):
            await ready
    except TimeoutError:
        return None
    finally:
        loop.remove_reader(read)
    return os.read(read, select.PIPE_BUF)


def _is_readable(descriptor: int, timeout_s: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(timeout_s * 1000))


def _report(job: JobDir, line: bytes | None) -> dict[str, Any]:
    if line is None:
        raise LaunchError(f"the runner of job {job.job_id} has not reported within {REPORT_TIMEOUT_S:g} s")
    if not line:
        raise LaunchError(f"the runner of job {job.job_id} ended without a report; {job.path}/runner.crash may say why")
    report: dict[str, Any] = json.loads(line)
    if "error" in report:
        raise LaunchError(report["error"])
    return report
