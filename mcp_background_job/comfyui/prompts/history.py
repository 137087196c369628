"""Clears the history of a server, once its facts about our prompts are journalled."""

from __future__ import annotations

from dataclasses import dataclass

from mcp_background_job.comfyui.prompts.prompts import Prompts
from mcp_background_job.comfyui.wire.client import Client
from mcp_background_job.comfyui.wire.trouble import Trouble
from mcp_background_job.errors import InvalidRequestError, UnreachableError
from mcp_background_job.executors import lanes
from mcp_background_job.registry.journal_base import Journal


@dataclass(frozen=True)
class Cleared:
    """The result of a request to clear the history.

    Attributes:
        removed: how many entries were removed; ``None`` if they could not be counted.
        kept: how many are there now.
        journalled: how many removed prompts can still be asked for, since they were submitted here.
    """

    removed: int | None
    kept: int
    journalled: int


class History:
    """The history of one server."""

    def __init__(self, client: Client, journal: Journal, prompts: Prompts) -> None:
        """Takes its parts."""
        self._client = client
        self._journal = journal
        self._prompts = prompts

    async def clear(self, *, keep: int) -> Cleared:
        """Remove all entries but the newest ones.

        Raises:
            InvalidRequestError: ``keep`` is negative; nothing was removed.
            UnreachableError: the server does not answer, or its answer cannot be used. A history that cannot be read
                can still be cleared entirely.
        """
        if keep < 0:
            raise InvalidRequestError(f"keep={keep}: give 0 or more")
        try:
            history = await self._client.history(None)
        except UnreachableError as error:
            if keep or error.trouble is not Trouble.HISTORY:
                raise
            return await self._clear_unread()
        old = history[: len(history) - keep] if keep < len(history) else []
        journalled = 0
        for listed in old:
            finished = (await self._client.finished(listed.prompt_id) or listed) if listed.unlisted else listed
            await self._prompts.note_end(finished)
            journalled += await lanes.journal(self._journal.get, finished.prompt_id) is not None
        if old:
            await self._client.delete_history([finished.prompt_id for finished in old])
        left = await self._client.history(None)
        gone = {finished.prompt_id for finished in old} - {finished.prompt_id for finished in left}
        return Cleared(removed=len(gone), kept=len(left), journalled=journalled)

    async def _clear_unread(self) -> Cleared:
        """Remove everything; our prompts are asked for one by one before, and only the broken one has no answer."""
        ours = await lanes.journal(self._journal.open_on, self._client.endpoint.url)
        asked = [await self._prompts.get(submission.prompt_id) for submission in ours]
        await self._client.clear_history()
        left = await self._client.history(None)
        return Cleared(removed=None, kept=len(left), journalled=sum(prompt.finished is not None for prompt in asked))
