"""Passes on a websocket's reports about prompts: the newest only, and only while somebody watches."""

from __future__ import annotations

import asyncio
import logging

from mcp_background_job.comfyui.live.files import LiveFiles
from mcp_background_job.comfyui.wire.nodes import Live
from mcp_background_job.executors import lanes

_log = logging.getLogger(__name__)

#: Seconds between two replacements: an eye sees no more than about ten pictures a second as separate ones, and a server
#: that sends a hundred costs no more than that.
_PAUSE_S = 0.1

#: Seconds that a new watcher waits for the first report: it is in another process, which sends no notice.
_UNSEEN_S = 0.5


class Sharing:
    """The reports that one process passes on."""

    def __init__(self, files: LiveFiles) -> None:
        """Takes the files for the reports."""
        self._files = files
        self._newest: dict[str, Live | None] = {}
        self._put: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    def note(self, prompt_id: str, live: Live | None) -> None:
        """Take the newest report on a prompt; ``None`` when the prompt is over."""
        self._newest[prompt_id] = live
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._pass_on(), name="live prompts")

    async def close(self) -> None:
        """Remove our files: nobody will replace them."""
        task, self._task = self._task, None
        if task:
            task.cancel()
            await asyncio.wait({task})
        for prompt_id in self._put:
            await lanes.write(self._files.drop, prompt_id)

    async def _pass_on(self) -> None:
        while self._newest:
            try:
                is_looked_on = await lanes.look(self._files.is_looked_on)
                for prompt_id in list(self._newest):
                    if is_looked_on or self._newest[prompt_id] is None:
                        await self._pass(prompt_id, self._newest.pop(prompt_id))
            except OSError as error:  # a full disk: prompts run all the same
                _log.warning("the progress of prompts cannot be shared: %s", error)
                return
            await asyncio.sleep(_PAUSE_S if is_looked_on else _UNSEEN_S)

    async def _pass(self, prompt_id: str, live: Live | None) -> None:
        if live is not None:
            self._put.add(prompt_id)
            await lanes.write(self._files.put, prompt_id, live)
        elif prompt_id in self._put:
            self._put.discard(prompt_id)
            await lanes.write(self._files.drop, prompt_id)
