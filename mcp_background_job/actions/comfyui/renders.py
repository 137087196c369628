"""Actions on ComfyUI's prompts."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from mcp_background_job.actions.action import Facts
from mcp_background_job.actions.arguments import bounded_wait
from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.comfyui.going import of_batch, of_prompt
from mcp_background_job.actions.later import GoesOn, Going, Later, State
from mcp_background_job.actions.meant import Word
from mcp_background_job.actions.opening import Opened
from mcp_background_job.core.waiting import MAX_WAIT_S
from mcp_background_job.errors import InputPendingError, InvalidRequestError
from mcp_background_job.executors import lanes

if TYPE_CHECKING:
    from mcp_background_job.comfyui.control import ComfyUI
    from mcp_background_job.comfyui.prompts.graphs.workflow import Drawn, Workflow

#: Fields that only a submission reports, and no later look.
_OF_SUBMISSION = ("number", "warning", "node_errors", "nearest", "converted")

#: The most seconds that a cancel takes: it waits for prompts that are being sent, and verifies each interrupt.
CANCEL_S = 50.0


@dataclass(frozen=True, kw_only=True)
class Status:
    """A look at ComfyUI."""

    log: Annotated[bool, Field(description="its own log too, the last lines")] = False


@dataclass(frozen=True, kw_only=True)
class Submit:
    """Workflows to render."""

    workflow: Annotated[
        dict[str, Any] | list[dict[str, Any]] | None, Field(description="graph (API or editor format), or several")
    ] = None
    workflow_path: Annotated[str | list[str] | None, Field(description="or files with it, or images made of it")] = None
    prompt_id: Annotated[Word | None, Field(description="or an earlier prompt, to run again")] = None
    force: Annotated[bool, Field(description="ignore ComfyUI's cache")] = False
    overrides: Annotated[
        dict[str, list[Any]] | None,
        Field(
            description='one prompt per value: {"3.inputs.seed": [1, 2]}; a value {"from": PROMPT_ID or "previous", '
            '"node": "9"} is what that prompt made'
        ),
    ] = None
    combine: Literal["product", "zip"] = "product"
    note: Annotated[str, Field(description="what it is for, shown in lists")] = ""
    front: Annotated[bool, Field(description="before all pending ones")] = False
    max_queued: Annotated[int, Field(description="batch: prompts in ComfyUI's queue at once")] = 2
    prompt_timeout_s: Annotated[float | None, Field(description="batch: stop a prompt that runs longer")] = None
    restart_if_wedged: Annotated[bool, Field(description="batch: restart ComfyUI if that fails")] = False
    expect: Annotated[int | None, Field(description="batch: how many prompts that makes, above 1000")] = None
    wait_s: Annotated[float, Field(description="wait this long for the end (max 50)")] = 2

    @property
    def is_single(self) -> bool:
        """Whether this is one prompt, and not a batch, which goes on without its caller."""
        several = self.overrides is not None or isinstance(self.workflow, list) or isinstance(self.workflow_path, list)
        return not several and self.prompt_timeout_s is None and not self.restart_if_wedged


@dataclass(frozen=True, kw_only=True)
class LookAtPrompt:
    """A prompt to look at."""

    prompt_id: Word
    wait_s: Annotated[float, Field(description="for its end (max 50)")] = 0
    show: Annotated[Literal["workflow", "texts"] | None, Field(description="its graph too, or the texts in it")] = None


@dataclass(frozen=True, kw_only=True)
class Cancel:
    """A render to stop."""

    prompt_id: Annotated[Word | None, Field(description="cancels only this one; default: the running one")] = None
    clear_pending: Annotated[bool, Field(description="drop all pending ones and batches too")] = False
    pending_only: Annotated[bool, Field(description="drop those, leave the running one")] = False


@dataclass(frozen=True, kw_only=True)
class CancelQueued:
    """A pending prompt to remove or move."""

    prompt_id: Word
    move: Annotated[Literal["front", "end"] | None, Field(description="move it there instead")] = None


#: Notes that a caller is to be told of the end of the batch with this id.
Expect = Callable[[Caller, str], None]


def nobody(_caller: Caller, _batch_id: str) -> None:
    """Note nothing: a person at a terminal looks for themselves."""


class Rendering:
    """Looks at ComfyUI, and submits, watches and cancels prompts."""

    def __init__(self, opened: Opened[ComfyUI], expect: Expect = nobody) -> None:
        """Takes a function that opens ComfyUI's control when first needed, and one that notes who made a batch."""
        self._open = opened
        self._expect = expect

    async def comfyui_status(self, _caller: Caller, request: Status) -> Facts:
        """Show ComfyUI's state: reachable or why not, running and pending prompts with progress, memory, process.

        reachable=false means that the queue is unknown, not empty.
        """
        from mcp_background_job.comfyui import together
        from mcp_background_job.comfyui.reports import report

        comfyui = await self._open()
        known = report.of_statuses(await together.statuses(comfyui))
        if request.log and known["reachable"]:
            return known | {"log": await (await together.least_full(comfyui)).log()}
        return known

    async def comfyui_submit(self, caller: Caller, request: Submit) -> Facts:
        """Queue a workflow in ComfyUI; returns prompt_id and, if it ends in time, outputs or the error.

        Several workflows, overrides or a time limit make a batch that goes on without you (comfyui_batch). Invalid
        nodes are listed; a warning says when only a part of the graph runs.
        """
        from mcp_background_job.comfyui.reports import report

        wait_s = bounded_wait(request.wait_s, caller.at_most(MAX_WAIT_S))
        comfyui = await self._open()
        loaded = await _loaded(comfyui, request)
        session = await comfyui.sessions.current(caller.directory)
        known = await _queued(caller, comfyui, loaded, request, session_id=session.session_id, wait_s=wait_s)
        known |= report.of_conversion(loaded)
        if "batch_id" in known:
            self._expect(caller, known["batch_id"])
        if caller.takes_later and known["status"] != "refused" and _going(known):
            raise GoesOn(str(known.get("batch_id") or known["prompt_id"]), {"submitted": known})
        return known

    @property
    def submitted_later(self) -> Later:
        """The operations on a prompt or a batch that goes on after it was submitted."""
        return Later(self._look, self._stop, subjects=lambda state: _subjects(state["submitted"]))

    async def _look(self, _caller: Caller, state: State) -> Facts | Going:
        from mcp_background_job.comfyui.reports import queue_report, report

        comfyui, submitted = await self._open(), state["submitted"]
        if "batch_id" in submitted:
            now = queue_report.of_batch(await comfyui.batches.view(submitted["batch_id"]))
        else:
            prompt_id = submitted["prompt_id"]
            now = report.of_prompt(await (await comfyui.members.at(prompt_id)).prompts.get(prompt_id))
        return _going(now) or {name: submitted[name] for name in _OF_SUBMISSION if name in submitted} | now

    async def _stop(self, caller: Caller, state: State) -> object:
        comfyui, submitted = await self._open(), state["submitted"]
        if "batch_id" in submitted:
            return await comfyui.batches.cancel(submitted["batch_id"], by=caller.client, interrupt=True)
        prompt_id = submitted["prompt_id"]
        return await (await comfyui.members.at(prompt_id)).cancel(prompt_id, by=caller.client)

    async def comfyui_job(self, caller: Caller, request: LookAtPrompt) -> Facts:
        """One prompt: pending, in_progress, completed, failed, cancelled, lost_to_restart or unknown, with outputs,
        progress, or the failing node, exception and traceback."""  # noqa: D205, D209  one sentence
        from mcp_background_job.comfyui.reports import report

        comfyui = await (await self._open()).members.at(request.prompt_id)
        wait_s = bounded_wait(request.wait_s, caller.at_most(MAX_WAIT_S))
        waiting = comfyui.submitter.wait(request.prompt_id, wait_s)
        prompt = await caller.wait_for(waiting, "ComfyUI renders", wait_s)
        known = report.of_prompt(prompt)
        if caller.takes_later and wait_s and of_prompt(known):
            raise GoesOn("", {"prompt_id": request.prompt_id, "show": request.show})
        if prompt.status == "in_progress" and (warnings := await comfyui.warnings(prompt)):
            known["warnings"] = list(warnings)
        if request.show is None:
            return known
        return known | report.of_asked(await comfyui.prompts.asked(request.prompt_id), show=request.show)

    @property
    def waited_later(self) -> Later:
        """The operations on a wait for a prompt that goes on after the call."""
        return Later(self._look_at_prompt)

    async def _look_at_prompt(self, caller: Caller, state: State) -> Facts | Going:
        known = await self.comfyui_job(caller, LookAtPrompt(prompt_id=state["prompt_id"], show=state["show"]))
        return of_prompt(known) or known

    async def comfyui_cancel_job(self, caller: Caller, request: Cancel) -> Facts:
        """Stop a render for certain: interrupt, verify, repeat, up to 50 s. For a render, not a process (kill_job).

        status: cancelled, finished_before_cancel, failed, wedged (HTTP cannot stop it: restart_comfyui), server_died,
        unreachable, not_found, nothing_running.
        """
        from mcp_background_job.comfyui import together
        from mcp_background_job.comfyui.reports import report

        cancelling = together.cancel(
            await self._open(),
            request.prompt_id,
            by=caller.client,
            clear_pending=request.clear_pending,
            pending_only=request.pending_only,
        )
        return report.of_cancel(await caller.wait_for(cancelling, "cancelling", CANCEL_S))

    async def comfyui_cancel_queued_job(self, caller: Caller, request: CancelQueued) -> Facts:
        """Take one pending prompt out of the queue, verified, or move it. One that already runs is left alone."""
        from mcp_background_job.comfyui.prompts.prompts import check_prompt_id
        from mcp_background_job.comfyui.reports import queue_report, report

        comfyui = await (await self._open()).members.at(request.prompt_id)
        if request.move is not None:
            prompt_id = check_prompt_id(request.prompt_id)
            return queue_report.of_moved(prompt_id, await comfyui.queue.move(prompt_id, request.move))
        cancelling = comfyui.canceller.cancel_pending(request.prompt_id)
        return report.of_cancel(await caller.wait_for(cancelling, "cancelling", CANCEL_S))


