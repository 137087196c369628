"""The job that feeds a server: one per server, started by any process that makes or looks at its work."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import sys
import time

from mcp_background_job.comfyui.wire.endpoint import Endpoint
from mcp_background_job.core.job import Job
from mcp_background_job.core.naming import NO_PROJECT, Asker, of_no_project
from mcp_background_job.core.states import Outcome, State
from mcp_background_job.core.waiting import Kind, Until
from mcp_background_job.errors import UnknownJobError
from mcp_background_job.executors import lanes
from mcp_background_job.jobdir.records import SYSTEM
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.request import ROOT, StartRequest
from mcp_background_job.jobs.waiting.wait import WaitRequest
from mcp_background_job.registry.batches import SqliteBatches
from mcp_background_job.registry.servers import SqliteServers

#: Seconds for a feeder that has declared its end to be gone; if it is not, the next look tries again.
_ENDING_S = 5.0

#: Seconds after which a crashed feeder is replaced: soon enough to continue, and seldom enough to be noticed.
_CRASH_PAUSE_S = 15.0

#: Characters that a job's name may not have, and its length.
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9.-]+")
_LONGEST = 40


class FeederJobs:
    """Makes sure that servers with work have a feeder."""

    def __init__(self, manager: JobManager, batches: SqliteBatches, servers: SqliteServers, endpoint: Endpoint) -> None:
        """Takes its parts, and the server that the environment names."""
        self._endpoint = endpoint
        self._manager = manager
        self._batches = batches
        self._servers = servers

    async def newest(self, server: str) -> Job | None:
        """Return the job that feeds a server, or did so last."""
        try:
            return await self._manager.find(of_no_project(name_of(server)), Asker(NO_PROJECT))
        except UnknownJobError:
            return None

    async def ensure(self, server: str) -> Job | None:
        """Make sure that a server with work has a feeder; returns it, or the last one.

        If somebody kills a feeder, they want it to stop: its batches are paused until somebody resumes them.
        """
        job = await self.newest(server)
        if job is None:
            return await self.start(server)
        # A feeder that has ended may have seen to the last of the work since the caller looked.
        if await self._goes_on(server, job) or server not in await lanes.journal(self._servers.with_work):
            return job
        if await self.note_kill(server, job):
            open_ones = await lanes.journal(self._batches.on_server, server)
            if not any(batch.cancel_requested for batch in open_ones):  # only a canceled batch has to be cleared away
                return job
        elif _has_just_crashed(job):
            await lanes.journal(self._servers.tell, server, _told_crash(job))
            return job
        return await self.start(server)

    async def start(self, server: str, *, client: str = "") -> Job:
        """Have a server fed, once its work is recorded."""
        request = request_of(server, self._endpoint)
        deadline = time.monotonic() + _ENDING_S
        while True:
            # It has its own name, so if several processes start it at once, only one does.
            job = (await self._manager.start(request, client=client)).job
            if await self._goes_on(server, job) or time.monotonic() >= deadline:
                return job
            # It has declared its end before it could see what was recorded, and is about to end.
            await self._manager.wait(job, WaitRequest(until=Until(Kind.EXIT), wait_s=deadline - time.monotonic()))

    async def note_kill(self, server: str, job: Job | None) -> bool:
        """Pause the batches of a server whose feeder somebody has killed; returns whether somebody has."""
        if job is None or job.state is not State.EXITED or not await self._was_killed(job):
            return False
        why = f"the feeder of its server, job {job.job_id}, was killed; resume goes on"
        await lanes.journal(self._batches.pause_all, server, at=time.time(), why=why)
        return True

    async def stop(self, server: str, why: str) -> None:
        """End the job that feeds a server; another one will take its place."""
        job = await self.newest(server)
        if job is not None:
            await self._manager.kill(job.job_id, by=SYSTEM, why=why, grace_s=0)

    async def has_dispatcher(self, batch_id: str) -> bool:
        """Tell whether a job of release 1.0.0, which had one per batch, works on a batch or waits to."""
        try:
            job = await self._manager.find(of_no_project(f"batch-{batch_id}"), Asker(NO_PROJECT))
        except UnknownJobError:
            return False
        return job.state is not State.EXITED

    async def _goes_on(self, server: str, job: Job) -> bool:
        if job.state is State.EXITED:
            return False
        return (await lanes.journal(self._servers.get, server)).feeder_ended != job.job_id

    async def _was_killed(self, job: Job) -> bool:
        """Tell whether somebody asked for the end of a job, unlike a shutdown of its machine."""
        if job.outcome is not Outcome.KILLED:
            return False
        end = (await self._manager.details(job.job_id)).seen.exit
        return end is None or end.stop_requested is None or end.stop_requested.by != SYSTEM


def _has_just_crashed(job: Job) -> bool:
    """Tell whether a feeder ended by its own error, which may recur again and again. A signal is no such error."""
    return bool(job.exit_code) and job.ended_at is not None and time.time() - job.ended_at < _CRASH_PAUSE_S


def _told_crash(job: Job) -> str:
    return (
        f"its feeder, job {job.job_id}, ended with exit code {job.exit_code}, which tail_job_output explains; "
        f"another is started {_CRASH_PAUSE_S:.0f} s after that"
    )


def trouble_of(feeder: Job | None) -> str:
    """Say why a feeder does not feed yet, if it waits for its turn."""
    if feeder is None or feeder.state is not State.QUEUED:
        return ""
    return f"its feeder, job {feeder.job_id}, waits for the end of the job that it was queued behind"


def name_of(server: str) -> str:
    """Return the name of the job that feeds a server, and of its lock."""
    plain = server.removeprefix("http://")
    name = _NOT_IN_NAMES.sub("-", plain).strip("-")[:_LONGEST]
    # Each server needs its own name: the characters that are left out may be the only difference between two.
    return f"feeder-{name}" + ("" if _is_told_by(name, plain) else f"-{_digest(server)}")


def _is_told_by(name: str, plain: str) -> bool:
    host, colon, port = plain.rpartition(":")
    return bool(colon) and port.isdecimal() and "-" not in host and name == f"{host}-{port}"


def _digest(server: str) -> str:
    return hashlib.sha256(server.encode()).hexdigest()[:6]


def request_of(server: str, own: Endpoint | None = None) -> StartRequest:
    """Return the job that feeds a server; ``own`` is the one whose address and login we have."""
    # -P: Python must not look for modules in the working directory.
    argv = [sys.executable, "-P", "-m", "mcp_background_job", "comfyui", "feed"]
    return StartRequest(
        command=f"exec {shlex.join(argv)}",
        name=name_of(server),
        # One server alone: the feeder of one of several must not find the others in our settings.
        env={"COMFYUI_URLS": "", **(_environment(own) if own and own.url == server else {"COMFYUI_URL": server})},
        is_own=True,
        # Any process that looks at a batch without a feeder starts it again, and need not be related to it.
        parent=ROOT,
        project=NO_PROJECT,
    )


def _environment(own: Endpoint) -> dict[str, str]:
    """Return the variables that a feeder needs for a server, with the login, which jobs do not inherit."""
    login = {"COMFYUI_HEADERS": json.dumps(dict(own.headers))} if own.headers else {}
    # A job on another machine is reached by a port of this process: another process opens its own, by the name.
    return {"COMFYUI_URL": own.url if own.job_id else own.address, **login}
