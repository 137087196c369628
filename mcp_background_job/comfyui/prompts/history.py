"""Clears the history of a server, after what it says of our prompts was journalled."""

from __future__ import annotations

from dataclasses import dataclass

from mcp_background_job.comfyui.prompts.prompts import Prompts
from mcp_background_job.comfyui.wire.client import Client
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.executors import lanes
from mcp_background_job.registry.journal_base import Journal


@dataclass(frozen=True)
class Cleared:
    """What became of a request to clear the history.

    Attributes:
        removed: how many entries are gone.
        kept: how many are there now.
        journalled: how many of those removed can still be asked for, because they were submitted here.
    """

    removed: int
    kept: int
    journalled: int


class History:
    """The history of one server."""

    def __init__(self, client: Client, journal: Journal, prompts: Prompts) -> None:
        """Takes what it works on."""
        self._client = client
        self._journal = journal
        self._prompts = prompts

    async def clear(self, *, keep: int) -> Cleared:
        """Remove all entries but the newest ones.

        Raises:
            InvalidRequestError: a negative number to keep; nothing was removed.
            UnreachableError: the server gives no answer that can be used.
        """
        if keep < 0:
            raise InvalidRequestError(f"keep={keep}: give 0 or more")
        history = await self._client.history(None)
        old = history[: len(history) - keep] if keep < len(history) else []
        journalled = 0
        for finished in old:
            await self._prompts.note_end(finished)
            journalled += await lanes.journal(self._journal.get, finished.prompt_id) is not None
        if old:
            await self._client.delete_history([finished.prompt_id for finished in old])
        left = await self._client.history(None)
        gone = {finished.prompt_id for finished in old} - {finished.prompt_id for finished in left}
        return Cleared(removed=len(gone), kept=len(left), journalled=journalled)
