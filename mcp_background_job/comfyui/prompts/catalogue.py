"""Prompts in one list, from the queue, the history and the journal together; and the reasons of failures."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from mcp_background_job.comfyui.prompts.diagnosis import Missing, missing_of_failure, missing_of_refusal
from mcp_background_job.comfyui.prompts.prompts import NOT_SENT, Prompt, Prompts, ended, of_journal
from mcp_background_job.comfyui.prompts.results import cause_of, finished_of_result, refused_of_result
from mcp_background_job.comfyui.prompts.witness import RAN
from mcp_background_job.comfyui.wire.answers import Failure, Finished, Queue, Refused
from mcp_background_job.comfyui.wire.client import Client
from mcp_background_job.core.comfyui.submission import End, Stage, Submission
from mcp_background_job.errors import InvalidRequestError, UnreachableError
from mcp_background_job.executors import lanes
from mcp_background_job.registry.journal_base import Journal
from mcp_background_job.registry.sessions import SqliteSessions

#: All statuses that a prompt in a list can have.
STATUSES = ("pending", "in_progress", "completed", "failed", "cancelled", "lost_to_restart", NOT_SENT, "unknown")


@dataclass(frozen=True)
class Row:
    """A prompt in a list.

    Attributes:
        prompt: the known facts about it.
        outputs: how many files it made, if known.
        cause: why it failed, in one line.
    """

    prompt: Prompt
    outputs: int | None = None
    cause: str = ""

    @property
    def began(self) -> float | None:
        """When it began to run."""
        prompt = self.prompt
        return prompt.finished.started_at if prompt.finished else _of(prompt, "started_at")

    @property
    def at(self) -> float | None:
        """When it ended."""
        prompt = self.prompt
        return prompt.finished.ended_at if prompt.finished else _of(prompt, "ended_at")


def _of(prompt: Prompt, name: str) -> float | None:
    return getattr(prompt.submission, name) if prompt.submission else None


@dataclass(frozen=True)
class Listing:
    """Prompts; and, if the server does not answer, why the ends of open ones are unknown."""

    rows: tuple[Row, ...]
    more: bool = False
    trouble: UnreachableError | None = None


@dataclass(frozen=True)
class Explained:
    """A failed prompt, with all that is known of the reason.

    Attributes:
        row: the prompt.
        failure: the exception, if one ended it.
        refused: the report of the validation, if it was refused.
        missing: models and nodes that the server does not have, if that can be told.
    """

    row: Row
    failure: Failure | None = None
    refused: Refused | None = None
    missing: Missing = field(default_factory=Missing)


@dataclass(frozen=True)
class Among:
    """The prompts that are asked for: those of a session, of a batch, or all of the server."""

    session_id: str | None = None
    batch_id: str | None = None

    @property
    def is_all(self) -> bool:
        """Whether nothing is left out."""
        return self.session_id is None and self.batch_id is None


class Catalogue:
    """The prompts of one server."""

    def __init__(self, client: Client, journal: Journal, sessions: SqliteSessions, prompts: Prompts) -> None:
        """Takes its parts."""
        self._client = client
        self._journal = journal
        self._sessions = sessions
        self._prompts = prompts

    async def list(self, *, statuses: Collection[str] = (), among: Among, limit: int) -> Listing:
        """Return prompts: the running ones, the waiting ones in their order, then the ended ones, newest first.

        Raises:
            InvalidRequestError: no prompt can have a status, or the limit is not positive.
        """
        unknown = set(statuses) - set(STATUSES)
        if unknown:
            raise InvalidRequestError(f"status {', '.join(sorted(unknown))!r}: give some of {', '.join(STATUSES)}")
        if limit < 1:
            raise InvalidRequestError(f"limit={limit}: at least 1")
        # Sent prompts come first, and a long queue of them must leave room for ended ones.
        known = await self._journalled(statuses, among, _OPEN + limit + 1)
        try:
            queue = await self._client.queue()
        except UnreachableError as error:
            rows = [_row(prompt) for prompt in await self._unanswered(known, among, limit, error)]
            return _listing(in_order(rows), [*statuses, "unknown"] if statuses else (), limit, error)
        # The history is read after the queue: a prompt that ends in between is in the history by now. The history is
        # large, with the graph of each prompt, and the journal knows everything about a batch that is over.
        is_needed = among.batch_id is None or any(one.is_open for one in known)
        history, trouble = await self._history(max(limit + 1, _HISTORY)) if is_needed else ([], None)
        strangers = await self._strangers(queue, history, known, among, limit)
        rows = [await self._place(one, queue, history) for one in (*known, *strangers)]
        return _listing(in_order(rows), statuses, limit, trouble)

    async def errors_of(self, server: str, *, among: Among, limit: int) -> list[Explained]:
        """Return the prompts that failed last at a server that is gone."""
        failed = await self.waiting(server, statuses=("failed", str(End.LOST)), among=among, limit=limit)
        return [await self._explained(row) for row in failed if _has_failed(row)]

    async def errors(self, *, among: Among, limit: int) -> tuple[list[Explained], UnreachableError | None]:
        """Return the prompts that failed last, each with all that is known of the reason."""
        # Of the prompts lost with their server, those that ran count; many more may only have waited.
        listing = await self.list(statuses=("failed", str(End.LOST)), among=among, limit=limit + _OPEN)
        failed = [row for row in listing.rows if _has_failed(row)]
        return [await self._explained(row) for row in failed[:limit]], listing.trouble

    async def waiting(self, server: str, *, statuses: Collection[str], among: Among, limit: int) -> Sequence[Row]:
        """Return prompts that wait for a pool, or never left that state, or whose server is gone, from the journal."""
        found = await lanes.journal(
            self._sessions.prompts,
            server,
            statuses=(*statuses, "open") if statuses else (),
            batch_id=among.batch_id,
            session_id=among.session_id,
            limit=limit + 1,
        )
        rows = [_row(of_journal(one)) for one in found if one.server == server]
        return [row for row in rows if not statuses or row.prompt.status in statuses]

    async def ids(self, among: Among) -> list[tuple[str, str]]:
        """Return the ids and notes of the prompts of a session or batch, in their order."""
        if among.session_id is not None:
            tracked = await lanes.journal(self._sessions.tracked_in, among.session_id)
            return [(one.prompt_id, one.note) for one in tracked]
        known = await self._journalled((), among, _ALL)
        return [(one.prompt_id, one.note) for one in sorted(known, key=lambda one: (one.position or 0, one.prompt_id))]

    # -- from where they are known ---------------------------------------------------------------------------------

    async def _journalled(self, statuses: Collection[str], among: Among, limit: int) -> list[Submission]:
        # A sent prompt without a known end may have any status: the server says which.
        wanted = (*statuses, "open") if statuses else ()
        return await lanes.journal(
            self._sessions.prompts,
            self._client.endpoint.url,
            statuses=wanted,
            batch_id=among.batch_id,
            session_id=among.session_id,
            limit=limit,
        )

    async def _history(self, limit: int) -> tuple[list[Finished], UnreachableError | None]:
        try:
            return await self._client.history(limit), None
        except UnreachableError as error:  # one bad output breaks the list; each prompt can still be asked for
            return [], error

    async def _strangers(
        self, queue: Queue, history: Sequence[Finished], known: Sequence[Submission], among: Among, limit: int
    ) -> list[str]:
        """Return the ids of prompts that the server has, or a session tracks, and the journal's page has not."""
        if among.session_id is not None:
            return await lanes.journal(self._sessions.strangers, among.session_id, limit + 1)
        if among.batch_id is not None:
            return []
        ids = {one.prompt_id for one in known}
        items = (*queue.running, *queue.pending[: limit + 1])
        there = [*(item.prompt_id for item in items), *(one.prompt_id for one in reversed(history))]
        return [prompt_id for prompt_id in dict.fromkeys(there) if prompt_id not in ids]

    async def _unanswered(
        self, known: Sequence[Submission], among: Among, limit: int, error: UnreachableError
    ) -> list[Prompt]:
        """Return the known facts about prompts while the server is silent; open ones get the status unknown."""
        why = f"unreachable: {error.trouble}"
        prompts = [of_journal(one) for one in known]
        told = [
            replace(prompt, reason=why) if one.is_open else prompt for one, prompt in zip(known, prompts, strict=True)
        ]
        if among.session_id is None:
            return told
        strangers = await lanes.journal(self._sessions.strangers, among.session_id, limit + 1)
        return [*told, *(Prompt(prompt_id, "unknown", why) for prompt_id in strangers)]

    async def _place(self, known: Submission | str, queue: Queue, history: Sequence[Finished]) -> Row:
        prompt_id = known if isinstance(known, str) else known.prompt_id
        submission = await lanes.journal(self._journal.get, known) if isinstance(known, str) else known
        if submission is not None and (submission.end is not None or submission.stage in _SETTLED):
            return _row(of_journal(submission))
        if queue.find(prompt_id):
            return _row(await self._prompts.queued(queue, prompt_id, submission))
        finished = next((one for one in history if one.prompt_id == prompt_id), None)
        if finished is None:
            return _row(await self._prompts.get(prompt_id))
        await self._prompts.note_end(finished)
        return _row(ended(prompt_id, finished, submission))

    async def _explained(self, row: Row) -> Explained:
        finished = row.prompt.finished
        content = await lanes.journal(self._journal.result, row.prompt.prompt_id)
        if finished is None:
            finished = finished_of_result(content)
        if finished and finished.failure:
            return Explained(row, failure=finished.failure, missing=missing_of_failure(finished.failure))
        refused = refused_of_result(content)
        return Explained(row, refused=refused, missing=missing_of_refusal(refused) if refused else Missing())