def _going(known: Facts) -> Going | None:
    return of_batch(known) if "batch_id" in known else of_prompt(known)


def _subjects(submitted: Facts) -> list[str]:
    from mcp_background_job.comfyui.reports.batch_news import subject_of

    return [subject_of(submitted["batch_id"])] if "batch_id" in submitted else []


async def _queued(
    caller: Caller, comfyui: ComfyUI, workflows: list[Workflow], request: Submit, *, session_id: str, wait_s: float
) -> Facts:
    if request.is_single:
        # A prompt that takes the output of an unfinished one has to wait for it, as in a batch.
        with contextlib.suppress(InputPendingError):
            return await _submitted(caller, comfyui, workflows[0], request, session_id=session_id, wait_s=wait_s)
    if request.front:
        raise InvalidRequestError("front is for a single prompt: a batch takes its turn with each of its prompts")
    return await _batched(caller, comfyui, workflows, request, session_id=session_id, wait_s=wait_s)


async def _submitted(
    caller: Caller, comfyui: ComfyUI, workflow: Workflow, request: Submit, *, session_id: str, wait_s: float
) -> Facts:
    from mcp_background_job.comfyui import together
    from mcp_background_job.comfyui.reports import inventory_report, report

    comfyui = await together.least_full(comfyui)
    submitting = comfyui.submitter.submit(
        workflow,
        note=request.note,
        client=caller.client,
        front=request.front,
        wait_s=wait_s,
        session_id=session_id,
    )
    submitted = await caller.wait_for(submitting, "ComfyUI renders", wait_s)
    return report.of_submission(submitted) | inventory_report.of_near(await comfyui.inventory.near(submitted.missing))


