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

#: Where ComfyUI-Manager listens for a restart: the pip package, then the older custom node.
_REBOOTS = (("POST", "/v2/manager/reboot"), ("GET", "/manager/reboot"))

#: Between two looks at a port, which tells nobody when it is free or answers.
_LOOK_S = 0.1


@dataclass(frozen=True)
class Boot:
    """What changes with a restart: the process, or (in place) the beginning of the log, as ISO text."""

    pid: int | None
    log_began: str


class OtherRestarts:
    """Asks others for a restart, and sees whether it comes about."""

    def __init__(self, client: Client, manager: JobManager) -> None:
        """Takes what it works on."""
        self._client = client
        self._manager = manager
        self._endpoint = client.endpoint

    async def by_manager(self) -> bool:
        """Ask ComfyUI-Manager, in both places where it may listen; returns whether it was there and did as asked."""
        for method, path in _REBOOTS:
            try:
                if await self._client.reboot(method, path):
                    return True
            except UnreachableError:  # a held interpreter does not hear the Manager either
                return False
        return False

    async def boot(self, *, otherwise: str) -> Boot:
        """Return what a restart changes; ``otherwise`` stands for a log that cannot be read or tells nothing."""
        process = await lanes.scan(ServerProcess.find, self._endpoint)
        pid = process.pid if process else None
        try:
            entries = await self._client.log()
        except UnreachableError:
            return Boot(pid, otherwise)
        # The log is a ring: once it is full, its first line is any.
        return Boot(pid, entries[0].at if 0 < len(entries) < LOG_RING else otherwise)

    async def await_other_boot(self, before: Boot, deadline: float, job: Job | None) -> bool:
        """Wait for another server to answer; returns early if the command that was to restart it has failed."""
        while time.monotonic() < deadline:
            # Asked first, so that a server that it left behind is seen before it is given up.
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
    """Say who is to restart ComfyUI instead of us."""
    if supervisor is None:
        return "ComfyUI cannot be restarted from here"
    kind = str(supervisor.kind).replace("_", " ")
    return f"ComfyUI is managed by something else ({kind} {supervisor.name}: {supervisor.why})"


def commanded(supervisor: Supervisor | None) -> str:
    """Say what a person is to type."""
    command = f"Type: {supervisor.command} . " if supervisor and supervisor.command else ""
    return f"{command}Or set COMFYUI_RESTART_COMMAND to a command that restarts it"
