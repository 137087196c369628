"""Jobs whose call is answered later: the state to keep of the call's waits, and how the jobs are doing."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Hashable, Sequence
from typing import Any

from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.jobs.answering import Turn
from mcp_background_job.actions.later import Going, Question, State
from mcp_background_job.core.job import Job
from mcp_background_job.core.output.rendering import render
from mcp_background_job.core.states import State as Life
from mcp_background_job.core.text import duration, one_line
from mcp_background_job.core.waiting import Kind, Why, parse_until
from mcp_background_job.executors import lanes
from mcp_background_job.jobs import keys as keyboard
from mcp_background_job.jobs.indexing.passes import settled
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.waiting.wait import Waited, WaitRequest

#: The most characters of the newest line of output that a sentence quotes, and the bytes in which it is searched.
_LINE = 200
_READ = 4096

#: Seconds for a server on this machine to answer; every other condition is checked in no time.
_ASK_S = 0.5

#: Conditions that only show in a job's directory: its end, and its output.
_BY_ITS_FILES = (Kind.EXIT, Kind.REGEX, Kind.OUTPUT)


def kept(turn: Turn) -> State:
    """Return the state from which one wait of a call can be taken up again."""
    request = turn.request
    return {
        "job_id": turn.job.job_id,
        "since": turn.since,
        "search_from": request.since,
        "fail_from": request.fail_since,
        "end_is_known": request.end_is_known,
        "from_start": request.from_start,
    }


async def taken_up(manager: JobManager, request: WaitRequest, state: State, began_at: float) -> Turn:
    """Return a wait that began at a moment (seconds since the epoch), as a look that asks whether it is over.

    Raises:
        UnknownJobError: its job is gone.
    """
    waited_s = max(0.0, time.time() - began_at)
    look = dataclasses.replace(
        request,
        wait_s=waited_s + (_ASK_S if request.until.kind is Kind.HTTP else 0.0),
        since=state["search_from"],
        fail_since=state["fail_from"],
        end_is_known=state["end_is_known"],
        from_start=state["from_start"],
        waited_s=waited_s,
    )
    return Turn(await manager.find(state["job_id"]), look, state["since"])


def is_decided(waited: Waited) -> bool:
    """Tell whether the awaited event has come, or cannot come any more."""
    return waited.why not in (None, Why.TIMEOUT)


async def going(manager: JobManager, waited: list[Waited]) -> Going:
    """Return how jobs are doing whose wait is not over."""
    live = [one for one in waited if not is_decided(one)]
    if len(live) > 1:
        names = ", ".join(one.job.label for one in live)
        return Going(doing=f"waiting for {len(live)} of {len(waited)} jobs: {names}")
    return await _going(manager, live[0])


async def _going(manager: JobManager, waited: Waited) -> Going:
    job, seen = waited.job, waited.seen
    line, end, wrote_at = await lanes.look(_newest, manager, job)
    since = job.started_at or job.created_at
    how = f"{job.status} for {duration(time.time() - since)}"
    note = await manager.note(job, seen)
    said = [how, *([note] if note else []), *([waited.hint] if waited.hint else [])]
    text = "; ".join(said) + (f": {line}" if line and note is None else "")
    asked = await manager.question(job, seen)
    question = None if asked is None else Question(mark=f"{end}:{asked}", text=_asks(job, asked))
    return Going(doing=text, changed_at=max(since, wrote_at or 0.0), question=question)


def _newest(manager: JobManager, job: Job) -> tuple[str, int, float | None]:
    """Return a job's newest line of output, the end of its output, and when it last wrote."""
    store = manager.places.store_of(job.job_id)
    if job.state is Life.QUEUED:
        return "", 0, None
    rows = render(store.read_log_tail(job.job_id, _READ).data, 0, [])
    lines = [text for row in rows if (text := row.text.strip())]
    newest = one_line(lines[-1], _LINE) if lines else ""
    return newest, store.log_extent(job.job_id)[1], store.last_output_at(job.job_id)


def _asks(job: Job, line: str) -> str:
    return f"{job.label} asks: {one_line(line, _LINE)}" if line else f"{job.label} waits for a line of input"


def signs(manager: JobManager, job_ids: Sequence[str], until: str | None) -> Hashable:
    """Return time stamps and lengths of what jobs write, ``None`` if the condition depends on more than that."""
    if parse_until(until).kind not in _BY_ITS_FILES:
        return None
    found: list[tuple[int, int]] = []
    for job_id in job_ids:
        store = manager.places.store_of(job_id)
        stamp = store.changed_at(job_id)
        if stamp is None or settled(stamp) < 0:  # the job is gone, or may still change within this time stamp
            return None
        found.append((stamp, store.log_extent(job_id)[1]))
    return tuple(found)


async def answer(manager: JobManager, caller: Caller, job_id: str, fields: dict[str, Any] | None) -> None:
    """Give a job the line that it waits for; if the person declined, it goes on waiting.

    Raises:
        BackgroundJobError: the job takes no input any more.
    """
    if fields is not None:
        job = await manager.find(job_id, caller.changes)
        await keyboard.send(manager, job, str(fields.get("text", "")), [], newline=True)
