"""``comfyui batch``: batches of prompts."""

from __future__ import annotations

from typing import Annotated

from mcp_background_job.actions.comfyui.queue import Batch, BatchOfSeveral, Queueing
from mcp_background_job.actions.opening import at_hand
from mcp_background_job.cli import exit_codes, tables, terminal
from mcp_background_job.cli.arguments import AsJson, Follow, Limit, OptionalSeconds
from mcp_background_job.cli.comfyui import show
from mcp_background_job.cli.comfyui.batches import ending, watching
from mcp_background_job.cli.comfyui.connection import with_comfyui
from mcp_background_job.cli.comfyui.exit_codes import of_cancel
from mcp_background_job.cli.comfyui.waits import CANCELLING, under_way
from mcp_background_job.cli.parameter import named
from mcp_background_job.cli.session import caller
from mcp_background_job.cli.tables import NOTE, STATUS, Column, Rows
from mcp_background_job.cli.wording import typed
from mcp_background_job.comfyui.control import ComfyUI
from mcp_background_job.comfyui.reports.report import Report
from mcp_background_job.core.comfyui.batch import spoken
from mcp_background_job.errors import InvalidRequestError

_COLUMNS = (
    Column("BATCH", "bold"),
    STATUS,
    Column("AGE", "dim", spare=3),
    Column("OVER"),
    Column("FAILED"),
    NOTE,
    Column("DETAIL", overflow="wrap"),
)

BatchId = Annotated[str, named("BATCH_ID")]
OptionalBatchId = Annotated[str | None, named("BATCH_ID")]


def status(
    batch_id: Annotated[str | None, named("BATCH_ID")] = None,
    /,
    *,
    wait: OptionalSeconds = None,
    follow: Follow = False,
    limit: Limit = 20,
    as_json: AsJson = False,
) -> int:
    """Show a batch, or list the newest ones.

    Args:
        batch_id: Its id, as submit prints it; without it, batches are listed.
        wait: Wait this long for its end, in seconds or as 5m.
        follow: Show its progress until it is over, or until --wait. Ctrl-C leaves it running.
        limit: List at most this many.
        as_json: Print JSON, with the field names of the tools.
    """
    if batch_id is None:
        if follow or wait is not None:
            raise InvalidRequestError("--wait and --follow take the id of one batch; without it batches are listed")
        return with_comfyui(lambda comfyui: _list(comfyui, limit, as_json=as_json))
    return with_comfyui(lambda comfyui: watching.report(comfyui, batch_id, wait_s=wait, follow=follow, as_json=as_json))


async def _list(comfyui: ComfyUI, limit: int, *, as_json: bool) -> int:
    known = await Queueing(at_hand(comfyui)).comfyui_batch(caller(), Batch(limit=limit))
    if as_json:
        terminal.as_json(known)
    else:
        tables.write(Rows(_COLUMNS, list(map(_row, known["batches"]))))
        if not known["batches"] and terminal.for_people():
            terminal.line("no batches")
    return exit_codes.OK


def _row(entry: Report) -> tuple[str, ...]:
    failed = str(entry.get("failed", ""))
    return (
        entry["batch_id"],
        spoken(entry["status"]),
        entry["age"],
        entry["done"],
        failed,
        entry.get("note", ""),
        typed(entry.get("trouble", "")),
    )


def cancel(batch_id: BatchId, /, *, interrupt: bool = False, as_json: AsJson = False) -> int:
    """Cancel a batch: prompts that have not run are dropped, the running one finishes.

    Args:
        batch_id: Its id, as submit prints it.
        interrupt: Stop the running prompt too, and verify that it stopped.
        as_json: Print JSON, with the field names of the tools.
    """
    return with_comfyui(lambda comfyui: _cancel(comfyui, batch_id, interrupt=interrupt, as_json=as_json))


async def _cancel(comfyui: ComfyUI, batch_id: str, *, interrupt: bool, as_json: bool) -> int:
    asked = Batch(batch_id=batch_id, action="cancel", interrupt=interrupt)
    with under_way(CANCELLING if interrupt else "cancelling", as_json=as_json):
        known = await Queueing(at_hand(comfyui)).comfyui_batch(caller(), asked)
    if as_json:
        terminal.as_json(known)
    else:
        ending.tell(known)
    return _exit_code(known)


def _exit_code(canceled: Report) -> int:
    summary = canceled["cancel_summary"]
    if "unknown_prompts" in summary:
        return exit_codes.UNREACHABLE
    verdicts: dict[str, str] = canceled.get("interrupted", {})
    resisting = [verdict for prompt_id, verdict in verdicts.items() if prompt_id in summary["running_prompts"]]
    return exit_codes.of_several([of_cancel(verdict) for verdict in resisting])


def pause(batch_id: OptionalBatchId = None, /, *, as_json: AsJson = False) -> int:
    """Send no more prompts of a batch until it is resumed; those that were sent run on.

    Args:
        batch_id: Its id, as submit prints it; without it, this program sends no prompts, and takes its pending ones
            back.
        as_json: Print JSON, with the field names of the tools.
    """
    return _act(Batch(batch_id=batch_id, action="pause"), as_json=as_json)


def resume(batch_id: OptionalBatchId = None, /, *, as_json: AsJson = False) -> int:
    """Resume a paused batch.

    Args:
        batch_id: Its id, as submit prints it; without it, resume what was paused without an id.
        as_json: Print JSON, with the field names of the tools.
    """
    return _act(Batch(batch_id=batch_id, action="resume"), as_json=as_json)


def retry_failed(batch_id: BatchId, /, *, as_json: AsJson = False) -> int:
    """Run the failed prompts of a batch once more; all others stay as they are.

    Args:
        batch_id: Its id, as submit prints it.
        as_json: Print JSON, with the field names of the tools.
    """
    return _act(Batch(batch_id=batch_id, action="retry_failed"), as_json=as_json)


def give_up(batch_id: BatchId, /, *, as_json: AsJson = False) -> int:
    """Give up the prompts of a ComfyUI that gives no answer or is wedged: they run on another one.

    A prompt that was sent there may have run, or may still run: only you can know that it will not.

    Args:
        batch_id: Its id, as submit prints it.
        as_json: Print JSON, with the field names of the tools.
    """
    return _act(BatchOfSeveral(batch_id=batch_id, action="give_up"), as_json=as_json)


def _act(asked: Batch, *, as_json: bool) -> int:
    async def act_and_tell(comfyui: ComfyUI) -> int:
        known = await Queueing(at_hand(comfyui)).comfyui_batch(caller(), asked)
        if as_json or asked.batch_id is not None:
            ending.write(known, as_json=as_json)
        else:
            show.sentence(f"the queue is {known['status']}: {known['detail']}", known["status"])
            show.facts(known, ("status", "detail"))
        return exit_codes.OK

    return with_comfyui(act_and_tell)