#: Entries of the history that are searched at least: only some of them have the wanted status.
_HISTORY = 200

#: The expected number of sent prompts without a known end. If there are more, they hide ended ones.
_OPEN = 200

#: Stages in which only the journal tells the truth.
_SETTLED = (Stage.WAITING, Stage.REFUSED)

#: No limit, for SQLite.
_ALL = -1


def _row(prompt: Prompt) -> Row:
    finished, submission = prompt.finished, prompt.submission
    failed = prompt.status == "failed" or prompt.reason.startswith(RAN)
    if finished is not None:
        return Row(prompt, len(finished.outputs), cause_of(finished) or (prompt.reason if failed else ""))
    return Row(prompt, submission.outputs if submission else None, prompt.reason if failed else "")


def _has_failed(row: Row) -> bool:
    return row.prompt.status == "failed" or row.prompt.reason.startswith(RAN)


_RANK = {"in_progress": 0, "pending": 1}


def in_order(rows: Iterable[Row]) -> list[Row]:
    """Return rows in the order for people: running, then waiting in their order, then the newest end first."""

    def place(row: Row) -> tuple[int, bool, float, int]:
        prompt = row.prompt
        rank = _RANK.get(prompt.status, 2)
        if rank < 2:  # noqa: PLR2004  not over
            waits = prompt.position is None and rank == 1
            order = prompt.position if prompt.position is not None else prompt.submitted_at or 0.0
            return rank, waits, order, (prompt.submission.position or 0) if prompt.submission else 0
        return rank, False, -(row.at or prompt.submitted_at or 0.0), 0

    return sorted(rows, key=place)


def _listing(rows: list[Row], statuses: Collection[str], limit: int, trouble: UnreachableError | None) -> Listing:
    wanted = [row for row in rows if not statuses or row.prompt.status in statuses]
    return Listing(tuple(wanted[:limit]), more=len(wanted) > limit, trouble=trouble)
