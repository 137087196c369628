"""Checks whether a process may be ended as ComfyUI, and what would be lost; refuses in one sentence."""

from __future__ import annotations

from typing import Literal

from mcp_background_job.comfyui.lifecycle import carry_over
from mcp_background_job.comfyui.lifecycle.carry_over import Luggage
from mcp_background_job.comfyui.process.process import ServerProcess
from mcp_background_job.comfyui.process.server_record import ServerRecords
from mcp_background_job.comfyui.process.startup import is_run_as, looks_like_comfyui
from mcp_background_job.comfyui.prompts.queue_memory import QueueMemory
from mcp_background_job.comfyui.wire.answers import Queue
from mcp_background_job.comfyui.wire.client import READ_S, Client
from mcp_background_job.comfyui.wire.trouble import Trouble
from mcp_background_job.core.comfyui.submission import Submission
from mcp_background_job.core.text import counted, one_line
from mcp_background_job.errors import LifecycleError, UnreachableError
from mcp_background_job.executors import lanes
from mcp_background_job.processes.listeners import listener_on
from mcp_background_job.processes.portrait import Portrait
from mcp_background_job.registry.batches import SqliteBatches
from mcp_background_job.registry.journal_base import Journal

#: What is to be done to the process.
Action = Literal["stop", "restart"]

#: Seconds. A forced restart assumes that something is wrong; a server that is not wedged answers in milliseconds.
_FORCED_LOOK_S = 0.8

#: Characters of a command in a refusal.
_COMMAND_LENGTH = 200

#: What to do about a refusal. Only a restart submits prompts again.
_FORCE: dict[Action, str] = {
    "stop": "force=true goes ahead, and loses them",
    "restart": 'force=true goes ahead. requeue="pending" submits the pending ones again, "all" the running one too; by '
    "default they are lost",
}

#: The same if nothing but prompts of batches is cut off.
_FORCE_BATCHES = "force=true goes ahead"

#: The most prompts that a refusal names.
_MAX_LISTED = 5


class Checks:
    """Looks at a server before anything is done to its process."""

    def __init__(
        self, client: Client, journal: Journal, batches: SqliteBatches, records: ServerRecords, memory: QueueMemory
    ) -> None:
        """Takes its parts."""
        self._memory = memory
        self._batches = batches
        self._client = client
        self._journal = journal
        self._records = records
        self._endpoint = client.endpoint

    async def check_nobody_else_listens(self) -> None:
        """Refuse a port that is held by a process which we may not inspect."""
        listener = await lanes.scan(listener_on, self._endpoint.port)
        if listener is not None and listener.pid is None:
            port = self._endpoint.port
            raise LifecycleError(
                f"port {port} is held by a process of another user, which cannot be inspected: as that user or root, "
                f"type: sudo fuser -v {port}/tcp"
            )

    async def check_is_comfyui(self, process: ServerProcess, error: UnreachableError) -> None:
        """Refuse a process that does not answer and does not look like ComfyUI."""
        portrait = process.portrait
        known = await lanes.look(self._records.load, self._endpoint.port)
        if known and (known.pid, known.birth) == (portrait.pid, portrait.birth):
            return
        foreign = error.trouble in (Trouble.NOT_COMFYUI, Trouble.FORBIDDEN)
        if foreign or not await _looks_like_comfyui(portrait):
            raise LifecycleError(
                f"port {self._endpoint.port} is held by {_shown(portrait)}, which is not known to be "
                f"ComfyUI: {error}. It was left alone; stop it yourself, or set COMFYUI_PORT to where ComfyUI is"
            ) from error

    async def _check_is_the_server(self, process: ServerProcess) -> None:
        """Refuse a proxy of a ComfyUI elsewhere: the proxy would be ended, and ComfyUI would not."""
        try:
            stats = await self._client.stats()
        except UnreachableError as error:
            await self.check_is_comfyui(process, error)
            return
        if not is_run_as(stats.argv, process.portrait.argv) and not await _looks_like_comfyui(process.portrait):
            raise LifecycleError(
                f"port {self._endpoint.port} is held by {_shown(process.portrait)}, and the ComfyUI that answers there "
                f"was started as {one_line(' '.join(stats.argv), _COMMAND_LENGTH)!r}: it runs elsewhere, behind a "
                "tunnel or proxy, and can be stopped and restarted only there. Nothing was ended"
            )

    async def look_before(self, process: ServerProcess, *, force: bool, action: Action) -> Luggage:
        """Return what would be lost; refuses if anything would be, or if that is unknown, unless forced."""
        queue: Queue | None = None
        trouble: UnreachableError | None = None
        try:
            queue = await self._client.queue(read_s=_FORCED_LOOK_S if force else READ_S)
        except UnreachableError as error:
            await self.check_is_comfyui(process, error)
            trouble = error
        else:
            await self._check_is_the_server(process)
        seen = await self._memory.last(process) if queue is None else None
        luggage = await carry_over.pack(self._journal, self._batches, self._endpoint.url, queue, seen)
        if force:
            return luggage
        if trouble:
            raise LifecycleError(
                f"what would be lost is unknown: {trouble}. The journal and the last look at its queue have "
                f"{len(luggage.all)} prompts without an end{_listed(luggage.all)}. {_FORCE[action]}"
            )
        check_idle(luggage, action)
        return luggage


def check_idle(luggage: Luggage, action: Action) -> None:
    """Refuse to cut off prompts.

    Raises:
        LifecycleError: there are prompts; the message names them, and says what becomes of each kind.
    """
    alone = [
        f"{len(entries)} {place}{_listed(entries)}"
        for place, entries in (("running", luggage.running), ("pending", luggage.pending))
        if entries
    ]
    parts = [
        f"{', '.join(alone)} would be lost" if alone else "",
        _of_batches("batches", luggage.of_batches, "would be cut off, and run again"),
        _of_batches("cancelled batches", luggage.cancelled, "would be cut off, and not run again"),
    ]
    if any(parts):
        told = "; ".join(filter(None, parts))
        raise LifecycleError(f"ComfyUI is busy: {told}. {_FORCE[action] if alone else _FORCE_BATCHES}")


def _of_batches(kind: str, entries: tuple[Submission, ...], fate: str) -> str:
    return f"{counted(len(entries), 'prompt')} of {kind}{_listed(entries)} {fate}" if entries else ""


async def _looks_like_comfyui(portrait: Portrait) -> bool:
    return await lanes.look(looks_like_comfyui, portrait.argv, portrait.cwd)


def _shown(portrait: Portrait) -> str:
    command = one_line(" ".join(portrait.argv), _COMMAND_LENGTH) or portrait.exe
    return f"pid {portrait.pid} ({command})"


def _listed(entries: tuple[Submission, ...]) -> str:
    if not entries:
        return ""
    shown = [f"{entry.prompt_id}{f' “{entry.note}”' if entry.note else ''}" for entry in entries[:_MAX_LISTED]]
    more = len(entries) - len(shown)
    return f" ({', '.join(shown)}{f' and {more} more' if more else ''})"
