"""ComfyUI as a background job: found, ended, started, and waited for until it answers."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

from mcp_background_job.comfyui.lifecycle.outcome import Outcome
from mcp_background_job.comfyui.process.process import Baselines, ServerProcess
from mcp_background_job.comfyui.process.server_record import ServerRecords
from mcp_background_job.comfyui.process.startup import Settings, Startup, startup_of_launch, startup_of_settings
from mcp_background_job.comfyui.process.supervision import relaunch_of
from mcp_background_job.comfyui.wire.client import Client
from mcp_background_job.core.job import Job
from mcp_background_job.core.naming import NO_PROJECT, Asker, of_no_project
from mcp_background_job.core.states import State
from mcp_background_job.core.text import one_line
from mcp_background_job.core.waiting import Kind, Until, Why
from mcp_background_job.errors import LifecycleError, RelaunchError, SurvivorsError, UnknownJobError, UnreachableError
from mcp_background_job.executors import lanes
from mcp_background_job.jobdir.layout import JOB_ID_VARIABLE
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.request import ROOT, Again, StartRequest
from mcp_background_job.jobs.waiting.wait import WaitRequest
from mcp_background_job.processes.family import end_family
from mcp_background_job.processes.listeners import listener_on

#: Seconds. ComfyUI has no handler for SIGTERM and ends at once; a process that ignores it is a child with video memory.
GRACE_S = 1.0

#: Seconds: after SIGKILL, a process that is inside a driver may take some to end.
PATIENCE_S = 5.0

#: Seconds: the kernel closes the port with the process; another process that inherited it may be slower.
PORT_FREE_S = 5.0

#: Seconds between two looks at a port: no event says that it is free or answers.
_LOOK_S = 0.1

#: Lines of output that show why a start failed.
_LAST_LINES = 25


#: Restarts in a row after which a failing ComfyUI is left to people: several prompts of a batch may each end it three
#: times before they are known for it.
_ATTEMPTS = 30


#: What Python says if it lacks what ComfyUI needs.
_WRONG_PYTHON = ("ModuleNotFoundError", "ImportError")

#: Characters of a command that is told.
_COMMAND = 200


def _how_started(startup: Startup, output: str) -> str:
    """Say which command failed, and how to give another if its Python is not ComfyUI's."""
    told = f"It was started as: {one_line(startup.command.removeprefix('exec '), _COMMAND)}"
    if not any(sign in output for sign in _WRONG_PYTHON):
        return told
    return (
        f'{told}. If that is not the Python of ComfyUI, set COMFYUI_COMMAND, such as "/path/to/venv/bin/python main.py"'
    )


