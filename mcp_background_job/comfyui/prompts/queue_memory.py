"""Remembers every observed queue of a server: a server that dies takes the browser's prompts with it."""

from __future__ import annotations

import logging
import time

from mcp_background_job.comfyui.process.process import ServerProcess
from mcp_background_job.comfyui.prompts.cancel import stranger_of
from mcp_background_job.comfyui.wire.answers import Queue
from mcp_background_job.comfyui.wire.endpoint import Endpoint
from mcp_background_job.core.comfyui.submission import Submission
from mcp_background_job.errors import RegistryError
from mcp_background_job.executors import lanes
from mcp_background_job.registry.seen import SeenQueue, SqliteSeen

_log = logging.getLogger(__name__)

#: Seconds after which an unchanged queue is recorded again, so that its age is about right.
_AGAIN_S = 10.0


class QueueMemory:
    """The last observed queue of one server."""

    def __init__(self, endpoint: Endpoint, seen: SqliteSeen) -> None:
        """Takes the server, and the table of observed queues."""
        self._endpoint = endpoint
        self._seen = seen
        self._noted: dict[str, bool] | None = None
        self._noted_at = 0.0

    async def note(self, queue: Queue) -> None:
        """Record a queue that was just seen, if it has changed, or was recorded long ago."""
        places = {item.prompt_id: False for item in queue.pending} | {item.prompt_id: True for item in queue.running}
        now = time.time()
        if places == self._noted and now - self._noted_at < _AGAIN_S:
            return

        def made(prompt_id: str) -> Submission:
            item = queue.find(prompt_id)
            assert item is not None  # noqa: S101  for the type checker: the ids are the queue's
            return stranger_of(item, self._endpoint.url)

        try:
            await lanes.journal(lambda: self._seen.note(self._endpoint.url, at=now, places=places, made=made))
        except RegistryError as error:  # the caller wants to see the queue, and does
            _log.warning("the queue of %s was not recorded: %s", self._endpoint.url, error)
            return
        self._noted, self._noted_at = places, now

    async def last(self, process: ServerProcess | None) -> SeenQueue | None:
        """Return the queue as it was last seen in this process's life; ``None`` if nobody has looked since."""
        seen = await lanes.journal(self._seen.last, self._endpoint.url)
        if seen is None or (process is not None and seen.at < process.started_at):
            return None
        return seen
