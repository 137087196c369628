"""Which prompt ran when ComfyUI ended by itself: recorded while it runs, so that no crash loses the fact."""

from __future__ import annotations

import time
from collections.abc import Iterable

from mcp_background_job.comfyui.prompts.server_end import ServerEnd, ServerEnds
from mcp_background_job.core.comfyui.attempt import BY_US, FATAL, SERVER_ENDED, Attempt
from mcp_background_job.core.comfyui.submission import Submission
from mcp_background_job.executors import lanes
from mcp_background_job.registry.attempts import SqliteAttempts
from mcp_background_job.registry.journal_base import Journal

#: The beginning of the reason of a prompt that ran when its server ended.
RAN = "ComfyUI ended while it ran"


class Witness:
    """Notes running prompts, and tells of prompts that were lost with their server whether they ran."""

    def __init__(self, attempts: SqliteAttempts, journal: Journal, ends: ServerEnds) -> None:
        """Takes the tables of attempts and prompts, and the object that finds out how servers ended."""
        self._attempts = attempts
        self._journal = journal
        self._ends = ends
        self._noted: set[str] = set()

    async def began(self, prompt_ids: Iterable[str]) -> None:
        """Record that prompts run."""
        new = set(prompt_ids) - self._noted
        if new:
            self._noted |= new
            await lanes.journal(self._attempts.began, new, at=time.time())

    async def fatal(self, submission: Submission, *, ran: bool) -> ServerEnd | None:
        """Return how the server ended, if it ended by itself while a prompt ran that was lost with it.

        Args:
            submission: the prompt.
            ran: whether it is known to have run, or was the only one that could; in addition to the record.
        """
        self._noted.discard(submission.prompt_id)
        attempt = await self._newest(submission.prompt_id)
        if attempt is None or attempt.how == BY_US or not (ran or attempt.began_at):
            return None
        end = await self._ends.of(attempt)
        if not end.by_itself:
            return None
        await lanes.journal(self._attempts.server_ended, submission.prompt_id, at=time.time())
        return end

    async def is_elsewhere(self, prompt_id: str, boot: str) -> bool:
        """Tell whether a prompt was sent to another life of its server than this one, as far as both are known."""
        attempt = await self._newest(prompt_id)
        return attempt is not None and bool(attempt.boot) and bool(boot) and attempt.boot != boot

    async def is_suspect(self, prompt_id: str) -> bool:
        """Tell whether a prompt ran earlier when its server ended."""
        return any(one.how == SERVER_ENDED for one in await lanes.journal(self._attempts.of, prompt_id))

    async def is_poison(self, prompt_id: str) -> bool:
        """Tell whether a prompt ran too often when its server ended."""
        attempts = await lanes.journal(self._attempts.of, prompt_id)
        return sum(one.how == SERVER_ENDED for one in attempts) >= FATAL

    async def why_single_went(self, submission: Submission) -> str:
        """Say whether a prompt without a batch ran when its server was lost; empty if nothing says so."""
        attempt = await self._newest(submission.prompt_id)
        is_first = attempt is not None and await self._was_first(submission, attempt)
        end = await self.fatal(submission, ran=is_first)
        return f"{RAN}: {end.text}" if end else ""

    async def _was_first(self, submission: Submission, attempt: Attempt) -> bool:
        """Tell whether a prompt was the first of ours when this life of its server ended."""
        last = await lanes.journal(self._attempts.last_fatal, submission.server)
        if not attempt.boot or (last is not None and last.boot == attempt.boot):
            return False
        there = await lanes.journal(self._journal.open_on, submission.server)
        return bool(there) and there[0].prompt_id == submission.prompt_id

    async def seems_to_have_run(self, submission: Submission) -> str:
        """Say that an open prompt ran, if the record says so and nothing listens on its server's port; else empty."""
        attempt = await self._newest(submission.prompt_id)
        if attempt is None or attempt.how or attempt.began_at is None:
            return ""
        end = await self._ends.of(attempt)
        return f"{RAN}: {end.text}"

    async def last_crash(self, server: str) -> tuple[Attempt, ServerEnd] | None:
        """Return the prompt that ran when a server last ended by itself, and how the server ended."""
        last = await lanes.journal(self._attempts.last_fatal, server)
        return (last, await self._ends.of(last)) if last else None

    async def _newest(self, prompt_id: str) -> Attempt | None:
        attempts = await lanes.journal(self._attempts.of, prompt_id)
        return attempts[-1] if attempts else None
