"""Actions on ComfyUI's queue over days: batches, sessions, lists, errors, history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from mcp_background_job.actions.action import Facts
from mcp_background_job.actions.arguments import bounded_wait, several
from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.comfyui.going import of_batch
from mcp_background_job.actions.comfyui.renders import CANCEL_S, Expect, nobody
from mcp_background_job.actions.later import GoesOn, Going, Later, State
from mcp_background_job.actions.meant import Word, Words
from mcp_background_job.actions.opening import Opened
from mcp_background_job.comfyui.reports.batch_news import subject_of
from mcp_background_job.core.waiting import MAX_WAIT_S
from mcp_background_job.errors import InvalidRequestError

if TYPE_CHECKING:
    from mcp_background_job.comfyui.control import ComfyUI

_MAX_LIMIT = 500


@dataclass(frozen=True, kw_only=True)
class Batch:
    """A batch, and the action on it."""

    batch_id: Annotated[Word | None, Field(description="without it: the newest; pause, resume: all of ours")] = None
    action: Literal["status", "cancel", "pause", "resume", "retry_failed"] = "status"
    interrupt: Annotated[bool, Field(description="cancel: stop the running prompt too")] = False
    limit: int = 20
    wait_s: Annotated[float, Field(description="for its end (max 50)")] = 0


@dataclass(frozen=True, kw_only=True)
class BatchOfSeveral(Batch):
    """A batch of several ComfyUIs, and the action on it."""

    action: Annotated[  # pyright: ignore[reportIncompatibleVariableOverride]  one word more, which the handler knows
        Literal["status", "cancel", "pause", "resume", "retry_failed", "give_up"],
        Field(description="give_up: prompts at a ComfyUI that gives no answer run on another"),
    ] = "status"


@dataclass(frozen=True, kw_only=True)
class Session:
    """A session, and the action on it."""

    action: Literal["new", "list", "show", "track"] = "show"
    name: Annotated[str | None, Field(description="name or id; without it the current session")] = None
    prompt_id: Annotated[Word | None, Field(description="track: any prompt")] = None
    note: str = ""
    all_projects: Annotated[bool, Field(description="list: of other projects too")] = False
    limit: int = 20


@dataclass(frozen=True, kw_only=True)
class ListPrompts:
    """A list of prompts."""

    status: Annotated[
        Words | None,
        Field(
            description="some of pending, in_progress, completed, failed, cancelled, lost_to_restart, not_sent, unknown"
        ),
    ] = None
    session: Annotated[str | None, Field(description='name or id; "": the current one')] = None
    batch: Word | None = None
    limit: int = 20


@dataclass(frozen=True, kw_only=True)
class ListErrors:
    """Failures to explain."""

    session: str | None = None
    batch: Word | None = None
    limit: int = 5


@dataclass(frozen=True, kw_only=True)
class ClearHistory:
    """How much of the history stays."""

    keep: Annotated[int, Field(description="so many newest entries stay")] = 50


class Queueing:
    """Looks after batches, sessions, lists and the history."""

    def __init__(self, opened: Opened[ComfyUI], expect: Expect = nobody) -> None:
        """Takes a function that opens ComfyUI's control when first needed, and one that notes who made a batch."""
        self._open = opened
        self._expect = expect

    async def comfyui_batch(self, caller: Caller, request: Batch) -> Facts:
        """Look at a batch, cancel (pending prompts at once; the running one ends by itself), pause, resume, or run its
        failed prompts again. wait_s waits for its end."""  # noqa: D205, D209  one sentence
        from mcp_background_job.comfyui.reports import queue_report

        wait_s = bounded_wait(request.wait_s, caller.at_most(MAX_WAIT_S))
        batch_id, action = request.batch_id, request.action
        comfyui = await self._open()
        batches = comfyui.batches
        if batch_id is None:
            return await self._of_all(caller, request, comfyui)
        if isinstance(request, BatchOfSeveral) and request.action == "give_up":
            return queue_report.of_batch(await batches.give_up(batch_id, by=caller.client))
        match action:
            case "cancel":
                canceling = batches.cancel(batch_id, by=caller.client, interrupt=request.interrupt)
                return queue_report.of_canceled_batch(await caller.wait_for(canceling, "cancelling", CANCEL_S))
            case "pause":
                view = await batches.pause(batch_id)
            case "resume":
                view = await batches.resume(batch_id)
            case "retry_failed":
                session = await comfyui.sessions.current(caller.directory)
                view = await batches.retry_failed(batch_id, session_id=session.session_id)
                self._expect(caller, batch_id)
            case "status":
                view = await caller.wait_for(batches.wait(batch_id, wait_s), f"batch {batch_id} runs", wait_s)
        return _unless_it_goes_on(caller, queue_report.of_batch(view), wait_s)

    async def _of_all(self, caller: Caller, request: Batch, comfyui: ComfyUI) -> Facts:
        """Pause or resume all our batches, or list the newest ones."""
        from mcp_background_job.comfyui import together
        from mcp_background_job.comfyui.reports import queue_report

        if request.action == "pause":
            pausing = together.pause(comfyui, by=caller.client)
            return queue_report.of_paused_queue(await caller.wait_for(pausing, "pausing", CANCEL_S))
        if request.action == "resume":
            return queue_report.of_paused_queue(await together.resume(comfyui))
        if request.action != "status":
            raise InvalidRequestError(f"{request.action} takes a batch_id; without one the newest batches are listed")
        return queue_report.of_batches(await comfyui.batches.views(limit=_checked(caller, request.limit)))

    @property
    def later(self) -> Later:
        """The operations on a wait for a batch that goes on after the call."""
        return Later(self._look, subjects=lambda state: [subject_of(state["batch_id"])])

    async def _look(self, caller: Caller, state: State) -> Facts | Going:
        known = await self.comfyui_batch(caller, Batch(batch_id=state["batch_id"]))
        return of_batch(known) or known

    async def comfyui_session(self, caller: Caller, request: Session) -> Facts:
        """Sessions group prompts. Every submission is tracked in the current one, which "new" begins."""
        from mcp_background_job.comfyui import together
        from mcp_background_job.comfyui.prompts.catalogue import Among
        from mcp_background_job.comfyui.prompts.prompts import check_prompt_id
        from mcp_background_job.comfyui.reports import queue_report

        comfyui, directory = (await self._open()), caller.directory
        sessions = comfyui.sessions
        match request.action:
            case "new":
                return queue_report.of_new_session(await sessions.new(request.name or "", directory))
            case "list":
                limit = _checked(caller, request.limit)
                listed = await sessions.list(directory, caller.project, limit=limit, all_projects=request.all_projects)
                return queue_report.of_sessions(listed)
            case "show":
                session = await sessions.find(request.name, directory)
                listing = await together.list_prompts(
                    comfyui, among=Among(session_id=session.session_id), limit=_checked(caller, request.limit)
                )
                return queue_report.of_session(session, listing, await sessions.tracked_in(session))
            case "track":
                if request.prompt_id is None:
                    raise InvalidRequestError("track takes a prompt_id: comfyui_jobs lists them")
                has_it = await comfyui.members.at(check_prompt_id(request.prompt_id))
                prompt = await has_it.prompts.get(request.prompt_id)
                session = await sessions.find(request.name, directory, changes=True)
                await sessions.track(session, request.prompt_id, request.note)
                return queue_report.of_tracked(session, prompt)

    async def comfyui_jobs(self, caller: Caller, request: ListPrompts) -> Facts:
        """Prompts of ComfyUI in one list, those of earlier sessions too: status, duration, progress, outputs, cause."""
        from mcp_background_job.comfyui import together
        from mcp_background_job.comfyui.reports import queue_report

        comfyui = await self._open()
        listing = await together.list_prompts(
            comfyui,
            statuses=several(request.status),
            among=await comfyui.among(request.session, request.batch, caller.directory),
            limit=_checked(caller, request.limit),
        )
        return queue_report.of_listing(listing)

    async def comfyui_errors(self, caller: Caller, request: ListErrors) -> Facts:
        """Explain the last failures of prompts: exception, node, traceback; names missing models and nodes."""
        from mcp_background_job.comfyui import together
        from mcp_background_job.comfyui.prompts.diagnosis import all_of
        from mcp_background_job.comfyui.reports import inventory_report, queue_report

        comfyui = await self._open()
        among = await comfyui.among(request.session, request.batch, caller.directory)
        explained, trouble = await together.errors(comfyui, among=among, limit=_checked(caller, request.limit))
        near = await comfyui.inventory.near(all_of(one.missing for one in explained))
        return queue_report.of_errors(explained, trouble) | inventory_report.of_near(near)

    async def comfyui_clear_history(self, _caller: Caller, request: ClearHistory) -> Facts:
        """Remove old entries from ComfyUI's history. Prompts submitted here stay known; files are not touched."""
        from mcp_background_job.comfyui import together
        from mcp_background_job.comfyui.reports import queue_report

        return queue_report.of_cleared(await together.clear_history(await self._open(), keep=request.keep))


def _unless_it_goes_on(caller: Caller, known: Facts, wait_s: float) -> Facts:
    """Return the report on a batch, unless it goes on and its caller can be told of the end later."""
    if caller.takes_later and wait_s and of_batch(known):
        raise GoesOn("", {"batch_id": known["batch_id"]})
    return known


def _checked(caller: Caller, limit: int) -> int:
    if not 1 <= limit <= caller.at_most(_MAX_LIMIT):
        raise InvalidRequestError(f"limit={limit}: give 1 to {_MAX_LIMIT}")
    return limit
