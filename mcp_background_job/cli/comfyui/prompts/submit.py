"""``comfyui submit``: put workflows into ComfyUI's queue."""

from __future__ import annotations

import math
import time
from typing import Annotated

from mcp_background_job.actions.comfyui.renders import Rendering, Submit
from mcp_background_job.actions.opening import at_hand
from mcp_background_job.cli import exit_codes, terminal
from mcp_background_job.cli.arguments import AsJson, Follow, OptionalLimit, OptionalSeconds
from mcp_background_job.cli.comfyui.batches import sentences as batch_sentences
from mcp_background_job.cli.comfyui.batches import watching as batch_watching
from mcp_background_job.cli.comfyui.connection import with_comfyui
from mcp_background_job.cli.comfyui.prompts import ending, failures, views
from mcp_background_job.cli.comfyui.prompts.overrides import overrides_of
from mcp_background_job.cli.comfyui.prompts.watching import watch
from mcp_background_job.cli.comfyui.views import Nothing
from mcp_background_job.cli.escaping import escaped
from mcp_background_job.cli.parameter import Parameter
from mcp_background_job.cli.session import caller
from mcp_background_job.cli.wording import PROGRAM
from mcp_background_job.comfyui.batches.making import MAX_QUEUED
from mcp_background_job.comfyui.control import ComfyUI
from mcp_background_job.comfyui.prompts.graphs.overrides import Combine
from mcp_background_job.comfyui.prompts.prompts import Prompt
from mcp_background_job.comfyui.reports import report
from mcp_background_job.comfyui.reports.report import Report
from mcp_background_job.core.values import frozen
from mcp_background_job.errors import InvalidRequestError

#: What is known of a prompt from its submission alone.
_OF_SUBMISSION = ("number", "warning", "node_errors", "converted")


@frozen
class _Wish:
    """How its end is to be told."""

    wait_s: float | None
    follow: bool
    as_json: bool

    @property
    def is_awaited(self) -> bool:
        return self.follow or self.wait_s is not None


def submit(
    *workflow_path: Annotated[
        str, Parameter(("WORKFLOW",), is_required=False, help="Files with workflows, or images made of them.")
    ],
    again: str | None = None,
    force: bool = False,
    override: list[str] | None = None,
    combine: Combine = "product",
    note: str = "",
    front: bool = False,
    max_queued: OptionalLimit = None,
    prompt_timeout: OptionalSeconds = None,
    expect: OptionalLimit = None,
    restart_if_wedged: bool = False,
    wait: OptionalSeconds = None,
    follow: Follow = False,
    as_json: AsJson = False,
) -> int:
    """Put a workflow into ComfyUI's queue; prints the prompt's id, or how it ended if that is waited for.

    Several workflows, --override, or an option for batches make a batch, which runs in the background: its id is
    printed, and the command batch shows and controls it.

    Args:
        *workflow_path: Files with workflows, in API format or as the editor saves them; or images and videos with one.
        again: Run the earlier prompt of this id once more, instead of a file.
        force: Bypass ComfyUI's cache: every node runs again, except those that load models.
        override: Values for an input, one prompt for each: 3.inputs.seed=1,2,3, or 6.inputs.text=["a cat","a dog"]. May
            be repeated. A comma that a space follows belongs to a text.
        combine: Of several inputs, every combination, or their values one by one.
        note: What it is for; shown in lists.
        front: Run it before all pending prompts; for a single prompt.
        max_queued: Batch: how many of its prompts are in ComfyUI's queue at once; 2 by default.
        prompt_timeout: Batch: stop a prompt that runs for longer, in seconds or as 5m.
        expect: Batch: how many prompts that makes; needed above 1000.
        restart_if_wedged: Batch: restart ComfyUI if a prompt cannot be stopped otherwise.
        wait: Wait this long for its end, in seconds or as 5m.
        follow: Show its progress until it is over, or until --wait. Ctrl-C leaves it running.
        as_json: Print JSON, with the field names of the tools.
    """
    if bool(workflow_path) == (again is not None):
        raise InvalidRequestError("give a WORKFLOW, or --again with the id of a prompt")
    # A list is a batch, also one of a single workflow.
    is_single = len(workflow_path) == 1 and max_queued is None
    asked = Submit(
        workflow_path=None if again else workflow_path[0] if is_single else list(workflow_path),
        prompt_id=again,
        force=force,
        overrides=overrides_of(override) if override else None,
        combine=combine,
        note=note,
        front=front,
        max_queued=max_queued or MAX_QUEUED,
        prompt_timeout_s=prompt_timeout,
        expect=expect,
        restart_if_wedged=restart_if_wedged,
        wait_s=0.0,
    )
    if front and not asked.is_single:
        raise InvalidRequestError("--front is for a single prompt: a batch takes its turn with each of its prompts")
    wish = _Wish(wait, follow, as_json)
    return with_comfyui(lambda comfyui: _submit(comfyui, asked, wish))


async def _submit(comfyui: ComfyUI, asked: Submit, wish: _Wish) -> int:
    known = await Rendering(at_hand(comfyui)).comfyui_submit(caller(), asked)
    if "converted" in known and not wish.as_json:
        terminal.say(f"converted {known.pop('converted')}")
    return await (_batch_told if "batch_id" in known else _told)(comfyui, known, wish)


async def _told(comfyui: ComfyUI, known: Report, wish: _Wish) -> int:
    if "prompt_id" in known and wish.is_awaited:
        deadline = time.monotonic() + (math.inf if wish.wait_s is None else wish.wait_s)
        view = views.live() if wish.follow and not wish.as_json else Nothing[Prompt]()
        ended = report.of_prompt(await watch(comfyui, known["prompt_id"], deadline, view))
        known = ended | {name: known[name] for name in _OF_SUBMISSION if name in known}
    if not wish.as_json:
        failures.nearest(known)
    if wish.as_json:
        terminal.as_json(known)
    elif known["status"] == "refused" or wish.is_awaited:
        ending.write(known)
    else:
        _write_queued(known)
    return ending.exit_code(known, is_awaited=wish.is_awaited)


async def _batch_told(comfyui: ComfyUI, known: Report, wish: _Wish) -> int:
    batch_id = known["batch_id"]
    if wish.is_awaited or wish.as_json:
        return await batch_watching.report(
            comfyui, batch_id, wait_s=wish.wait_s, follow=wish.follow, as_json=wish.as_json
        )
    if terminal.for_people():
        said = f"{batch_sentences.of_batch(known)}; see: {PROGRAM} comfyui batch {batch_id} --follow"
        terminal.paragraph(escaped(said))
    else:
        terminal.line(batch_id)
    return exit_codes.OK


def _write_queued(known: Report) -> None:
    ending.warn(known)
    if terminal.for_people():
        said = f"{ending.sentence(known)}; see: {PROGRAM} comfyui job {known['prompt_id']} --follow"
        terminal.paragraph(escaped(said))
    else:
        terminal.line(known["prompt_id"])
