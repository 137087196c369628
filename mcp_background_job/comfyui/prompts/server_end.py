"""How a ComfyUI ended, as far as is known: for one that is our job, its exit code and its last lines."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from mcp_background_job.comfyui.process.job_life import JobLife
from mcp_background_job.comfyui.process.process import ServerProcess
from mcp_background_job.comfyui.wire.endpoint import Endpoint
from mcp_background_job.core.comfyui.attempt import Attempt
from mcp_background_job.core.job import Job
from mcp_background_job.core.states import State
from mcp_background_job.errors import UnknownJobError
from mcp_background_job.executors import lanes
from mcp_background_job.jobdir.layout import JOB_ID_VARIABLE
from mcp_background_job.jobs.attempts import ended_after
from mcp_background_job.jobs.details import Details
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.processes import census

#: Seconds: a runner records the end of its command within milliseconds; if the machine swaps, it takes longer.
_NOTED_S = 3.0
_LOOK_S = 0.05

#: The last lines of a log that are shown: those of a crash name its place.
_LINES = 6

#: The lines in which the end of an earlier attempt is searched.
_SEARCHED = 400

#: Signals that mean that somebody wanted the server to end, as does an exit code of 0.
_ASKED = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT")


@dataclass(frozen=True)
class ServerEnd:
    """How a server ended.

    Attributes:
        text: in words.
        by_itself: whether nobody wanted it, as far as is known.
    """

    text: str
    by_itself: bool = True


UNKNOWN = ServerEnd("its server ended; cause unknown")


#: The beginning of the boot of a server that is a job on another machine: only the job tells about its life.
_FAR = "job"


def boot_of(process: ServerProcess | None, endpoint: Endpoint) -> str:
    """Return a value that identifies this life of a server, and the job that it runs as; empty if unknown."""
    if endpoint.job_id:
        return f"{_FAR} {endpoint.job_id}"
    if process is None:
        return ""
    return f"{process.pid}-{process.portrait.birth:.0f} {process.portrait.environ.get(JOB_ID_VARIABLE, '')}".strip()


class ServerEnds:
    """Finds out how servers ended."""

    def __init__(self, manager: JobManager) -> None:
        """Takes the manager of jobs."""
        self._manager = manager

    async def is_surely_over(self, boot: str) -> bool:
        """Tell whether the life of a server is known to be over: by its job, or because its process is gone.

        Ask only if nothing listens on its port: a process in another container may not be visible here.
        """
        life, _, job_id = boot.partition(" ")
        if life == _FAR:
            return await JobLife(self._manager, job_id).is_over() is True
        pid, _, birth = life.partition("-")
        if not pid.isdecimal():
            return False
        seen = await lanes.scan(census.look_up, int(pid))
        return seen is None or not seen.alive or f"{seen.birth:.0f}" != birth

    async def of(self, attempt: Attempt) -> ServerEnd:
        """Return how the life of a server ended to which a prompt was sent."""
        _, _, job_id = attempt.boot.partition(" ")
        if not job_id:
            return UNKNOWN
        deadline = time.monotonic() + _NOTED_S
        try:
            while True:
                end = await self._of(job_id, attempt.sent_at)
                if end is not None or time.monotonic() >= deadline:
                    return end or UNKNOWN
                await asyncio.sleep(_LOOK_S)  # no event says that an attempt has ended
        except UnknownJobError:  # the job was pruned, or the variable comes from another state directory
            return UNKNOWN

    async def _of(self, job_id: str, sent_at: float) -> ServerEnd | None:
        details = await self._manager.details(job_id)
        path = details.spec.attempts_file if details.spec else None
        failed = await lanes.look(ended_after, path, sent_at) if path else None
        if failed is not None:
            return ServerEnd(f"{failed.how}{await self._last_lines(details.job, before=failed.line)}")
        return await self._of_job(details) if details.job.state is State.EXITED else None

    async def _of_job(self, details: Details) -> ServerEnd:
        job, end = details.job, details.seen.exit
        if (end is not None and end.stop_requested is not None) or job.exit_code == 0 or job.signal in _ASKED:
            return ServerEnd("somebody has ended it", by_itself=False)
        how = job.signal or f"exit code {job.exit_code}" if end is not None else job.reason or "cause unknown"
        return ServerEnd(f"{how}{await self._last_lines(job)}")

    async def _last_lines(self, job: Job, *, before: str = "") -> str:
        lines = (await self._manager.tail(job, lines=_SEARCHED if before else _LINES)).text.splitlines()
        place = next((place for place, line in enumerate(lines) if before and before in line), len(lines))
        last = [line.strip() for line in lines[max(0, place - _LINES) : place] if line.strip()]
        return f"; the last lines of job {job.job_id}: {' / '.join(last)}" if last else ""