class ServerJob:
    """The job that a server runs as, or would run as."""

    def __init__(
        self, client: Client, manager: JobManager, records: ServerRecords, baselines: Baselines, settings: Settings
    ) -> None:
        """Takes its parts."""
        self._client = client
        self._manager = manager
        self._records = records
        self._baselines = baselines
        self._settings = settings
        self._endpoint = client.endpoint

    async def named_job(self) -> Job | None:
        """Return the job that last ran ComfyUI on this port."""
        try:
            return await self._manager.find(of_no_project(self._name), Asker(NO_PROJECT))
        except UnknownJobError:
            return None

    @property
    def _name(self) -> str:
        return f"comfyui-{self._endpoint.port}"

    async def of(self, process: ServerProcess) -> Job | None:
        """Return the job that a process is part of; ``None`` if we did not start it."""
        job_id = process.portrait.environ.get(JOB_ID_VARIABLE)
        if job_id is None:
            return None
        try:
            details = await self._manager.details(job_id)
        except UnknownJobError:
            return None
        # The process chooses its environment; the tree comes from the kernel.
        return details.job if details.usage and process.pid in details.usage.pids else None

    async def end(self, process: ServerProcess, client: str, why: str) -> Outcome:
        """End a process and everything that it started, and wait until its port is free.

        Raises:
            SurvivorsError: processes survived SIGKILL, or may have.
            LifecycleError: another process holds the port now.
        """
        job = await self.of(process)
        if job:
            members = tuple((await self._manager.details(job.job_id)).usage.pids)  # pyright: ignore[reportOptionalMemberAccess]  of() has seen it
            await self._manager.kill(job.job_id, by=client or why, why=why, grace_s=GRACE_S)
        else:
            ended = await lanes.lasting(end_family, process.process, grace_s=GRACE_S, patience_s=PATIENCE_S)
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

    async def stop_without_port(self, client: str) -> Outcome:
        """End our ComfyUI if it does not listen: it is starting, or processes that it left behind are alive."""
        job = await self.named_job()
        if job is None or job.state is State.EXITED:
            return Outcome("not_running", detail=f"nothing listens on port {self._endpoint.port}")
        await self._manager.kill(job.job_id, by=client or "stop_comfyui", why="stop_comfyui", grace_s=GRACE_S)
        return Outcome("stopped", job_id=job.job_id, detail="it did not listen on its port")

    async def _await_free_port(self) -> None:
        deadline = time.monotonic() + PORT_FREE_S
        while (listener := await lanes.scan(listener_on, self._endpoint.port)) is not None:
            if time.monotonic() >= deadline:
                raise LifecycleError(
                    f"ComfyUI was ended, and port {self._endpoint.port} is held by pid {listener.pid} all the same: "
                    "somebody else started it again, or another program took the port. Nothing was started"
                )
            await asyncio.sleep(_LOOK_S)

    async def startup(self) -> Startup:
        """Return how to run it: as it last ran, else as the settings say."""
        return await lanes.look(self._startup)

    def _startup(self) -> Startup:
        known = self._records.load(self._endpoint.port)
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

    async def launch(
        self, startup: Startup, client: str, deadline: float, *, afresh: bool = False, again: Again | None = None
    ) -> Outcome:
        """Start the job and wait until it is ready; ``afresh`` first ends the remains of an earlier job of its name.

        ``again`` says whether the job restarts after failures; by default as the last job did.
        """
        request = self._request(startup, await self._again() if again is None else again)
        # A started job that does not listen yet is starting: two would fight for the port.
        request = replace(request, if_running="restart" if afresh else "return")
        started = await self._manager.start(request, client=client)
        if started.job.state is State.QUEUED:
            detail = "it waits for the end of the job that it was queued behind"
            return Outcome("queued", job_id=started.job.job_id, detail=detail)
        outcome = await self._await_ready(started.job, deadline)
        if outcome.status == "failed":
            return replace(outcome, detail=f"{outcome.detail}. {_how_started(startup, outcome.output)}")
        return outcome

    async def launch_after(self, startup: Startup, client: str, job_id: str) -> Job:
        """Have the job started when another has completed: by that job's runner, and so not as a part of it."""
        request = replace(self._request(startup, await self._again()), if_running="new", after=(job_id,))
        return (await self._manager.start(request, client=client)).job

    async def _again(self) -> Again:
        """Tell whether the job that last ran ComfyUI here was to restart after failures."""
        job = await self.named_job()
        spec = (await self._manager.details(job.job_id)).spec if job else None
        return "on-failure" if spec is not None and spec.attempts_file is not None else "no"

    def _request(self, startup: Startup, again: Again) -> StartRequest:
        return StartRequest(
            command=startup.command,
            name=self._name,
            cwd=startup.cwd,
            environment=startup.environment,
            env=startup.variables,
            # ComfyUI wraps its streams: without a terminal, the output of nodes stays in a buffer (measured).
            stdin="pty",
            is_own=True,
            restart=again,
            attempts=_ATTEMPTS,
            # It serves everything that the user does; the job of an agent that happens to (re)start it must not end it.
            parent=ROOT,
            project=NO_PROJECT,
        )

    async def _await_ready(self, job: Job, deadline: float) -> Outcome:
        """Wait until this job, and no other, has opened the port, and answers."""
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
        process = await lanes.scan(ServerProcess.find, self._endpoint)
        if process:
            await lanes.write(self._records.save, self._endpoint.port, process.portrait)
            await lanes.scan(self._baselines.take, process, self._endpoint.port)
            pid = process.pid
        return Outcome("started", job_id=job.job_id, pid=pid)
