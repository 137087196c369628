"""One run, live: the subject ``run``. Its cursor has the number of the last event seen, and a digest of its facts."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from mcp_background_job.actions.action import Facts
from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.house import House
from mcp_background_job.actions.meant import Word
from mcp_background_job.actions.page.jobs.digest import digest
from mcp_background_job.actions.page.jobs.family import family
from mcp_background_job.actions.page.subject import Cursor, Seen, Subject
from mcp_background_job.errors import UnknownJobError, UnknownRunError

if TYPE_CHECKING:
    from mcp_background_job.agents.life.results import Polled, Run
    from mcp_background_job.agents.runs import RunManager

#: The events at the end of a transcript that are shown first, and the most in one answer.
TAIL = 300

#: Seconds between two looks at what no event reports: the run's wait in the queue, and its family.
_EVERY_S = 3.0

#: The most runs whose family is remembered.
_KEPT = 64

#: The most characters of a task.
_PROMPT = 20_000

#: The most bytes of a cut field that are put back: a model pays for the text that it reads, and a person does not. The
#: output of tools stays cut until somebody asks for it.
_WHOLE = 64 * 1024
_WHOLE_OF = frozenset({"agent_message", "message_added", "reasoning", "file_changed", "todo_updated"})


@dataclass(frozen=True, kw_only=True)
class One:
    """A run."""

    run_id: Word


@dataclass(frozen=True, kw_only=True)
class Before:
    """Earlier events than those on the page.

    Attributes:
        before: the number of the first event on the page.
    """

    run_id: Word
    before: Annotated[int, Field(ge=1)]


class Transcripts:
    """Looks at single runs for all pages."""

    def __init__(self, house: House) -> None:
        """Takes the house."""
        self._house = house
        self._families: dict[str, tuple[float, list[Facts]]] = {}

    async def look(self, _caller: Caller, request: One, cursor: Cursor) -> Seen | None:
        """Return the facts about a run now, and its events behind the cursor."""
        runs = await self._house.runs()
        seen = _seq_of(cursor)
        begin = seen
        if begin is None:
            begin = max(0, (await runs.glance(request.run_id)).state.seq - TAIL)
        polled = await self._polled(runs, request.run_id, begin, TAIL)
        run = await self._run(runs, polled.run)
        now = [polled.next_after_seq, digest(run)]
        if cursor == now:
            return None
        entries = await _entries(runs, polled)
        return Seen(now, {"run": run, "entries": entries, **({"first": begin + 1} if seen is None else {})})

    async def wait(self, _caller: Caller, request: One, cursor: Cursor) -> None:
        """Return when they may have changed."""
        runs, seq = await self._house.runs(), _seq_of(cursor) or 0
        polled = await runs.poll(_reference(request.run_id), after_seq=seq, limit=1, wait_s=_EVERY_S)
        if not polled.events and polled.run.state.is_over:  # only the family of a finished run changes
            await asyncio.sleep(_EVERY_S)

    @contextlib.asynccontextmanager
    async def keep(self, _caller: Caller, request: One) -> AsyncGenerator[None]:
        """Keep the connection to the runner of the run's job."""
        run = await (await self._house.runs()).glance(request.run_id)
        if run.state.is_over:
            yield
            return
        async with self._house.manager.hub.watching(run.record.job_id, output=True):
            yield

    async def run_before(self, _caller: Caller, request: Before) -> Facts:
        """Return the events before the first one on the page."""
        runs = await self._house.runs()
        begin = max(0, request.before - 1 - TAIL)
        entries: list[Facts] = []
        after = begin
        while after < request.before - 1:  # one answer is limited in bytes
            polled = await self._polled(runs, request.run_id, after, request.before - 1 - after)
            if not polled.events:
                break
            entries += await _entries(runs, polled)
            after = polled.next_after_seq
        return {"entries": entries, "first": begin + 1}

    @staticmethod
    async def _polled(runs: RunManager, run_id: str, after_seq: int, limit: int) -> Polled:
        return await runs.poll(_reference(run_id), after_seq=after_seq, limit=limit, wait_s=0.0)

    async def _run(self, runs: RunManager, run: Run) -> Facts:
        from mcp_background_job.actions.page.runs.question import question_of
        from mcp_background_job.actions.page.runs.used import used
        from mcp_background_job.agents.runs import has_full_access, is_resumable

        record, state = run.record, run.state
        if state.status == "queued":
            run = await runs.get(_reference(record.run_id))
        return {
            "run_id": record.run_id,
            "job_id": record.job_id,
            "agent": record.agent_name,
            "backend": record.backend,
            "role": record.role,
            "model": record.config.get("model"),
            "cwd": record.cwd,
            "project": record.project or None,
            "session": record.session_id,
            "resumed_from": record.resumed_from_run_id,
            "full_access": has_full_access(record),
            "prompt": record.prompt[:_PROMPT],
            "status": state.status.value,
            "is_over": state.is_over,
            "waits_for": run.waits_for,
            "question": question_of(state.request),
            "resumable": is_resumable(record, state),
            "used": used((state.end or {}).get("usage")),
            "created_at": record.created_at,
            "started_at": state.started_at,
            "ended_at": state.updated_at if state.is_over else None,
            "family": await self._family(runs, run),
        }

    async def _family(self, runs: RunManager, run: Run) -> list[Facts]:
        job_id = run.record.job_id
        looked_at, known = self._families.get(job_id, (float("-inf"), []))
        if time.monotonic() - looked_at >= _EVERY_S:
            try:
                job = await self._house.manager.find(job_id)
            except UnknownJobError:  # the job was removed, and the run was kept
                return []
            known = [await _as_run(runs, one) for one in await family(self._house.manager, job)]
            if len(self._families) >= _KEPT:
                self._families.clear()
            self._families[job_id] = time.monotonic(), known
        return known


