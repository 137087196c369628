"""Starts, stops and restarts the ComfyUI process; one such action at a time, whichever server or terminal asks."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from datetime import datetime

from mcp_background_job.comfyui import carry_over
from mcp_background_job.comfyui.answers import Queue
from mcp_background_job.comfyui.carry_over import Carried, Luggage, Requeue
from mcp_background_job.comfyui.client import READ_S, Client
from mcp_background_job.comfyui.process import Baselines, ServerProcess
from mcp_background_job.comfyui.prompts import LOG_RING
from mcp_background_job.comfyui.server_record import ServerRecords
from mcp_background_job.comfyui.startup import (
    Settings,
    Startup,
    is_run_as,
    looks_like_comfyui,
    startup_of_launch,
    startup_of_settings,
)
from mcp_background_job.comfyui.submit import Submitter
from mcp_background_job.comfyui.supervision import Supervisor, relaunch_of, who_supervises
from mcp_background_job.comfyui.trouble import Trouble
from mcp_background_job.core.job import Job
from mcp_background_job.core.states import State
from mcp_background_job.core.submission import Submission
from mcp_background_job.core.text import one_line
from mcp_background_job.core.waiting import Kind, Until, Why
from mcp_background_job.errors import LifecycleError, RelaunchError, SurvivorsError, UnknownJobError, UnreachableError
from mcp_background_job.jobdir import lock
from mcp_background_job.jobdir.layout import JOB_ID_VARIABLE
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.request import StartRequest
from mcp_background_job.jobs.wait import WaitRequest
from mcp_background_job.processes.family import end_family
from mcp_background_job.processes.listeners import listener_on
from mcp_background_job.processes.portrait import Portrait
from mcp_background_job.registry.journal_base import Journal

#: ComfyUI has no handler for SIGTERM and ends at once; what ignores it is a child that holds video memory.
GRACE_S = 1.0

#: Who forces a restart knows that something is wrong; a server that is not wedged tells its queue in milliseconds.
_FORCED_LOOK_S = 0.8

#: After SIGKILL a process that sits in a driver may take some seconds to let go.
PATIENCE_S = 5.0

#: The kernel closes the port with the process; another process that has inherited it may be slower.
PORT_FREE_S = 5.0

#: Between two looks at a port, which tells nobody when it is free or answers.
_LOOK_S = 0.1

#: Where ComfyUI-Manager listens for a restart: the pip package, then the older custom node.
_REBOOTS = (("POST", "/v2/manager/reboot"), ("GET", "/manager/reboot"))

#: Lines of output that show why a start failed.
_LAST_LINES = 25


@dataclass(frozen=True)
class Outcome:
    """What a lifecycle action came to.

    Attributes:
        status: started, already_running, starting, failed, queued, stopped, not_running, restarted or requested.
        job_id: the job that ComfyUI runs as.
        pid: of the process that answers now.
        old_pid: of the one that was ended.
        stopped: pids that were ended.
        took_s: seconds that all took.
        requeued: prompts that were submitted again: new ids by old ones.
        requeue_refused: prompts that the new server did not take, with why.
        to_requeue: prompts that will be submitted again when the server is ready.
        lost: prompts that are gone with the old process.
        output: the last lines of a ComfyUI that ended while it started.
        detail: for what the status alone does not say.
    """

    status: str
    job_id: str | None = None
    pid: int | None = None
    old_pid: int | None = None
    stopped: tuple[int, ...] = ()
    took_s: float = 0.0
    requeued: dict[str, str] = field(default_factory=dict[str, str])
    requeue_refused: dict[str, str] = field(default_factory=dict[str, str])
    to_requeue: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    output: str = ""
    detail: str = ""


class Lifecycle:
    """Acts on the process of one server."""

    def __init__(
        self,
        client: Client,
        journal: Journal,
        submitter: Submitter,
        manager: JobManager,
        *,
        records: ServerRecords,
        baselines: Baselines,
        settings: Settings,
        lock_path: str,
    ) -> None:
        """Takes what it works on; ``lock_path`` is shared by all who act on the same server."""
        self._client = client
        self._journal = journal
        self._submitter = submitter
        self._manager = manager
        self._records = records
        self._baselines = baselines
        self._settings = settings
        self._lock_path = lock_path
        self._endpoint = client.endpoint
        self._later: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Leave what was left for later to others."""
        for task in self._later:
            task.cancel()
        await asyncio.gather(*self._later, return_exceptions=True)

    # -- what tools call -------------------------------------------------------------------------------------------

    async def start(self, *, client: str, wait_s: float) -> Outcome:
        """Start ComfyUI as a background job, and wait until it answers.

        Raises:
            LifecycleError: it is remote, nothing says how to start it, or another program holds its port.
        """
        began = time.monotonic()
        async with self._alone("start"):
            running = await self._running_already()
            if running:
                return running
            outcome = await self._launch(await self._startup(), client, began + wait_s)
        return replace(outcome, took_s=time.monotonic() - began)

    async def stop(self, *, client: str, force: bool) -> Outcome:
        """End ComfyUI and everything that it started.

        Raises:
            LifecycleError: it is busy and not forced, or not ours to stop.
            SurvivorsError: SIGKILL did not end all of it.
        """
        began = time.monotonic()
        async with self._alone("stop"):
            process = await self._process()
            if process is None:
                await self._check_nobody_else_listens()
                return replace(await self._stop_without_port(client), took_s=time.monotonic() - began)
            luggage = await self._look_before(process, force=force)
            supervisor = who_supervises(process.portrait, my_uid=os.getuid())
            if supervisor:
                raise LifecycleError(f"{_told(supervisor)}, which would start it again or must stop it: stop it there")
            await asyncio.to_thread(self._records.save, self._endpoint.port, process.portrait)
            await carry_over.wish(self._journal, luggage, "none")
            outcome = await self._end(process, client, "stop_comfyui")
            await carry_over.leave_behind(self._journal, luggage)
        return replace(outcome, lost=_ids(luggage.all), took_s=time.monotonic() - began)

    async def restart(self, *, client: str, force: bool, requeue: Requeue, wait_s: float) -> Outcome:
        """End ComfyUI with everything that it started, run it again as it was run, and wait until it answers.

        Raises:
            LifecycleError: it is busy and not forced, or nobody here can restart it; the message says who can and how.
            SurvivorsError: SIGKILL did not end all of it; it was not started again.
        """
        began = time.monotonic()
        deadline = began + wait_s
        async with self._alone("restart"):
            process = await self._process()
            if process is None:
                await self._check_nobody_else_listens()
                luggage = await carry_over.pack(self._journal, self._endpoint.url, None)
                startup = await self._startup()
                again = await carry_over.wish(self._journal, luggage, requeue)
                ended = Outcome("not_running")
            else:
                luggage = await self._look_before(process, force=force)
                supervisor = who_supervises(process.portrait, my_uid=os.getuid())
                if supervisor or self._settings.restart_command:
                    return await self._restart_by_others(
                        supervisor, luggage, requeue, client=client, began=began, deadline=deadline
                    )
                await asyncio.to_thread(self._records.save, self._endpoint.port, process.portrait)
                startup = await self._startup()
                again = await carry_over.wish(self._journal, luggage, requeue)
                ended = await self._end(process, client, "restart_comfyui")
            await carry_over.leave_behind(self._journal, luggage)
            outcome = await self._launch(startup, client, deadline, afresh=True)
            outcome = await self._carry(outcome, luggage, again)
        status = "restarted" if process and outcome.status == "started" else outcome.status
        return replace(
            outcome,
            status=status,
            old_pid=process.pid if process else None,
            stopped=ended.stopped,
            took_s=time.monotonic() - began,
        )

    async def resume_requeue(self) -> Carried | None:
        """Submit again what an earlier restart left to be submitted; ``None`` if it cannot be now, or is under way."""
        if not await asyncio.to_thread(self._journal.to_requeue, self._endpoint.url):
            return None
        try:
            await self._client.queue()  # not under the lock: who waits for an answer must not hold up a restart
            async with self._alone("requeue"):
                return await carry_over.requeue_wanted(self._journal, self._submitter, self._client)
        except (LifecycleError, UnreachableError):
            return None

    async def last_job(self, process: ServerProcess | None) -> Job | None:
        """Return the job that a process is part of; without a process, the job that ran ComfyUI here last."""
        return await self.job_of(process) if process else await self._named_job()

    async def _named_job(self) -> Job | None:
        try:
            return await self._manager.find(self._name)
        except UnknownJobError:
            return None

    @property
    def _name(self) -> str:
        return f"comfyui-{self._endpoint.port}"

    async def job_of(self, process: ServerProcess) -> Job | None:
        """Return the job that a process is part of; ``None`` if it was not started by us."""
        job_id = process.portrait.environ.get(JOB_ID_VARIABLE)
        if job_id is None:
            return None
        try:
            details = await self._manager.details(job_id)
        except UnknownJobError:
            return None
        # The environment is what the process says of itself; the tree is the kernel's word.
        return details.job if details.usage and process.pid in details.usage.commands else None

    # -- before ----------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _alone(self, what: str) -> AsyncGenerator[None]:
        # Not in a thread: were this call cancelled meanwhile, nobody would let go of the lock.
        descriptor = lock.acquire(self._lock_path, patience_s=0.0)
        if descriptor is None:
            raise LifecycleError(
                f"{what}: another start, stop or restart of ComfyUI at {self._endpoint.url} is under way; "
                "ask comfyui_status what came of it"
            )
        try:
            yield
        finally:
            os.close(descriptor)

    async def _process(self) -> ServerProcess | None:
        if not self._endpoint.is_local:
            raise LifecycleError(
                f"ComfyUI at {self._endpoint.url} is on another machine: its process can only be started, stopped and "
                f"restarted there. Type there: ssh {self._endpoint.host}, and restart ComfyUI as it was started"
            )
        return await asyncio.to_thread(ServerProcess.find, self._endpoint)

    async def _check_nobody_else_listens(self) -> None:
        listener = await asyncio.to_thread(listener_on, self._endpoint.port)
        if listener is not None and listener.pid is None:
            port = self._endpoint.port
            raise LifecycleError(
                f"port {port} is held by a process of another user, which cannot be looked into: as that user or root, "
                f"type: sudo fuser -v {port}/tcp"
            )

    async def _running_already(self) -> Outcome | None:
        process = await self._process()
        if process is None:
            await self._check_nobody_else_listens()
            return None
        job = await self.job_of(process)
        try:
            await self._client.stats()
        except UnreachableError as error:
            self._check_is_comfyui(process, error)
            raise LifecycleError(
                f"ComfyUI (pid {process.pid}) holds port {self._endpoint.port} and cannot be used: {error}. "
                "restart_comfyui(force=true) ends it and starts it again"
            ) from error
        return Outcome("already_running", job_id=job.job_id if job else None, pid=process.pid)

    def _check_is_comfyui(self, process: ServerProcess, error: UnreachableError) -> None:
        portrait = process.portrait
        known = self._records.load(self._endpoint.port)
        if known and (known.pid, known.birth) == (portrait.pid, portrait.birth):
            return
        foreign = error.trouble in (Trouble.NOT_COMFYUI, Trouble.FORBIDDEN)
        if foreign or not looks_like_comfyui(portrait.argv, portrait.cwd):
            raise LifecycleError(
                f"port {self._endpoint.port} is held by {_shown(portrait)}, which is not known to be "
                f"ComfyUI: {error}. It was left alone; stop it yourself, or set COMFYUI_PORT to where ComfyUI is"
            ) from error

    async def _check_is_the_server(self, process: ServerProcess) -> None:
        """Refuse what passes requests on to a ComfyUI elsewhere: it would be ended, and ComfyUI not."""
        try:
            stats = await self._client.stats()
        except UnreachableError as error:
            self._check_is_comfyui(process, error)
            return
        argv = process.portrait.argv
        if not is_run_as(stats.argv, argv) and not looks_like_comfyui(argv, process.portrait.cwd):
            raise LifecycleError(
                f"port {self._endpoint.port} is held by {_shown(process.portrait)}, and the ComfyUI that answers there "
                f"was started as {one_line(' '.join(stats.argv), _COMMAND_LENGTH)!r}: it runs elsewhere, behind a "
                "tunnel or proxy, and can be stopped and restarted only there. Nothing was ended"
            )

    async def _look_before(self, process: ServerProcess, *, force: bool) -> Luggage:
        """Return what would be lost; refuses if that is anything, or cannot be known, and it is not forced."""
        queue: Queue | None = None
        trouble: UnreachableError | None = None
        try:
            queue = await self._client.queue(read_s=_FORCED_LOOK_S if force else READ_S)
        except UnreachableError as error:
            self._check_is_comfyui(process, error)
            trouble = error
        else:
            await self._check_is_the_server(process)
        luggage = await carry_over.pack(self._journal, self._endpoint.url, queue)
        if force:
            return luggage
        if trouble:
            raise LifecycleError(
                f"what would be lost is not known: {trouble}. The journal has {len(luggage.all)} prompts without an "
                f"end{_listed(luggage.all)}. force=true goes ahead; with requeue they are submitted again"
            )
        if luggage.all:
            raise LifecycleError(
                f"ComfyUI is busy: {len(luggage.running)} running{_listed(luggage.running)}, {len(luggage.pending)} "
                f'pending{_listed(luggage.pending)} would be lost. force=true goes ahead; requeue="pending" submits '
                'the pending ones again, "all" the running one too'
            )
        return luggage

    # -- the old process -------------------------------------------------------------------------------------------

    async def _end(self, process: ServerProcess, client: str, why: str) -> Outcome:
        job = await self.job_of(process)
        if job:
            members = tuple((await self._manager.details(job.job_id)).usage.commands)  # pyright: ignore[reportOptionalMemberAccess]  job_of has seen it
            await self._manager.kill(job.job_id, by=client or why, why=why, grace_s=GRACE_S)
        else:
            ended = await asyncio.to_thread(end_family, process.process, grace_s=GRACE_S, patience_s=PATIENCE_S)
            if ended.survivors:
                raise SurvivorsError(
                    f"processes {', '.join(map(str, ended.survivors))} of ComfyUI survived SIGKILL (a driver may hold "
                    "them); nothing was started. Ask again in a while, or reboot the machine"
                )
            if not ended.certain:
                raise SurvivorsError(
                    "processes of ComfyUI start others faster than they can be listed, so whether all are ended is not "
                    "known; nothing was started. Look for what is left, and ask again"
                )
            members = ended.stopped
        await self._await_free_port()
        return Outcome("stopped", job_id=job.job_id if job else None, old_pid=process.pid, stopped=members)

    async def _stop_without_port(self, client: str) -> Outcome:
        """End a ComfyUI of ours that does not listen: it is starting, or what it left behind lives on."""
        job = await self._named_job()
        if job is None or job.state is State.EXITED:
            return Outcome("not_running", detail=f"nothing listens on port {self._endpoint.port}")
        await self._manager.kill(job.job_id, by=client or "stop_comfyui", why="stop_comfyui", grace_s=GRACE_S)
        return Outcome("stopped", job_id=job.job_id, detail="it did not listen on its port")

    async def _await_free_port(self) -> None:
        deadline = time.monotonic() + PORT_FREE_S
        while (listener := await asyncio.to_thread(listener_on, self._endpoint.port)) is not None:
            if time.monotonic() >= deadline:
                raise LifecycleError(
                    f"ComfyUI was ended, and port {self._endpoint.port} is held by pid {listener.pid} all the same: "
                    "somebody else started it again, or another program took the port. Nothing was started"
                )
            await asyncio.sleep(_LOOK_S)

    # -- the new process -------------------------------------------------------------------------------------------

    async def _startup(self) -> Startup:
        """Return how to run it: as it ran before, else as the settings say."""
        known = await asyncio.to_thread(self._records.load, self._endpoint.port)
        configured = startup_of_settings(self._settings, self._endpoint)
        if configured and (self._settings.command or known is None):
            return configured
        if known is not None:
            try:
                return startup_of_launch(relaunch_of(known))
            except RelaunchError:
                if configured is None:
                    raise
        if configured is None:
            raise LifecycleError(
                f"nothing says how to start ComfyUI on port {self._endpoint.port}: set COMFYUI_DIR to its directory, "
                "or COMFYUI_COMMAND to the command that starts it"
            )
        return configured

    async def _launch(self, startup: Startup, client: str, deadline: float, *, afresh: bool = False) -> Outcome:
        request = StartRequest(
            command=startup.command,
            name=self._name,
            cwd=startup.cwd,
            environment=startup.environment,
            # ComfyUI wraps its streams: without a terminal the prints of nodes stay in a buffer (measured).
            stdin="pty",
            # One that was started and does not listen is starting: two would fight for the port.
            if_running="restart" if afresh else "return",
            is_own=True,
        )
        started = await self._manager.start(request, client=client)
        if started.job.state is State.QUEUED:
            detail = "it waits for a free slot: MCP_BG_MAX_JOBS are running"
            return Outcome("queued", job_id=started.job.job_id, detail=detail)
        return await self._await_ready(started.job, deadline)

    async def _await_ready(self, job: Job, deadline: float) -> Outcome:
        """Wait until the port is opened by this job and no other, and answers."""
        until = Until(Kind.PORT, port=self._endpoint.port)
        wait_s = max(0.0, deadline - time.monotonic())
        waited = await self._manager.wait(job, WaitRequest(until=until, wait_s=wait_s, from_start=True))
        if waited.why is Why.TIMEOUT:
            detail = f'it is still starting: wait_for_job("{job.job_id}", until="port:{self._endpoint.port}")'
            return Outcome("starting", job_id=job.job_id, detail=detail)
        pid = waited.seen.status.pid if waited.seen.status else None
        if waited.why is not Why.PORT:
            tail = await self._manager.tail(waited.job, lines=_LAST_LINES)
            detail = f"it ended while it started: {waited.job.reason or waited.job.status}"
            return Outcome("failed", job_id=job.job_id, output=tail.text, detail=detail)
        try:
            await self._client.stats()
        except UnreachableError as error:
            return Outcome(
                "starting", job_id=job.job_id, pid=pid, detail=f"it listens and does not answer yet: {error}"
            )
        process = await asyncio.to_thread(ServerProcess.find, self._endpoint)
        if process:
            await asyncio.to_thread(self._records.save, self._endpoint.port, process.portrait)
            await asyncio.to_thread(self._baselines.take, process, self._endpoint.port)
            pid = process.pid
        return Outcome("started", job_id=job.job_id, pid=pid)

    # -- the prompts -----------------------------------------------------------------------------------------------

    async def _carry(self, outcome: Outcome, luggage: Luggage, again: list[Submission]) -> Outcome:
        """Submit again what was wished for, or see to it that somebody will; say what became of each prompt."""
        wished = _ids(again)
        lost = tuple(prompt_id for prompt_id in _ids(luggage.all) if prompt_id not in wished)
        outcome = replace(outcome, lost=lost, detail="; ".join(filter(None, [outcome.detail, _guess(luggage)])))
        if not again:
            return outcome
        if outcome.status != "started":
            if outcome.job_id and outcome.status in ("starting", "queued"):
                self._requeue_later(outcome.job_id)
            return replace(outcome, to_requeue=wished)
        carried = await carry_over.requeue_wanted(self._journal, self._submitter, self._client)
        return replace(outcome, requeued=carried.requeued, requeue_refused=carried.refused)

    def _requeue_later(self, job_id: str) -> None:
        """Submit again when the server is ready, if this process lives; otherwise the next look at it does."""

        async def when_ready() -> None:
            until = Until(Kind.PORT, port=self._endpoint.port)
            while True:
                job = await self._manager.find(job_id)
                waited = await self._manager.wait(job, WaitRequest(until=until, wait_s=_LONG_WAIT_S))
                if waited.why is Why.PORT:
                    await self.resume_requeue()
                if waited.why is not Why.TIMEOUT:
                    return

        task = asyncio.create_task(when_ready(), name=f"requeue on {self._endpoint.url}")
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    # -- restarts by others ----------------------------------------------------------------------------------------

    async def _restart_by_others(
        self,
        supervisor: Supervisor | None,
        luggage: Luggage,
        requeue: Requeue,
        *,
        client: str,
        began: float,
        deadline: float,
    ) -> Outcome:
        """Have it restarted by the configured command or by ComfyUI-Manager, where killing it is not for us."""
        before = await self._boot(otherwise=datetime.now().isoformat())  # noqa: DTZ005  as ComfyUI writes its log
        again = await carry_over.wish(self._journal, luggage, requeue)
        job: Job | None = None
        if self._settings.restart_command:
            request = StartRequest(command=self._settings.restart_command, name="comfyui-restart", is_own=True)
            job = (await self._manager.start(request, client=client)).job
            how = f"COMFYUI_RESTART_COMMAND runs as {job.job_id}"
        elif await self._reboot_by_manager():
            how = "ComfyUI-Manager was asked to restart it"
        else:
            await carry_over.take_back(self._journal, luggage.all)
            raise LifecycleError(f"{_told(supervisor)}: nothing was ended. {_commanded(supervisor)}")
        ready = await self._await_other_boot(before, deadline, job)
        outcome = Outcome("started", job_id=job.job_id if job else None, detail=how)
        if not ready:
            return replace(await self._not_back(outcome, job, luggage, again), took_s=time.monotonic() - began)
        await carry_over.leave_behind(self._journal, luggage)
        process = await self._process()
        outcome = await self._carry(replace(outcome, pid=process.pid if process else None), luggage, again)
        return replace(outcome, status="restarted", took_s=time.monotonic() - began)

    async def _not_back(self, outcome: Outcome, job: Job | None, luggage: Luggage, again: list[Submission]) -> Outcome:
        """Say what became of a restart after which no other server answers. Nothing is lost as far as is known."""
        job = await self._manager.find(job.job_id) if job else None
        if job and job.state is State.EXITED and job.exit_code:
            await carry_over.take_back(self._journal, luggage.all)
            tail = await self._manager.tail(job, lines=_LAST_LINES)
            detail = f"COMFYUI_RESTART_COMMAND ended with exit code {job.exit_code}, and no other ComfyUI answers"
            return replace(outcome, status="failed", output=tail.text, detail=detail)
        detail = f"{outcome.detail}; it is not back yet: comfyui_status tells when it is"
        return replace(outcome, status="requested", to_requeue=_ids(again), detail=detail)

    async def _reboot_by_manager(self) -> bool:
        for method, path in _REBOOTS:
            try:
                if await self._client.reboot(method, path):
                    return True
            except UnreachableError:  # a held interpreter does not hear the Manager either
                return False
        return False

    async def _boot(self, *, otherwise: str) -> _Boot:
        process = await asyncio.to_thread(ServerProcess.find, self._endpoint)
        pid = process.pid if process else None
        try:
            entries = await self._client.log()
        except UnreachableError:
            return _Boot(pid, otherwise)
        # The log is a ring: once it is full, its first line is any.
        return _Boot(pid, entries[0].at if 0 < len(entries) < LOG_RING else otherwise)

    async def _await_other_boot(self, before: _Boot, deadline: float, job: Job | None) -> bool:
        """Wait for another server to answer; returns early if the command that was to restart it has failed."""
        while time.monotonic() < deadline:
            # Asked first, so that a server that it left behind is seen before it is given up.
            failed = job is not None and (await self._manager.find(job.job_id)).exit_code
            with contextlib.suppress(UnreachableError):
                await self._client.stats()
                now = await self._boot(otherwise="")
                if (now.pid is not None and now.pid != before.pid) or now.log_began > before.log_began:
                    return True
            if failed:
                return False
            await asyncio.sleep(_LOOK_S)
        return False


