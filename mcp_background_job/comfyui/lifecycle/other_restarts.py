"""Restarts that others carry out: ComfyUI-Manager, or a command of the user's."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass

from mcp_background_job.comfyui.process.process import ServerProcess
from mcp_background_job.comfyui.process.supervision import Supervisor
from mcp_background_job.comfyui.prompts.prompts import LOG_RING
from mcp_background_job.comfyui.wire.client import Client
from mcp_background_job.core.job import Job
from mcp_background_job.errors import UnreachableError
from mcp_background_job.executors import lanes
from mcp_background_job.jobs.manager import JobManager

#: Where ComfyUI-Manager takes requests for a restart: the pip package, then the older custom node.
_REBOOTS = (("POST", "/v2/manager/reboot"), ("GET", "/manager/reboot"))

#: Seconds between two looks at a port: no event says that it is free or answers.
_LOOK_S = 0.1


@dataclass(frozen=True)
class Boot:
    """The facts that a restart changes: the process, or (in place) the beginning of the log, as ISO text."""

    pid: int | None
    log_began: str


class OtherRestarts:
    """Asks others for a restart, and checks whether it happens."""

    def __init__(self, client: Client, manager: JobManager) -> None:
        """Takes its parts."""
        self._client = client
        self._manager = manager
        self._endpoint = client.endpoint

    async def by_manager(self) -> bool:
        """Ask ComfyUI-Manager, at both of its addresses; returns whether it was there and restarted the server."""
        for method, path in _REBOOTS:
            try:
                if await self._client.reboot(method, path):
                    return True
            except UnreachableError:  # if the interpreter is held, the Manager does not hear either
                return False
        return False

    async def boot(self, *, otherwise: str) -> Boot:
        """Return the facts that a restart changes; ``otherwise`` replaces a log that is unreadable or tells nothing."""
        process = await lanes.scan(ServerProcess.find, self._endpoint)
        pid = process.pid if process else None
        try:
            entries = await self._client.log()
        except UnreachableError:
            return Boot(pid, otherwise)
        # The log is a ring buffer: once it is full, its first line tells nothing.
        return Boot(pid, entries[0].at if 0 < len(entries) < LOG_RING else otherwise)

    async def await_other_boot(self, before: Boot, deadline: float, job: Job | None) -> bool:
        """Wait for another server to answer; returns early if the command for the restart has failed."""
        while time.monotonic() < deadline:
            # Asked first, so that a server that the failed command left behind is still seen.
            failed = job is not None and (await self._manager.find(job.job_id)).exit_code
            with contextlib.suppress(UnreachableError):
                await self._client.stats()
                now = await self.boot(otherwise="")
                if (now.pid is not None and now.pid != before.pid) or now.log_began > before.log_began:
                    return True
            if failed:
                return False
            await asyncio.sleep(_LOOK_S)
        return False


def told(supervisor: Supervisor | None) -> str:
    """Say who must restart ComfyUI instead of us."""
    if supervisor is None:
        return "ComfyUI cannot be restarted from here"
    kind = str(supervisor.kind).replace("_", " ")
    return f"ComfyUI is managed by something else ({kind} {supervisor.name}: {supervisor.why})"


def commanded(supervisor: Supervisor | None) -> str:
    """Say what a person has to type."""
    command = f"Type: {supervisor.command} . " if supervisor and supervisor.command else ""
    return f"{command}Or set COMFYUI_RESTART_COMMAND to a command that restarts it"
