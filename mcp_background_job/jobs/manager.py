"""``JobManager``: one method per thing that can be done with a job."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, replace

from mcp_background_job.core.job import Job
from mcp_background_job.core.states import STATUSES, Outcome, State
from mcp_background_job.errors import (
    InvalidRequestError,
    JobEndedError,
    RunnerSilentError,
    StateDirError,
    StdinClosedError,
    SurvivorsError,
    UnknownJobError,
)
from mcp_background_job.executors.local import LocalExecutor
from mcp_background_job.jobdir.control import NoRunnerError, RunnerTimeoutError
from mcp_background_job.jobdir.layout import RUN_ID_VARIABLE
from mcp_background_job.jobdir.observe import Observation
from mcp_background_job.jobdir.records import Spec, StopRequest
from mcp_background_job.jobs import output
from mcp_background_job.jobs.details import Details, details_of
from mcp_background_job.jobs.index import Index
from mcp_background_job.jobs.output import Excerpt, PageOfLog
from mcp_background_job.jobs.request import (
    PLAIN_OUTPUT,
    ROOT,
    TERMINAL_OUTPUT,
    Policy,
    StartRequest,
    check,
    new_job_id,
    spec_of,
    stop_signal,
)
from mcp_background_job.jobs.tidying import Tidier
from mcp_background_job.jobs.usage import usage_of
from mcp_background_job.jobs.view import job_of, observed
from mcp_background_job.jobs.wait import Waited, Waiter, WaitRequest

#: Names offered to a caller who mistyped one.
_SUGGESTIONS = 5

#: Attempts to find a free id: in a directory with a million jobs one in thirty is taken.
_ID_ATTEMPTS = 20

#: Time between the signal and SIGKILL when a caller does not say.
GRACE_S = 5.0


@dataclass(frozen=True)
class Started:
    """A job that was started, or found.

    Attributes:
        job: the job.
        pid: of its command, if it runs already.
        existed: it was running under this name before, and nothing was started.
    """

    job: Job
    pid: int | None
    existed: bool = False


@dataclass(frozen=True)
class Killed:
    """What became of a request to kill: ``killed``, ``already_terminated`` or ``not_found``, and the job."""

    status: str
    job: Job | None


class JobManager:
    """Starts, watches, waits for, interacts with, stops, restarts, lists and prunes jobs."""

    def __init__(
        self, executor: LocalExecutor, index: Index, policy: Policy, *, environment: Mapping[str, str], keep_s: float
    ) -> None:
        """Takes its parts; see ``app.build``.

        Args:
            executor: where jobs run.
            index: which jobs there are.
            policy: what the settings say about starting jobs.
            environment: that jobs inherit.
            keep_s: seconds for which ended jobs are kept.
        """
        self.executor = executor
        self.index = index
        self._policy = policy
        #: Directory of jobs that are started without one.
        self.working_dir = policy.working_dir
        self._environment = environment
        self._tidier = Tidier(executor, index, keep_s=keep_s)
        self._waiter = Waiter(executor)

    def close(self) -> None:
        """Let go of index and spawner; jobs run on."""
        self.index.close()
        self.executor.close()

    # -- start -----------------------------------------------------------------------------------------------------

    async def start(self, request: StartRequest, *, client: str = "", wait_for_report: bool = True) -> Started:
        """Start a job, or return the live one of the same name if that is asked for.

        Without ``wait_for_report`` it returns as soon as the job is recorded: its pid is not known yet, and that it
        could not be started, if so, is found in its record.

        Raises:
            InvalidRequestError: something in the request cannot be used; nothing was started or written.
            LaunchError: it was recorded and could not be started.
        """
        cwd = check(request, self._policy)
        after = [(await self.find(other)).job_id for other in request.after]
        if request.name is None or request.if_running == "new":
            started = await self._start(request, cwd, after, client, wait_for_report=wait_for_report)
            self.index.put_later([started.job])
            return started
        async with self.executor.names_locked():
            if live := await self._live_named(request.name):
                if request.if_running == "return":
                    return live
                if request.parent is None:
                    request = replace(request, parent=await self._parent_of(live.job))
                await self.kill(live.job.job_id, by=client or "restart", why=f"restart of {request.name}")
            started = await self._start(request, cwd, after, client, wait_for_report=wait_for_report)
            await self.index.put([started.job])
            return started

    async def _start(
        self, request: StartRequest, cwd: str, after: list[str], client: str, *, wait_for_report: bool
    ) -> Started:
        job_id = request.job_id or self.claim_id()
        spec = spec_of(
            request,
            self._policy,
            job_id=job_id,
            identity=self.executor.identity_of(job_id),
            cwd=cwd,
            after=after,
            client=client,
            environment=self._environment,
        )
        submitted = await self.executor.submit(spec, wait_for_report=wait_for_report)
        state = State.QUEUED if submitted.queued else State.RUNNING
        return Started(replace(job_of(spec), state=state), submitted.pid)

    async def restart(self, reference: str, *, client: str = "") -> Started:
        """Start the same command again, under the same name; a job that still runs is stopped first.

        Raises:
            InvalidRequestError: it is the run of an agent.
        """
        job = await self.find(reference)
        spec = await self._spec(job)
        if run_id := spec.env.get(RUN_ID_VARIABLE):
            raise InvalidRequestError(
                f"job {job.label} is run {run_id} of an agent: continue_run goes on with it, spawn_run starts another"
            )
        if job.state is not State.EXITED:
            await self.kill(job.job_id, by=client or "restart", why="restart")
        defaults = TERMINAL_OUTPUT if spec.stdin == "pty" else PLAIN_OUTPUT
        inherited = {**self._environment, **defaults}
        request = StartRequest(
            command=spec.command,
            name=spec.name,
            cwd=spec.cwd,
            env={key: value for key, value in spec.env.items() if inherited.get(key) != value},
            stdin=spec.stdin,  # pyright: ignore[reportArgumentType]  checked when it was first asked for
            timeout_s=spec.timeout_s,
            if_running="restart",
            is_own=spec.is_own,
            restarted_from=job.job_id,
            parent=spec.parent or ROOT,
        )
        return await self.start(request, client=client)

    async def _spec(self, job: Job) -> Spec:
        spec = await asyncio.to_thread(self.executor.spec, job.job_id)
        if spec is None:
            raise UnknownJobError(f"what job {job.label} was asked to do is no longer on record")
        return spec

    async def _parent_of(self, job: Job) -> str:
        """Return the parent for what takes the place of a job: that of the job, whoever asks for it."""
        return (await self._spec(job)).parent or ROOT

    def claim_id(self) -> str:
        """Take a free id, for whoever writes it down before the job is started; see ``StartRequest.job_id``.

        Raises:
            StateDirError: there is no room for it.
        """
        for _ in range(_ID_ATTEMPTS):
            job_id = new_job_id()
            if self.executor.claim(job_id):
                return job_id
        raise StateDirError(f"no free job id found in {self.executor.state.jobs}: prune old jobs")

    async def _live_named(self, name: str) -> Started | None:
        named = await self.index.find(name)
        if named is None or named.name != name:
            return None
        job, seen = await self._look(named)
        if job.state is State.EXITED:
            return None
        return Started(job, seen.status.pid if seen.status else None, existed=True)

    # -- look ------------------------------------------------------------------------------------------------------

    async def find(self, reference: str) -> Job:
        """Return a job as it is now, by id or name.

        Raises:
            UnknownJobError: there is none; the message names the nearest.
        """
        return (await self._find(reference))[0]

    async def _find(self, reference: str) -> tuple[Job, Observation]:
        job = await self.index.find(reference)
        if job is None:
            near = ", ".join(await self.index.near(reference, _SUGGESTIONS))
            hint = f"; nearest: {near}" if near else "; there are no jobs yet"
            filling = f" ({self.index.filling})" if self.index.filling else ""
            raise UnknownJobError(f"there is no job {reference!r}{hint}{filling}")
        return await self._look(job)

    async def details(self, reference: str) -> Details:
        """Return all that is known of a job."""
        job, seen = await self._find(reference)
        usage = await usage_of(self.executor, job.job_id, seen)
        return await asyncio.to_thread(details_of, self.executor, job, seen, usage)

    async def list(
        self, *, statuses: tuple[str, ...] = (), name: str | None = None, limit: int = 20, offset: int = 0
    ) -> list[Job]:
        """Return jobs, newest first."""
        unknown = set(statuses) - set(STATUSES)
        if unknown:
            raise InvalidRequestError(f"status {', '.join(sorted(unknown))!r}: give one of {', '.join(STATUSES)}")
        await self.index.sync()
        return await self.index.page(statuses=statuses, name=name, limit=limit, offset=offset)

    async def _look(self, job: Job) -> tuple[Job, Observation]:
        seen = (await asyncio.to_thread(self.executor.poll, [job.job_id])).get(job.job_id)
        if seen is None:
            raise UnknownJobError(f"job {job.label} is no longer there: its directory was removed")
        return await self._noted(job, seen), seen

    async def _noted(self, job: Job, seen: Observation) -> Job:
        """Draw the consequences of what was just seen; returns the job as it is now."""
        if seen.sweep:
            self.executor.sweep_later(job.job_id)
        now = observed(job, seen)
        if now != job:
            await self.index.put([now])
        return now

    # -- output ----------------------------------------------------------------------------------------------------

    async def excerpt(self, job: Job, *, since: int = 0, budget: int = output.EXCERPT_BUDGET) -> Excerpt:
        """Return what matters of a job's output."""
        failed = job.outcome not in (None, Outcome.COMPLETED)
        return await asyncio.to_thread(
            output.excerpt, self.executor, job.job_id, since=since, budget=budget, failed=failed
        )

    async def tail(
        self, job: Job, *, lines: int = 50, stream: str = "both", grep: str | None = None, raw: bool = False
    ) -> Excerpt:
        """Return the last lines of a job's output."""
        return await asyncio.to_thread(
            output.tail, self.executor, job.job_id, lines=lines, stream=stream, grep=grep, raw=raw
        )

    async def page(
        self, job: Job, *, cursor: int = 0, max_bytes: int, stream: str = "both", raw: bool = False
    ) -> PageOfLog:
        """Return a page of a job's output."""
        return await asyncio.to_thread(
            output.page,
            self.executor,
            job.job_id,
            cursor=cursor,
            max_bytes=max_bytes,
            stream=stream,
            raw=raw,
            ended=job.state is State.EXITED,
        )

    # -- wait ------------------------------------------------------------------------------------------------------

    async def wait(self, job: Job, request: WaitRequest) -> Waited:
        """Wait for what is asked for, or for the end of the job."""
        waited = await self._waiter.wait(job.job_id, request)
        return replace(waited, job=await self._noted(job, waited.seen))

    async def wait_for_several(self, jobs: list[Job], request: WaitRequest, *, for_all: bool) -> list[Waited]:
        """Wait for all jobs or for any; returns what is true of each in the end."""
        tasks = [asyncio.create_task(self.wait(job, request)) for job in jobs]
        try:
            await asyncio.wait(tasks, return_when=asyncio.ALL_COMPLETED if for_all else asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        waited: list[Waited] = []
        for job, result in zip(jobs, results, strict=True):
            if isinstance(result, asyncio.CancelledError):
                now, seen = await self._look(job)
                waited.append(Waited(job=now, why=None, seen=seen))
            elif isinstance(result, BaseException):
                raise result
            else:
                waited.append(result)
        return waited

    @contextlib.asynccontextmanager
    async def _runner_errors(self, job: Job) -> AsyncGenerator[None]:
        try:
            yield
        except NoRunnerError as error:
            now, _ = await self._look(job)
            raise JobEndedError(f"job {now.label} takes no input: it is {now.status}") from error
        except RunnerTimeoutError as error:
            raise RunnerSilentError(
                f"the runner of job {job.label} does not answer; kill_job stops both it and the job"
            ) from error

    # -- interact --------------------------------------------------------------------------------------------------

    async def send_input(self, job: Job, data: bytes, *, eof: bool = False) -> None:
        """Write to a job's stdin.

        Raises:
            StdinClosedError: it was started without one, or has had its end of input.
            JobEndedError: it is over, or waits in the queue.
        """
        async with self._runner_errors(job), await self.executor.connect(job.job_id) as runner:
            answer = await runner.send_input(data, eof=eof)
        if answer is None:
            raise JobEndedError(f"job {job.label} ended before the input reached it")
        if answer.get("error") == "closed":
            raise StdinClosedError(
                f'the stdin of job {job.label} is closed: start the job with stdin="pipe" to send it input, '
                'or with stdin="pty" if it wants a terminal'
            )
        if answer.get("error") == "full":
            raise InvalidRequestError(
                f"job {job.label} has not read the {answer['unread']} bytes of input that it was sent before"
            )

    async def signal(self, job: Job, number: int) -> None:
        """Signal a job's foreground processes, as a terminal's keys do.

        Raises:
            JobEndedError: it is over.
        """
        async with self._runner_errors(job), await self.executor.connect(job.job_id) as runner:
            if not await runner.signal(number):
                raise JobEndedError(f"job {job.label} takes no signal: its command has ended")

    # -- stop ------------------------------------------------------------------------------------------------------

    async def kill(
        self, reference: str, *, by: str, why: str = "kill requested", signal: str = "TERM", grace_s: float = GRACE_S
    ) -> Killed:
        """Stop a job and everything that it started; returns when nothing of it is left.

        Raises:
            SurvivorsError: SIGKILL did not end all of it; they are named.
            RunnerSilentError: it cannot be stopped from here.
        """
        if not 0 <= grace_s < math.inf:
            raise InvalidRequestError(f"grace_s={grace_s:g}: a grace period is 0 seconds or more, and finite")
        request = StopRequest(at=time.time(), by=by, why=why, signal=stop_signal(signal), grace_s=grace_s)
        try:
            job = await self.find(reference)
        except (UnknownJobError, StateDirError):
            return Killed("not_found", None)
        if job.state is State.EXITED and job.outcome is not Outcome.LOST:
            return Killed("already_terminated", job)
        cancelled = await self.executor.cancel(job.job_id, request)
        if cancelled.survivors:
            raise SurvivorsError(
                f"job {job.label} is not dead: processes {', '.join(map(str, cancelled.survivors))} survived SIGKILL, "
                "most likely because they sleep in the kernel (disk or network file system); they are signalled on",
                pids=cancelled.survivors,
            )
        now = await self.find(job.job_id)
        # It may have ended by itself before the first signal.
        killed = cancelled.was_live and now.outcome in (Outcome.KILLED, Outcome.TIMED_OUT)
        return Killed("killed" if killed else "already_terminated", now)

    # -- tidy up ---------------------------------------------------------------------------------------------------

    async def recover(self) -> None:
        """Bring the index up to date, sweep up after dead runners, and serve a queue that nobody else serves."""
        await self._tidier.recover()

    async def prune(self, *, older_than_s: float | None = None) -> list[str]:
        """Remove ended jobs, their output with them, that ended long enough ago; returns their ids."""
        return await self._tidier.prune(older_than_s=older_than_s)
