"""Reports on batches, sessions, lists of prompts and their errors: small objects, without fields that have no value."""

from __future__ import annotations

import time
from collections.abc import Sequence

from mcp_background_job.comfyui.batches.batch_view import BatchView, CanceledBatch
from mcp_background_job.comfyui.batches.server_queue import PausedQueue
from mcp_background_job.comfyui.prompts.cancel import Cancelled
from mcp_background_job.comfyui.prompts.cancel_plan import Verdict
from mcp_background_job.comfyui.prompts.catalogue import Explained, Listing, Row
from mcp_background_job.comfyui.prompts.diagnosis import Missing, advice_for
from mcp_background_job.comfyui.prompts.history import Cleared
from mcp_background_job.comfyui.prompts.prompts import Prompt
from mcp_background_job.comfyui.reports.report import (
    Report,
    error_of,
    node_errors_of,
    progress_of,
    way_out,
    without_none,
)
from mcp_background_job.comfyui.sessions.sessions import SessionList
from mcp_background_job.comfyui.wire.trouble import Trouble
from mcp_background_job.core.comfyui.pool import is_pool
from mcp_background_job.core.comfyui.session import Session, Tracked
from mcp_background_job.core.comfyui.submission import Submission
from mcp_background_job.core.text import duration, iso
from mcp_background_job.errors import UnreachableError


def of_batch(view: BatchView) -> Report:
    """Return the known facts about a batch."""
    batch, counts = view.batch, view.counts
    return without_none(
        batch_id=batch.batch_id,
        status=str(view.status),
        note=batch.note or None,
        total=counts.total,
        counts=dict(vars(counts)),
        created_at=iso(batch.created_at),
        ended_at=iso(batch.ended_at),
        running_prompts=[_running(prompt, of_several=is_pool(batch.server)) for prompt in view.running] or None,
        unknown_prompts=_unknown(view) or None,
        failures=[_failure(failed) for failed in view.failures] or None,
        more_failures=max(0, counts.failed - len(view.failures)) or None if view.failures else None,
        trouble=view.trouble or None,
        detail=view.detail or None,
        dispatcher=view.feeder.label if view.feeder else None,  # the name of release 1.0.0, which was promised to stay
    )


def _running(prompt: Prompt, *, of_several: bool) -> Report:
    where = {"server": prompt.submission.server} if of_several and prompt.submission else {}
    return {"prompt_id": prompt.prompt_id, **where, **progress_of(prompt)}


def _unknown(view: BatchView) -> list[Report]:
    """Return the prompts that were sent to silent members of a pool: they run nowhere else unless they are given up."""
    sent = view.unknown if is_pool(view.batch.server) else ()
    return [{"prompt_id": one.prompt_id, "server": one.server} for one in sent]


def _failure(failed: Submission) -> Report:
    cause = failed.reason or "the server gives no reason"
    return without_none(prompt_id=failed.prompt_id, note=failed.note or None, cause=cause)


def of_batches(views: Sequence[BatchView]) -> Report:
    """Return batches in a list."""
    return {"batches": [batch_row(view) for view in views]}


def batch_row(view: BatchView) -> Report:
    """Return a batch in a list."""
    batch, counts = view.batch, view.counts
    return without_none(
        batch_id=batch.batch_id,
        status=str(view.status),
        note=batch.note or None,
        done=f"{counts.ended} of {counts.total}",
        failed=counts.failed or None,
        age=duration(time.time() - batch.created_at),
        trouble=batch.trouble or None,
    )


def of_canceled_batch(canceled: CanceledBatch) -> Report:
    """Return the result of a request to cancel a batch."""
    running = [*canceled.running, *canceled.unknown]
    return of_batch(canceled.view) | without_none(
        cancel_summary=without_none(
            mode=canceled.mode,
            canceled_pending=canceled.pending,
            running_prompts=running,
            unknown_prompts=[*canceled.unknown] or None,
        ),
        interrupted={str(one.prompt_id): str(one.verdict) for one in canceled.interrupted} or None,
        detail=canceled.view.detail or _what_will_happen(canceled),
    )


def _what_will_happen(canceled: CanceledBatch) -> str:
    parts = [f"{canceled.pending} pending prompts were cancelled, and nothing more of the batch will be sent"]
    parts += [_how_interrupted(one) for one in canceled.interrupted]
    if canceled.running and not canceled.interrupted:
        running = ", ".join(canceled.running)
        parts.append(f"{running} runs to its end, after which the batch is over; interrupt=true stops it now")
    if canceled.unknown:
        unknown = ", ".join(canceled.unknown)
        parts.append(f"whether {unknown} runs is unknown: ComfyUI gives no answer; the batch asks again")
    return "; ".join(parts)


def _how_interrupted(one: Cancelled) -> str:
    if one.verdict is Verdict.WEDGED:
        return f"{one.prompt_id} resists the interrupt ({one.wedge}). {way_out(one)}"
    return f"{one.prompt_id}, which ran, was to be stopped: {one.verdict}"


def of_moved(prompt_id: str, done: str) -> Report:
    """Return the result of a request to move a pending prompt."""
    return {"status": "moved", "prompt_id": prompt_id, "detail": done}