async def _batched(
    caller: Caller, comfyui: ComfyUI, workflows: list[Workflow], request: Submit, *, session_id: str, wait_s: float
) -> Facts:
    from mcp_background_job.comfyui.batches.making import check_number, items_of
    from mcp_background_job.comfyui.reports import queue_report

    items = items_of(workflows, request.overrides or {}, request.combine)
    check_number(items, expect=request.expect)
    created = await comfyui.batches.create(
        items,
        note=request.note,
        client=caller.client,
        session_id=session_id,
        max_queued=request.max_queued,
        prompt_timeout_s=request.prompt_timeout_s,
        may_restart=request.restart_if_wedged,
    )
    waiting = comfyui.batches.wait(created.batch.batch_id, wait_s)
    return queue_report.of_batch(await caller.wait_for(waiting, "the batch runs", wait_s))


async def _loaded(comfyui: ComfyUI, request: Submit) -> list[Workflow]:
    """Return the workflows of a request."""
    from mcp_background_job.comfyui.prompts.graphs.asked import past_the_cache

    given = (request.workflow, request.workflow_path, request.prompt_id)
    if sum(one is not None for one in given) != 1:
        raise InvalidRequestError("give one of workflow, workflow_path and prompt_id")
    if request.prompt_id is not None:
        loaded = [await comfyui.prompts.asked(request.prompt_id)]
    else:
        from mcp_background_job.comfyui import together

        given_ones = await _given(request)
        converter = (await together.least_full(comfyui)).converter
        loaded = await converter.prompts(given_ones, with_drawing=request.overrides is None)
    return list(map(past_the_cache, loaded)) if request.force else loaded


async def _given(request: Submit) -> list[Workflow | Drawn]:
    """Return the workflows that are given as objects or as files."""
    from mcp_background_job.comfyui.prompts.graphs import workflow as workflows

    if request.workflow_path is None:
        given = request.workflow if isinstance(request.workflow, list) else [request.workflow]
        return [workflows.check(one) for one in given]
    paths = request.workflow_path if isinstance(request.workflow_path, list) else [request.workflow_path]
    return [await lanes.scan(workflows.load, path) for path in paths]
