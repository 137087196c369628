"""``comfyui submit``: put workflows into ComfyUI's queue."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import Annotated

from cyclopts import Parameter

from mcp_background_job.cli import exit_codes, terminal
from mcp_background_job.cli.arguments import AsJson, Follow, OptionalLimit, OptionalSeconds
from mcp_background_job.cli.comfyui import batch_watching, ending, sentences, views
from mcp_background_job.cli.comfyui.overrides import overrides_of
from mcp_background_job.cli.comfyui.session import with_comfyui
from mcp_background_job.cli.comfyui.watching import watch
from mcp_background_job.cli.session import CLIENT, workplace
from mcp_background_job.cli.terminal import PROGRAM
from mcp_background_job.comfyui import queue_report, report, workflow
from mcp_background_job.comfyui.batches import MAX_QUEUED, Item, items_of
from mcp_background_job.comfyui.control import ComfyUI
from mcp_background_job.comfyui.overrides import Combine
from mcp_background_job.comfyui.report import Report
from mcp_background_job.comfyui.workflow import Workflow
from mcp_background_job.errors import InvalidRequestError


@dataclass(frozen=True)
class _Wish:
    """What is asked for beside the workflows."""

    note: str
    wait_s: float | None
    follow: bool
    as_json: bool

    @property
    def is_awaited(self) -> bool:
        return self.follow or self.wait_s is not None


@dataclass(frozen=True)
class _Limits:
    """How the prompts of a batch are to be run."""

    max_queued: int | None
    prompt_timeout_s: float | None
    may_restart: bool

    @property
    def is_given(self) -> bool:
        return self.max_queued is not None or self.prompt_timeout_s is not None or self.may_restart


def submit(
    *workflow_path: Annotated[
        str, Parameter(name="WORKFLOW", required=True, help="Files with workflows in API format.")
    ],
    override: list[str] | None = None,
    combine: Combine = "product",
    note: str = "",
    front: bool = False,
    max_queued: OptionalLimit = None,
    prompt_timeout: OptionalSeconds = None,
    restart_if_wedged: bool = False,
    wait: OptionalSeconds = None,
    follow: Follow = False,
    as_json: AsJson = False,
) -> int:
    """Put a workflow into ComfyUI's queue; prints the prompt's id, or how it ended if that is waited for.

    Several workflows, --override, or an option for batches make a batch, which goes on without you: its id is printed,
    and the command batch looks after it.

    Args:
        *workflow_path: Files with workflows in API format.
        override: Values for an input, one prompt for each: 3.inputs.seed=1,2,3, or 6.inputs.text=["a cat","a dog"]. May
            be repeated. A comma with a space behind it belongs to a text.
        combine: Of several inputs, every combination, or their values one by one.
        note: What it is for; shown in lists.
        front: Before all pending ones; for a single prompt.
        max_queued: Batch: how many of its prompts are in ComfyUI's queue at once; 2 unless given.
        prompt_timeout: Batch: stop a prompt that runs for longer, in seconds or as 5m.
        restart_if_wedged: Batch: restart ComfyUI where nothing else stops it.
        wait: Wait this long for its end, in seconds or as 5m.
        follow: Show its progress until it is over, or until --wait. Ctrl-C leaves it running.
        as_json: Print JSON, with the field names of the tools.
    """
    wish = _Wish(note, wait, follow, as_json)
    limits = _Limits(max_queued, prompt_timeout, restart_if_wedged)
    loaded = [workflow.load(path) for path in workflow_path]
    if len(loaded) == 1 and not override and not limits.is_given:
        return with_comfyui(lambda comfyui: _submit(comfyui, loaded[0], wish, front=front))
    if front:
        raise InvalidRequestError("--front is for a single prompt: a batch takes its turn with each of its prompts")
    overrides = overrides_of(override or [])
    return with_comfyui(lambda comfyui: _submit_batch(comfyui, items_of(loaded, overrides, combine), wish, limits))


async def _submit(comfyui: ComfyUI, loaded: Workflow, wish: _Wish, *, front: bool) -> int:
    session = await comfyui.sessions.current(workplace())
    submitted = await comfyui.submitter.submit(
        loaded, note=wish.note, client=CLIENT, front=front, session_id=session.session_id
    )
    if submitted.prompt and wish.is_awaited:
        deadline = time.monotonic() + (math.inf if wish.wait_s is None else wish.wait_s)
        view = views.live() if wish.follow and not wish.as_json else views.Nothing()
        submitted = replace(submitted, prompt=await watch(comfyui, submitted.prompt_id, deadline, view))
    known = report.of_submission(submitted)
    if wish.as_json:
        terminal.as_json(known)
    elif known["status"] == "refused" or wish.is_awaited:
        ending.write(known)
    else:
        _write_queued(known)
    return ending.exit_code(known, is_awaited=wish.is_awaited)


async def _submit_batch(comfyui: ComfyUI, items: list[Item], wish: _Wish, limits: _Limits) -> int:
    session = await comfyui.sessions.current(workplace())
    created = await comfyui.batches.create(
        items,
        note=wish.note,
        client=CLIENT,
        session_id=session.session_id,
        max_queued=limits.max_queued or MAX_QUEUED,
        prompt_timeout_s=limits.prompt_timeout_s,
        may_restart=limits.may_restart,
    )
    batch_id = created.batch.batch_id
    if wish.is_awaited or wish.as_json:
        return await batch_watching.report(
            comfyui, batch_id, wait_s=wish.wait_s, follow=wish.follow, as_json=wish.as_json
        )
    if terminal.for_people():
        known = queue_report.of_batch(created)
        terminal.line(f"{sentences.of_batch(known)}; see: {PROGRAM} comfyui batch {batch_id} --follow")
    else:
        terminal.line(batch_id)
    return exit_codes.OK


def _write_queued(known: Report) -> None:
    ending.warn(known)
    if terminal.for_people():
        terminal.line(f"{ending.sentence(known)}; see: {PROGRAM} comfyui job {known['prompt_id']} --follow")
    else:
        terminal.line(known["prompt_id"])