def of_paused_queue(queue: PausedQueue) -> Report:
    """Return the result of a request to pause or resume the queue of a server."""
    return without_none(
        status="paused" if queue.is_paused else "resumed",
        taken_back=list(queue.taken_back) or None,
        not_taken_back=list(queue.kept) or None,
        running_prompts=list(queue.running) or None,
        others_pending=queue.others or None,
        waiting=queue.waiting or None,
        trouble=queue.trouble or None,
        detail=_what_a_pause_means(queue) if queue.is_paused else "what waits is sent again",
    )


def _what_a_pause_means(queue: PausedQueue) -> str:
    others = f"; {queue.others} pending prompts of others stay" if queue.others else ""
    return f"this program sends nothing until it is resumed; what is submitted meanwhile waits{others}"


def of_session(session: Session, listing: Listing, tracked: Sequence[Tracked]) -> Report:
    """Return a session with its newest prompts."""
    downloaded = sum(one.downloaded for one in tracked)
    return without_none(**_session(session), prompts=len(tracked), downloaded=downloaded) | of_listing(listing)


def of_new_session(session: Session) -> Report:
    """Return a session that was just begun."""
    return {**_session(session), "detail": "submissions from this directory are tracked in it from now on"}


def of_imported_session(session: Session, prompts: int) -> Report:
    """Return a session that was read from a file."""
    return {**_session(session), "prompts": prompts}


def of_sessions(listed: SessionList) -> Report:
    """Return sessions in a list; those of other projects with their directory."""
    rows = [
        without_none(
            **_session(row.session),
            prompts=row.prompts,
            downloaded=row.downloaded,
            current=row.is_current or None,
            directory=row.session.directory if row.is_elsewhere else None,
        )
        for row in listed.rows
    ]
    return without_none(sessions=rows, elsewhere=listed.elsewhere or None)


def of_tracked(session: Session, prompt: Prompt) -> Report:
    """Return that a prompt is now tracked."""
    return without_none(
        session=session.name,
        session_id=session.session_id,
        prompt_id=prompt.prompt_id,
        status=prompt.status,
        reason=prompt.reason or None,
    )


def _session(session: Session) -> Report:
    return {"session_id": session.session_id, "name": session.name, "created_at": iso(session.created_at)}


def of_listing(listing: Listing) -> Report:
    """Return prompts in a list."""
    return _troubled(listing.trouble) | without_none(
        jobs=[_row(row) for row in listing.rows],
        more="there are more: raise limit, or narrow status, session or batch" if listing.more else None,
    )


def _troubled(trouble: UnreachableError | None) -> Report:
    if trouble is None:
        return {}
    if trouble.trouble == Trouble.HISTORY:
        return {"detail": f"{trouble}. Ended prompts of others are missing here"}
    return {
        "reachable": False,
        "why": trouble.trouble,
        "detail": f"{trouble}. Prompts that had not ended when it last answered are unknown, not over",
    }


def _row(row: Row) -> Report:
    prompt = row.prompt
    submission = prompt.submission
    is_over = prompt.status not in ("pending", "in_progress")
    at, began = row.at, row.began
    return without_none(
        prompt_id=prompt.prompt_id,
        status=prompt.status,
        note=(submission.note or None) if submission else None,
        batch_id=submission.batch_id if submission else None,
        server=prompt.server or None,
        position=prompt.position,
        age=duration(time.time() - prompt.submitted_at) if prompt.submitted_at and at is None else None,
        ended_at=iso(at),
        duration_s=round(at - began, 2) if at is not None and began is not None else None,
        outputs=row.outputs or None,
        cause=row.cause or None,
        reason=(prompt.reason or None) if is_over and not row.cause else None,
        **progress_of(prompt),
    )


def of_errors(explained: Sequence[Explained], trouble: UnreachableError | None) -> Report:
    """Return why prompts failed."""
    return _troubled(trouble) | {"errors": [_explained(one) for one in explained]}


def _explained(explained: Explained) -> Report:
    row, submission = explained.row, explained.row.prompt.submission
    return without_none(
        prompt_id=row.prompt.prompt_id,
        note=(submission.note or None) if submission else None,
        batch_id=submission.batch_id if submission else None,
        ended_at=iso(row.at),
        **(error_of(explained.failure) if explained.failure else {"message": row.cause or "unknown"}),
        node_errors=node_errors_of(explained.refused.node_errors) if explained.refused else None,
        **_missing(explained.missing),
        advice=advice_for(_cause_of(explained)) or None,
    )


def _cause_of(explained: Explained) -> str:
    failure, row = explained.failure, explained.row
    return f"{failure.exception_type}: {failure.message}" if failure else row.prompt.reason or row.cause


def _missing(missing: Missing) -> Report:
    return {"missing_models": list(missing.models) or None, "missing_nodes": list(missing.nodes) or None}


def of_cleared(cleared: Cleared) -> Report:
    """Return the result of a request to clear the history."""
    return {
        **vars(cleared),
        "removed": "all, uncounted: they could not be read" if cleared.removed is None else cleared.removed,
        "detail": f"{cleared.journalled} of those removed can still be asked for with comfyui_job",
    }