async def _as_run(runs: RunManager, member: Facts) -> Facts:
    """Return a member of a family; a run gets its agent's name and the status of the run."""
    if not member["run_id"]:
        return member
    try:
        run = await runs.glance(member["run_id"])
    except UnknownRunError:
        return member
    return {**member, "name": run.record.agent_name, "status": run.state.status.value}


async def _entries(runs: RunManager, polled: Polled) -> list[Facts]:
    from mcp_background_job.actions.page.runs.entries import entry_of

    told = [entry_of(await _whole(runs, polled.run.record.run_id, event)) for event in polled.events]
    return [entry for entry in told if entry]


async def _whole(runs: RunManager, run_id: str, event: dict[str, Any]) -> dict[str, Any]:
    """Return an event with the text that was cut from it."""
    references: dict[str, Any] = event["data"].get("artifact_refs", {})
    if event["type"] not in _WHOLE_OF or not references:
        return event
    data, left = dict(event["data"]), dict[str, Any]()
    for pointer, about in references.items():
        if about["total_bytes"] > _WHOLE or not about.get("stored", True):
            left[pointer] = about
            continue
        piece = await runs.artifact(
            _reference(run_id), seq=event["seq"], field_path=pointer, offset=0, limit=about["total_bytes"]
        )
        name = pointer[1:].replace("~1", "/").replace("~0", "~")  # RFC 6901
        data[name] = json.loads(piece.content) if about["mime"] == "application/json" else piece.content
    return {**event, "data": {**data, "artifact_refs": left}}


def _reference(run_id: str) -> Any:
    from mcp_background_job.agents.catalog import Reference

    return Reference(run_id)


def _seq_of(cursor: Cursor) -> int | None:
    match cursor:
        case [int(seq), str()] if seq >= 0:
            return seq
        case _:
            return None


def run_subject(transcripts: Transcripts) -> Subject[Any]:
    """Return one run as a subject."""
    return Subject("run", One, transcripts.look, transcripts.wait, transcripts.keep)
