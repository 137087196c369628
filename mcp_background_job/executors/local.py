"""Jobs on this machine: each has a directory, and a runner beside it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import shutil
import signal
import stat
import time
from collections.abc import AsyncGenerator, Coroutine, Iterator
from typing import Any

from mcp_background_job.core.ladder import KILL_PATIENCE_S
from mcp_background_job.core.states import Outcome, State
from mcp_background_job.errors import LaunchError, RunnerSilentError, StateDirError
from mcp_background_job.executors.base import Cancelled, Submitted
from mcp_background_job.executors.launcher import Launcher
from mcp_background_job.jobdir import control, lock, logreader, order, records
from mcp_background_job.jobdir.boot import boot_id
from mcp_background_job.jobdir.claims import Claim
from mcp_background_job.jobdir.control import NoRunnerError, RunnerClient, RunnerTimeoutError, UnknownRequestError
from mcp_background_job.jobdir.ending import end_unowned
from mcp_background_job.jobdir.layout import JobDir, StateDir, is_job_id
from mcp_background_job.jobdir.logformat import Stream
from mcp_background_job.jobdir.logreader import Parts, Piece
from mcp_background_job.jobdir.marks import mark_open, open_jobs, waiting_of
from mcp_background_job.jobdir.observe import Observation, observe
from mcp_background_job.jobdir.queue import due, may_start_at_once
from mcp_background_job.jobdir.records import Exit, Spec, StopRequest
from mcp_background_job.jobdir.usage import Sample, newest

#: After the runner was killed by us, SIGKILL takes effect within this time unless the machine is stuck.
_KILL_WAIT_S = 5.0

#: A restart under a name lasts as long as the old job takes to die.
_NAMES_PATIENCE_S = 15.0

#: A sweep takes the grace period of the sweeper, and SIGKILL's patience where something survives; and some more.
_SWEEP_PATIENCE_S = 20.0

#: How often to ask a runner to stop a job that was just found ending or starting.
_CANCEL_ATTEMPTS = 50
_BETWEEN_ATTEMPTS_S = 0.02


class LocalExecutor:
    """Runs jobs on this machine, under one state directory."""

    def __init__(self, state: StateDir) -> None:
        """Names the state directory; ``prepare`` makes it."""
        self.state = state
        self.boot_id = boot_id()
        self._launcher = Launcher()
        self._tasks: set[asyncio.Task[object]] = set()
        self._sweeping: set[str] = set()

    def prepare(self) -> None:
        """Make the state directory, and check that it can be used by us and by nobody else.

        Raises:
            StateDirError: it cannot.
        """
        state = self.state
        try:
            os.makedirs(state.path, mode=0o700, exist_ok=True)
            owner = os.stat(state.path).st_uid
            if owner != os.geteuid():
                raise StateDirError(
                    f"the state directory {state.path} belongs to user {owner}, not to {os.geteuid()}: "
                    "set MCP_BG_STATE_DIR to a directory of your own"
                )
            os.chmod(state.path, 0o700)
            for directory in (state.jobs, state.open, state.queue, state.order, state.claims):
                os.makedirs(directory, mode=0o700, exist_ok=True)
            for path in (state.order_lock, state.queue_lock, state.names_lock):
                records.touch(path)
        except OSError as error:
            raise StateDirError(
                f"the state directory {state.path} cannot be used: {error.strerror}; set MCP_BG_STATE_DIR to another"
            ) from error

    def start_spawner(self) -> None:
        """Get ready to launch many jobs quickly."""
        self._launcher.start_spawner()

    def start_spawner_soon(self) -> asyncio.Task[None]:
        """The same, beside what else there is to do."""
        return self._launcher.start_spawner_soon()

    async def finish(self) -> None:
        """Wait for what was begun without waiting for it."""
        await asyncio.gather(*self._tasks)

    def close(self) -> None:
        """Let go of the spawner; jobs run on."""
        self._launcher.close()

    # -- start -----------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def names_locked(self) -> AsyncGenerator[None]:
        """Keep others from starting jobs under a name; if somebody is stuck while holding this, go on without."""
        descriptor = await asyncio.to_thread(lock.acquire, self.state.names_lock, patience_s=_NAMES_PATIENCE_S)
        try:
            yield
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def identity_of(self, job_id: str) -> str:
        """Return what tells a job's directory from copies of it."""
        return self.state.job(job_id).identity()

    def claim(self, job_id: str) -> bool:
        """Take a job id by making its directory; returns whether it was free."""
        try:
            os.mkdir(self.state.job(job_id).path, 0o700)
        except FileExistsError:
            return False
        except OSError as error:
            raise StateDirError(f"cannot make a job directory in {self.state.jobs}: {error.strerror}") from error
        return True

    async def submit(self, spec: Spec, *, wait_for_report: bool = True) -> Submitted:
        job = self.state.job(spec.job_id)
        self._record(job, spec)
        facts = waiting_of(spec)
        if may_start_at_once(self.state, facts):
            if wait_for_report:
                return await self._launch(job)
            # The record is enough for the job to come about, whoever dies now: an unowned job is launched again.
            self._go_on(self._launch(job))
            return Submitted()
        order.enter(self.state, facts)
        launch = (await self.serve_queue()).get(spec.job_id)
        if launch and wait_for_report:
            await asyncio.shield(launch)
        seen = await asyncio.to_thread(observe, job, self.boot_id)
        if seen.exit and seen.exit.started_at is None:
            raise LaunchError(seen.exit.reason)
        return Submitted(
            pid=seen.status.pid if seen.status else None,
            queued=seen.state is State.QUEUED and launch is None,
        )

    def _record(self, job: JobDir, spec: Spec) -> None:
        if os.path.exists(job.spec):
            return
        try:
            os.makedirs(job.path, mode=0o700, exist_ok=True)
            records.write_spec(job, spec)
            mark_open(self.state, waiting_of(spec))
        except OSError as error:
            self._unrecord(job)
            raise StateDirError(f"cannot record a job in {self.state.path}: {error.strerror}") from error

    def _unrecord(self, job: JobDir) -> None:
        with contextlib.suppress(OSError):
            os.unlink(self.state.open_mark(job.job_id))
        shutil.rmtree(job.path, ignore_errors=True)

    async def _launch(self, job: JobDir) -> Submitted:
        try:
            report = await self._launcher.launch(job)
        except LaunchError as error:
            # Normally the runner has said so in the exit record. If it could not, nobody shall start the job later.
            await self._end_failed(job, f"not started: {error}")
            raise
        pid = report.get("pid")
        if pid is None and report.get("owned"):  # somebody who served the queue was quicker
            seen = observe(job, self.boot_id)
            pid = seen.status.pid if seen.status else None
        return Submitted(pid=pid)

    async def _end_failed(self, job: JobDir, reason: str) -> None:
        """See to it that a job that could not be started is recorded as that, or, on a full disk, not at all."""
        record = Exit(outcome=Outcome.FAILED.value, ended_at=time.time(), reason=reason)
        for _ in range(_CANCEL_ATTEMPTS):  # its runner has said why, and is about to let go of it
            if not await asyncio.to_thread(lock.holder_of, job.lock):
                break
            await asyncio.sleep(_BETWEEN_ATTEMPTS_S)
        with contextlib.suppress(OSError):
            await asyncio.to_thread(end_unowned, job, record)
        seen = await asyncio.to_thread(observe, job, self.boot_id)
        if seen.state is State.QUEUED:
            await asyncio.to_thread(self._unrecord, job)

    async def serve_queue(self) -> dict[str, asyncio.Task[None]]:
        """Start what may start now; returns the launches, by job id, which go on without being waited for."""
        loop = asyncio.get_running_loop()
        launched: dict[str, asyncio.Task[None]] = {}

        def launch(claim: Claim) -> None:
            launched[claim.job.job_id] = self._go_on(self._launch_claimed(claim))

        def serve() -> None:
            for claim in due(self.state, self.boot_id):
                loop.call_soon_threadsafe(launch, claim)

        await asyncio.to_thread(serve)
        return launched

    async def _launch_claimed(self, claim: Claim) -> None:
        try:
            await self._launch(claim.job)
        finally:
            claim.release()

    # -- read ------------------------------------------------------------------------------------------------------

    def spec(self, job_id: str) -> Spec | None:
        return records.read(Spec, self.state.job(job_id).spec)

    def poll(self, job_ids: list[str]) -> dict[str, Observation]:
        seen: dict[str, Observation] = {}
        for job_id in job_ids:
            job = self.state.job(job_id)
            if os.path.isdir(job.path):
                seen[job_id] = self._with_launch(job, observe(job, self.boot_id))
        return seen

    def _with_launch(self, job: JobDir, seen: Observation) -> Observation:
        # A job that nobody put in the queue is on its way to its runner, or will be when the queue is served next.
        if seen.state is State.QUEUED and not os.path.exists(self.state.queue_mark(job.job_id)):
            return dataclasses.replace(seen, state=State.STARTING)
        return seen

    def read_log(self, job_id: str, offset: int, limit: int, stream: Stream | None = None) -> Piece:
        return logreader.read(self.state.job(job_id), offset, limit, stream)

    def read_parts(self, job_id: str, offset: int, limit: int, stream: Stream) -> Parts:
        """Read at most ``limit`` bytes of one stream, each with its place and time."""
        return logreader.read_parts(self.state.job(job_id), offset, limit, stream)

    def read_log_tail(self, job_id: str, limit: int, stream: Stream | None = None) -> Piece:
        """Read the last ``limit`` bytes of the log."""
        return logreader.read_tail(self.state.job(job_id), limit, stream)

    def last_output_at(self, job_id: str) -> float | None:
        """Return when the last byte was written (seconds since the epoch), ``None`` if none was."""
        try:
            facts = os.stat(self.state.job(job_id).log)
        except FileNotFoundError:
            return None
        return facts.st_mtime

    def log_path(self, job_id: str) -> str:
        """Return the path of the newest segment of the log."""
        return self.state.job(job_id).log

    def mark_open(self, job_id: str) -> None:
        """Mark that a job has not ended, unless it is marked."""
        records.touch(self.state.open_mark(job_id))

    def discover(self) -> set[str]:
        return set(self.scan())

    def scan(self) -> Iterator[str]:
        """Go through the ids of all job directories, reading the listing on the way."""
        with contextlib.suppress(FileNotFoundError), os.scandir(self.state.jobs) as entries:
            yield from (entry.name for entry in entries if is_job_id(entry.name))

    def open_jobs(self) -> list[str]:
        """Return the ids of all jobs that are marked as not ended."""
        return open_jobs(self.state)

    def marks_changed_at(self) -> int:
        """Return a number that changes when such a mark is made or removed."""
        try:
            return os.stat(self.state.open).st_mtime_ns
        except FileNotFoundError:
            return 0

    def changed_at(self, job_id: str) -> int | None:
        """Return a number that changes when a file of a job appears or is replaced, ``None`` if the job is gone."""
        try:
            facts = os.stat(self.state.job(job_id).path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return facts.st_mtime_ns if stat.S_ISDIR(facts.st_mode) else None

    def has_runner(self, job_id: str) -> bool:
        """Tell whether a runner has the job."""
        return lock.holder_of(self.state.job(job_id).lock) is not None

    def jobs_changed_at(self) -> int:
        """Return a number that changes when a job directory is made or removed.

        Raises:
            StateDirError: the state directory is gone.
        """
        try:
            return os.stat(self.state.jobs).st_mtime_ns
        except OSError as error:
            raise StateDirError(
                f"the state directory {self.state.path} is no longer there ({error.strerror}), and its jobs with it"
            ) from error

    def health(self) -> str | None:
        if not os.access(self.state.jobs, os.R_OK | os.W_OK | os.X_OK):
            return f"the state directory {self.state.path} cannot be written"
        return None

    # -- control ---------------------------------------------------------------------------------------------------

    async def connect(self, job_id: str) -> RunnerClient:
        """Connect to a job's runner.

        Raises:
            NoRunnerError: there is none.
        """
        return await RunnerClient.connect(self.state.job(job_id))

    async def usage(self, job_id: str) -> dict[str, Any] | None:
        """Ask a job's runner what the job uses; ``None`` if it does not answer, or has none.

        Raises:
            UnknownRequestError: the runner does not know the question.
        """
        try:
            return await control.usage(self.state.job(job_id))
        except (NoRunnerError, RunnerTimeoutError):
            return None

    def newest_sample(self, job_id: str) -> Sample | None:
        """Return what a job was last seen to use."""
        return newest(self.state.job(job_id).usage)

    async def port_is_open(self, job_id: str, port: int) -> bool | None:
        """Tell whether a process of the job listens on a TCP port; ``None`` if its runner cannot tell."""
        try:
            return await control.listens_on(self.state.job(job_id), port)
        except (NoRunnerError, RunnerTimeoutError):
            return False
        except UnknownRequestError:
            return None

    async def cancel(self, job_id: str, request: StopRequest) -> Cancelled:
        job = self.state.job(job_id)
        for _ in range(_CANCEL_ATTEMPTS):
            seen = await asyncio.to_thread(observe, job, self.boot_id)
            if seen.state is State.EXITED:
                await self._swept(job)
                return Cancelled(was_live=False)
            if seen.state is State.QUEUED:
                if await asyncio.to_thread(end_unowned, job, _withdrawn(request)):
                    await self.serve_queue()  # others may have waited for it
                    return Cancelled(was_live=True)
                continue  # a runner has just taken it
            try:
                return await self._cancel_running(job_id, request)
            except NoRunnerError:  # it is on its way in or out
                await asyncio.sleep(_BETWEEN_ATTEMPTS_S)
            except RunnerTimeoutError:
                return await self._replace_runner(job, request)
        return await self._replace_runner(job, request)

    async def _cancel_running(self, job_id: str, request: StopRequest) -> Cancelled:
        async with await self.connect(job_id) as runner:
            if not await runner.stop(request):
                raise NoRunnerError(job_id)
            return Cancelled(was_live=True, survivors=tuple(await runner.outcome_of_stop()))

    async def _replace_runner(self, job: JobDir, request: StopRequest) -> Cancelled:
        """The runner is deaf: end it, and have a new one end what it leaves."""
        seen = await asyncio.to_thread(observe, job, self.boot_id)
        if seen.state is State.EXITED:
            return Cancelled(was_live=False)
        if seen.runner_pid is None:
            raise RunnerSilentError(
                f"the runner of job {job.job_id} does not answer, and it lives in another container or namespace: "
                "stop the job from there"
            )
        # Anybody who can open the lock can hold it. Only who is also named in the status file is taken for the runner;
        # a suspended runner that has not written one yet has not started the command either.
        if seen.status is None or seen.status.runner_pid != seen.runner_pid:
            raise RunnerSilentError(
                f"process {seen.runner_pid} holds {job.lock} and is not known as the runner of job {job.job_id}: "
                "when it is gone, the job can be stopped"
            )
        survivors = await asyncio.to_thread(_end_with_tree, job, seen.runner_pid, self.boot_id, request)
        if survivors:
            return Cancelled(was_live=True, survivors=tuple(survivors))
        await self._launcher.launch(job, killed_by=request.by)
        return Cancelled(was_live=True)

    async def _swept(self, job: JobDir) -> None:
        """Return when a job that is over has its exit record: a lost one gets it when nothing of it is left."""
        deadline = time.monotonic() + _SWEEP_PATIENCE_S
        while not await asyncio.to_thread(os.path.exists, job.exit):
            await self.sweep(job.job_id)  # no harm if another is at it already
            if time.monotonic() > deadline:
                raise RunnerSilentError(
                    f"processes of job {job.job_id}, whose runner is dead, may be alive: "
                    f"nobody has cleared them away within {_SWEEP_PATIENCE_S:g} s; {job.path}/runner.crash may say why"
                )
            await asyncio.sleep(_BETWEEN_ATTEMPTS_S)

    def sweep_the_dead(self) -> None:
        """Sweep, without waiting, after every dead runner of a job that is not known to have ended."""
        for job_id, seen in self.poll(open_jobs(self.state)).items():
            if seen.sweep:
                self.sweep_later(job_id)

    async def sweep(self, job_id: str) -> None:
        """Have a new runner clear away what a dead one left, and record that the job is lost; waits for that."""
        with contextlib.suppress(LaunchError):  # the next look will try again; until then the job shows as lost
            await self._launcher.launch(self.state.job(job_id))

    def sweep_later(self, job_id: str) -> None:
        """The same, without waiting, and once at a time."""
        if job_id in self._sweeping:
            return
        self._sweeping.add(job_id)

        async def sweep() -> None:
            try:
                await self.sweep(job_id)
            finally:
                self._sweeping.discard(job_id)

        self._go_on(sweep())

    def _go_on(self, work: Coroutine[Any, Any, object]) -> asyncio.Task[None]:
        """Let something go on while its caller does not; what it finds out is in the job's directory."""

        async def to_the_end() -> None:
            with contextlib.suppress(LaunchError):  # it stands in the exit record
                await work

        task = asyncio.get_running_loop().create_task(to_the_end())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _end_with_tree(job: JobDir, pid: int, boot: str, request: StopRequest) -> list[int]:
    """End what descends from a runner, then the runner; returns what SIGKILL did not end, and then leaves the runner.

    In this order, because as a subreaper it keeps its hold on every orphan for as long as it lives.
    """
    from mcp_background_job.processes.wrapper import ProcessWrapper  # noqa: PLC0415  psutil: 70 ms that not every server needs

    try:
        runner = ProcessWrapper(pid)
    except ProcessLookupError:
        return []
    # The pid is the kernel's answer to who holds this job's lock. The process was taken hold of first and the kernel is
    # asked again, so that nobody who got the pid in between can be meant.
    if observe(job, boot).runner_pid != pid:
        return []
    number = signal.Signals[request.signal]
    survivors = runner.end_descendants(number, grace_s=request.grace_s, patience_s=KILL_PATIENCE_S)
    if not survivors:
        runner.kill()
        runner.wait(_KILL_WAIT_S)
    return survivors


def _withdrawn(request: StopRequest) -> Exit:
    return Exit(
        outcome=Outcome.KILLED.value,
        ended_at=time.time(),
        reason=f"withdrawn from the queue: {request.why} (asked by {request.by})",
        stop_requested=request,
    )