@dataclass(frozen=True)
class _Boot:
    """What changes with a restart: the process, or (in place) the beginning of the log, as ISO text."""

    pid: int | None
    log_began: str


#: A wait in the background, repeated until something comes of it.
_LONG_WAIT_S = 50.0


#: Characters of a command that a refusal shows.
_COMMAND_LENGTH = 200


def _shown(portrait: Portrait) -> str:
    command = one_line(" ".join(portrait.argv), _COMMAND_LENGTH) or portrait.exe
    return f"pid {portrait.pid} ({command})"


def _ids(entries: list[Submission] | tuple[Submission, ...]) -> tuple[str, ...]:
    return tuple(entry.prompt_id for entry in entries)


def _listed(entries: tuple[Submission, ...]) -> str:
    if not entries:
        return ""
    shown = [f"{entry.prompt_id}{f' “{entry.note}”' if entry.note else ''}" for entry in entries[:_MAX_LISTED]]
    more = len(entries) - len(shown)
    return f" ({', '.join(shown)}{f' and {more} more' if more else ''})"


#: Prompts that a refusal names.
_MAX_LISTED = 5


def _guess(luggage: Luggage) -> str:
    if not luggage.is_guess or not luggage.all:
        return ""
    return (
        "ComfyUI gave no answer before, so which prompts had not ended is what the journal knows, and the first of "
        "them is taken for the one that ran"
    )


def _told(supervisor: Supervisor | None) -> str:
    if supervisor is None:
        return "ComfyUI cannot be restarted from here"
    kind = str(supervisor.kind).replace("_", " ")
    return f"ComfyUI is not ours to end ({kind} {supervisor.name}: {supervisor.why})"


def _commanded(supervisor: Supervisor | None) -> str:
    command = f"Type: {supervisor.command} . " if supervisor and supervisor.command else ""
    return f"{command}Or set COMFYUI_RESTART_COMMAND to a command that restarts it"
