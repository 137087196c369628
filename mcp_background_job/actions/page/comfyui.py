"""The subject ``comfyui``: server, queue and batches, live; and a restart that a person confirms."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from mcp_background_job.actions.action import Facts
from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.comfyui.lifecycle import START_S
from mcp_background_job.actions.meant import Word
from mcp_background_job.actions.opening import Opened
from mcp_background_job.actions.page.subject import Cursor, Seen
from mcp_background_job.actions.page.words import on_page, pressed
from mcp_background_job.errors import BackgroundJobError

if TYPE_CHECKING:
    from mcp_background_job.comfyui.control import ComfyUI
    from mcp_background_job.comfyui.wire.queue_events import QueueEvents

#: Seconds between two looks for what no event reports: memory, warnings, counts of batches, and a server's return.
_LOOK_S = 2.0

#: Seconds between two looks, as several changes come at once; and for how long pages share a look without changes.
_PAUSE_S = 0.15
_VALID_S = 1.0

#: The most finished batches on the page; unfinished ones are always shown.
_BATCHES = 20


#: The facts if the settings name no server.
_NOTHING: Facts = {"reachable": False, "held": [], "running": [], "pending": [], "batches": [], "servers": []}


@dataclass(frozen=True, kw_only=True)
class Look:
    """A request without arguments."""


@dataclass(frozen=True, kw_only=True)
class LookAtPrompt:
    """A prompt to look at."""

    prompt_id: Word


@dataclass(frozen=True, kw_only=True)
class Stake:
    """A question about a restart: which prompts are submitted again after it.

    Attributes:
        requeue: the prompts that are submitted again.
        server: which of several ComfyUIs is restarted.
    """

    server: str = ""
    requeue: Literal["none", "pending", "all"] = "pending"


@dataclass(frozen=True, kw_only=True)
class RestartAgreed(Stake):
    """A restart that a person has agreed to.

    Attributes:
        agreed: ids of the prompts that may be lost; ``unseen`` stands for those that nobody has seen.
    """

    agreed: list[str] = field(default_factory=list[str])


def cursor_of(facts: Facts) -> str:
    """Return a cursor for facts: it differs if the facts differ."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:16]


class Queue:
    """ComfyUI's queue, for any number of pages: they share one connection, and one look."""

    def __init__(self, opened: Opened[ComfyUI]) -> None:
        """Takes a function that opens ComfyUI's control when it is first needed."""
        self._open = opened
        self._watchers = 0
        self._listening: asyncio.Task[None] | None = None
        self._events: QueueEvents | None = None
        self._looking: asyncio.Task[Facts] | None = None
        self._began = 0.0
        self._seen = 0

    @property
    def changes(self) -> int:
        """How often the queue has changed, as far as events report."""
        return self._events.change.count if self._events else 0

    @contextlib.asynccontextmanager
    async def keep(self, _caller: Caller, _request: Any) -> AsyncGenerator[None]:
        """Listen for changes of the queue while any page watches."""
        self._watchers += 1
        if self._listening is None:
            self._listening = asyncio.create_task(self._listen(), name="pages hear of ComfyUI's queue")
        try:
            yield
        finally:
            self._watchers -= 1
            if not self._watchers:
                listening, self._listening = self._listening, None
                listening.cancel()
                await asyncio.wait({listening})

    async def _listen(self) -> None:
        with contextlib.suppress(BackgroundJobError):  # the settings name no server, and each look says so
            async with (await self._open()).watching_queue() as events:
                self._events = events
                try:
                    await asyncio.Event().wait()
                finally:
                    self._events = None

    async def look(self, _caller: Caller, _request: Look, cursor: Cursor) -> Seen | None:
        """Return server, queue and batches, if they differ from what the cursor has seen."""
        facts = await asyncio.shield(self._shared())
        now = cursor_of(facts)
        return None if cursor == now else Seen(now, facts)

    async def wait(self, _caller: Caller, _request: Any, _cursor: Cursor) -> None:
        """Return when the queue has changed since the last look, or after a while."""
        await self.changed(self._seen, _LOOK_S)

    async def changed(self, seen: int, patience_s: float) -> None:
        """Return once the queue has changed more than ``seen`` times, or after so many seconds."""
        if self._events is None:
            await asyncio.sleep(patience_s)
        else:
            await self._events.change.beyond(seen, patience_s)

    def _shared(self) -> asyncio.Task[Facts]:
        """Return a recent look that began after the last change."""
        looking = self._looking
        is_old = time.monotonic() - self._began > _VALID_S
        if looking is None or (looking.done() and (is_old or self.changes != self._seen)):
            looking = self._looking = asyncio.create_task(self._look(), name="a page looks at ComfyUI")
        return looking

    async def _look(self) -> Facts:
        from mcp_background_job.comfyui import together
        from mcp_background_job.comfyui.reports import page_report

        await asyncio.sleep(max(0.0, self._began + _PAUSE_S - time.monotonic()))
        self._began, self._seen = time.monotonic(), self.changes
        try:
            comfyui = await self._open()
        except BackgroundJobError as error:
            return _NOTHING | {"alerts": [pressed(str(error))]}
        found = await together.statuses(comfyui)
        status = together.as_one(found)
        standing = await comfyui.queue.standing()
        batches = await comfyui.batches.views(limit=_BATCHES)
        shown = {view.batch.batch_id for view in batches}
        older = [view for view in status.batches if view.batch.batch_id not in shown]
        facts = on_page(page_report.of_queue(status, standing, [*batches, *older], found), "alerts", "job")
        return facts | {"batches": [on_page(one, "trouble") for one in facts["batches"]]}


class Prompts:
    """Single prompts, and the cost of a restart."""

    def __init__(self, opened: Opened[ComfyUI]) -> None:
        """Takes a function that opens ComfyUI's control when it is first needed."""
        self._open = opened

    async def comfyui_page_prompt(self, _caller: Caller, request: LookAtPrompt) -> Facts:
        """One prompt: its outputs, with the names of nodes, or the node, exception and traceback that ended it."""
        from mcp_background_job.comfyui.prompts.diagnosis import advice_for
        from mcp_background_job.comfyui.reports import page_report

        comfyui = await (await self._open()).members.at(request.prompt_id)
        prompt = await comfyui.prompts.get(request.prompt_id)
        failure = prompt.finished.failure if prompt.finished else None
        cause = f"{failure.exception_type}: {failure.message}" if failure else prompt.reason
        names = await comfyui.node_names.of(request.prompt_id)
        return on_page(page_report.of_detail(prompt, names, advice_for(cause)), "reason", "advice")

    async def comfyui_page_stake(self, _caller: Caller, request: Stake) -> Facts:
        """The cost of a ComfyUI restart, as a question to a person; it ends nothing."""
        from mcp_background_job.comfyui import together
        from mcp_background_job.comfyui.reports import page_report

        one = await together.named(await self._open(), request.server)
        return page_report.of_stake(await one.lifecycle.stake(), request.requeue, one.endpoint.url)

    async def comfyui_page_restart(self, caller: Caller, request: RestartAgreed) -> Facts:
        """Restart ComfyUI, if that loses only prompts that the person agreed to lose."""
        from mcp_background_job.comfyui import together
        from mcp_background_job.comfyui.reports import page_report

        one = await together.named(await self._open(), request.server)
        outcome = await one.lifecycle.restart(
            client=caller.client,
            force=True,
            requeue=request.requeue,
            wait_s=START_S,
            agreed=frozenset(request.agreed),
        )
        return on_page(page_report.of_restart(outcome), "told", "detail")
