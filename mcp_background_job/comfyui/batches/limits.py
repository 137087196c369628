"""Ends prompts of batches at their time limit, and restarts their server if nothing else ends one."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Mapping

from mcp_background_job.comfyui.batches.sent import Say, Sent
from mcp_background_job.comfyui.prompts.cancel import Canceller
from mcp_background_job.comfyui.prompts.cancel_plan import Verdict
from mcp_background_job.comfyui.wire.events import EventStream
from mcp_background_job.core.comfyui.batch import Batch
from mcp_background_job.core.comfyui.pool import WEDGED
from mcp_background_job.errors import BackgroundJobError
from mcp_background_job.executors import lanes
from mcp_background_job.registry.journal_base import Journal

#: Seconds after which a prompt that nothing ended is stopped again: its busy step may have ended.
_TRY_AGAIN_S = 60.0


class Limits:
    """The time limits of the prompts that a feeder has sent."""

    def __init__(
        self,
        *,
        sent: Sent,
        journal: Journal,
        events: EventStream,
        canceller: Canceller,
        restart: Callable[[], Awaitable[bool]],
        hold: Callable[[str], Awaitable[None]],
        say: Say,
    ) -> None:
        """Takes its parts.

        Args:
            sent: the prompts at the server.
            journal: the journal of prompts.
            events: report which prompt runs.
            canceller: stops a prompt.
            restart: restarts the server; returns whether this feeder goes on.
            hold: notes why there is no progress.
            say: prints a line for people.
        """
        self._sent = sent
        self._journal = journal
        self._events = events
        self._canceller = canceller
        self._restart = restart
        self._hold = hold
        self._say = say
        self._try_again_at: dict[str, float] = {}
        self._wedged_by = ""

    async def is_restarting(self, batches: Mapping[str, Batch], *, is_silent: bool = False) -> bool:
        """Stop prompts that have run for too long; returns whether the server is about to be restarted for that."""
        limited = {one: batch for one, batch in batches.items() if batch.prompt_timeout_s is not None}
        if not limited:
            return False
        self._note_begun(is_silent=is_silent)
        for prompt_id, batch in self._overdue(limited):
            await lanes.journal(self._journal.overdue, prompt_id, limit_s=batch.prompt_timeout_s or 0.0)
            if await self._is_restarting_for(batch, prompt_id):
                return True
        return False

    def _overdue(self, batches: Mapping[str, Batch]) -> list[tuple[str, Batch]]:
        now = time.monotonic()
        return [(prompt_id, batch) for prompt_id, batch, due in self._due(batches) if now >= due]

    def _due(self, batches: Mapping[str, Batch]) -> list[tuple[str, Batch, float]]:
        """Return the running prompts with a time limit, each with the moment at which it is to be stopped (again)."""
        found: list[tuple[str, Batch, float]] = []
        for prompt_id, since in self._sent.running_since.items():
            one = self._sent.prompts.get(prompt_id)
            batch = batches.get(one.batch_id or "") if one else None
            if batch is not None and batch.prompt_timeout_s is not None:
                due = max(since + batch.prompt_timeout_s, self._try_again_at.get(prompt_id, 0.0))
                found.append((prompt_id, batch, due))
        return found

    def time_left(self, batches: Mapping[str, Batch]) -> float:
        """Return the seconds until a prompt reaches its time limit, or is to be stopped again."""
        return max(0.0, min((due for _, _, due in self._due(batches)), default=math.inf) - time.monotonic())

    @property
    def is_wedged(self) -> bool:
        """Whether a cancel has found the server wedged."""
        return bool(self._wedged_by)

    async def note_wedge_over(self) -> None:
        """Hold nothing up any more once the prompt is gone that nothing could end."""
        if self._wedged_by and self._wedged_by not in self._sent.prompts:
            self._wedged_by = ""
            await self._hold("")

    def _note_begun(self, *, is_silent: bool) -> None:
        """Note prompts that were reported to run: one that holds the interpreter is never seen to."""
        sent, running = self._sent.prompts, self._sent.running_since
        for prompt_id in sent:
            if heard := self._events.progress_of(prompt_id):
                running.setdefault(prompt_id, heard.moved_at)
        if is_silent and not running.keys() & sent.keys():
            # A prompt may have begun without a report. If there are several, it is the first, since they run in this
            # order.
            running |= dict.fromkeys(list(sent)[:1], time.monotonic())

    async def _is_restarting_for(self, batch: Batch, prompt_id: str) -> bool:
        cancelled = await self._canceller.cancel(prompt_id)
        self._say(f"{prompt_id} has run for {batch.prompt_timeout_s:g} s, and is stopped: {cancelled.verdict}")
        if cancelled.finished:
            self._sent.forget(prompt_id)
        self._try_again_at[prompt_id] = time.monotonic() + _TRY_AGAIN_S
        if cancelled.verdict is not Verdict.WEDGED:
            return False
        self._wedged_by = prompt_id
        why = f"prompt {prompt_id} has reached its time limit, and {WEDGED} ({cancelled.wedge})"
        if not batch.may_restart:
            far = cancelled.far_host
            remedy = f"a restart of ComfyUI on its machine ({far})" if far else "restart_comfyui(force=true)"
            await self._hold(f"{why}: {remedy} ends it, and the batch goes on")
            return False
        try:
            return not await self._restart()
        except BackgroundJobError as error:  # nobody here may or can restart it; the batch waits
            await self._hold(f"{why}, and could not be restarted: {error}")
            return False
