"""The agents that can receive messages, and the messages between them, from whichever server or terminal they come."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import time
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from mcp_background_job.agents.catalog import Catalog, Reference, refuse_unmeant, workspace
from mcp_background_job.agents.events.projection import iso
from mcp_background_job.agents.life import watching
from mcp_background_job.agents.life.results import Run
from mcp_background_job.agents.life.watching import Watcher
from mcp_background_job.agents.mail.mailbox import Mailbox, Page
from mcp_background_job.agents.records import RunRecord
from mcp_background_job.agents.requests import messages
from mcp_background_job.agents.requests.request import PARENT
from mcp_background_job.core.naming import Asker
from mcp_background_job.core.run import RunChoice, RunRow
from mcp_background_job.errors import InvalidRequestError, RunnerSilentError, UnknownRunError
from mcp_background_job.executors import lanes, locks
from mcp_background_job.jobs.lineage import lineage, run_of
from mcp_background_job.jobs.manager import JobManager

#: The most messages in one answer, as in the orchestration tools.
MAX_MESSAGES = 1000

#: Seconds to wait for a mailbox's lock: its holder writes a line, or is suspended.
_LOCK_PATIENCE_S = 5.0

#: Seconds between two looks for new messages: no process stands between two agents that could announce one.
_LOOK_AGAIN_S = 0.2

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Agent:
    """An agent that can be written to: the newest run of a session, and its number of unfetched messages."""

    run: Run
    unfetched: int


@dataclass(frozen=True)
class Letter:
    """A message to send.

    Attributes:
        to: name of an agent, id of a run, or ``parent``.
        body: a message in parts.
        sender: name of an agent or id of a run; by default the run that this process belongs to.
        cwd: the workspace of both.
        metadata: kept and delivered, not interpreted.
        client: the sender, if it is not a run.
    """

    to: str
    body: Mapping[str, Any]
    sender: str | None = None
    cwd: str | None = None
    metadata: Mapping[str, Any] | None = None
    client: str = ""


@dataclass(frozen=True)
class Sent:
    """A message that is in its mailbox, and the newest run of its receiver."""

    message_id: str
    seq: int
    created_at: float
    to: Run


@dataclass(frozen=True)
class Received:
    """Messages, and their receiver."""

    to: RunRecord
    page: Page


class Post:
    """Lists agents, and delivers messages to them."""

    def __init__(self, manager: JobManager, catalog: Catalog, watcher: Watcher) -> None:
        """Takes the manager of the jobs that runs are, the catalog of runs, and their watcher."""
        self._manager = manager
        self._catalog = catalog
        self._watcher = watcher

    async def agents(self, choice: RunChoice, *, status: str | None, limit: int) -> list[Agent]:
        """Return agents, those with the newest runs first.

        Args:
            choice: the agents that are meant.
            status: return only agents whose newest run has this status.
            limit: the most agents to return.

        Raises:
            InvalidRequestError: an argument is out of bounds, or no agent can match it.
        """
        if limit < 1:
            raise InvalidRequestError(f"limit={limit}: a limit is 1 or more")
        refuse_unmeant(status=status, backend=choice.backend, cwd=choice.cwd)
        await self._catalog.sync()
        rows = await self._catalog.rows(replace(choice, cwd=await workspace(choice.cwd)))
        newest: dict[str, RunRow] = {}
        for row in rows:
            newest.setdefault(row.session_id, row)
        until = time.monotonic() + watching.LOOK_S  # one limit for all looks
        found: list[Agent] = []
        for row in newest.values():
            if len(found) == limit:
                break
            if row.status is not None and status not in (None, row.status):
                continue
            for record in await self._catalog.records([row]):
                run = await self._watcher.look(record, until=until)
                if status in (None, run.state.status):
                    found.append(Agent(run, await lanes.scan(self._mailbox(record).unfetched)))
        return found

    async def send(self, letter: Letter, asker: Asker) -> Sent:
        """Put a message into the mailbox of an agent, which need not be running.

        Raises:
            UnknownRunError: there is no such agent.
            InvalidRequestError: the message cannot be used, or a name is ambiguous.
            RunStateError: the mailbox is full.
            RunnerSilentError: a process holds the mailbox and makes no progress.
        """
        messages.read(letter.body, "message")  # only to refuse an invalid message
        sender = await self._who(letter.sender, letter.cwd, asker) if letter.sender else await self._own()
        to = await self._recipient(letter, sender, asker)
        run = await self._watcher.look(to, until=time.monotonic())  # before delivery: nothing may fail after it
        now = time.time()
        message = {
            "message_id": str(uuid.uuid4()),
            "from_agent_name": sender and sender.agent_name,
            "from_session_id": sender and sender.session_id,
            **({} if sender else {"from_client": letter.client}),
            "to_agent_name": to.agent_name,
            "to_session_id": to.session_id,
            "created_at": iso(now),
            "body": dict(letter.body),
            "metadata": dict(letter.metadata or {}),
        }
        box = self._mailbox(to)
        seq = await _with_lock(lambda: box.put(message), to)
        return Sent(str(message["message_id"]), seq, now, run)

    async def fetch(
        self, name: str | None, cwd: str | None, asker: Asker, *, after_seq: int | None, limit: int, wait_s: float
    ) -> Received:
        """Return the messages to an agent; waits for some.

        Args:
            name: name of the agent, or id of a run; by default the run that this process belongs to.
            cwd: its workspace.
            asker: the caller.
            after_seq: return the messages behind this number; without it, those not fetched in turn yet, each of them
                once.
            limit: the most messages to return.
            wait_s: the longest wait.

        Raises:
            UnknownRunError: there is no such agent.
            InvalidRequestError: an argument is out of bounds, or a name is ambiguous.
            RunnerSilentError: a process holds the mailbox and makes no progress.
        """
        if (after_seq or 0) < 0 or not 1 <= limit <= MAX_MESSAGES:
            raise InvalidRequestError(
                f"after_seq={after_seq or 0}, limit={limit}: after_seq is 0 or more, limit 1 to {MAX_MESSAGES}"
            )
        to = await self._who(name, cwd, asker) if name else await self._own()
        if to is None:
            raise InvalidRequestError("Provide agent_name: this process belongs to no run")
        box, deadline = self._mailbox(to), time.monotonic() + wait_s
        while True:
            sign = await lanes.look(box.sign)
            page = await _with_lock(lambda: box.take(after_seq, limit), to)
            if page.messages or time.monotonic() >= deadline:
                return Received(to, page)
            await _until_changed(box, sign, deadline)

    async def clear_away(self, sessions: Collection[str], before: float) -> None:
        """Remove the mailboxes that belong to none of these sessions and have not changed since a moment."""
        await lanes.write(self._clear_away, sessions, before)

    def _clear_away(self, sessions: Collection[str], before: float) -> None:
        with contextlib.suppress(FileNotFoundError):
            for entry in os.scandir(self._manager.state.mail):
                if entry.name not in sessions and entry.stat().st_mtime < before:
                    shutil.rmtree(entry.path, ignore_errors=True)

    # -- who is meant ------------------------------------------------------------------------------------------------

    async def _recipient(self, letter: Letter, sender: RunRecord | None, asker: Asker) -> RunRecord:
        if letter.to == PARENT:
            if sender is None or sender.parent_run_id is None:
                # A client that started the run reads its events, and has no mailbox.
                who = "the sender is not a run" if sender is None else f"run {sender.run_id} was started by no run"
                raise UnknownRunError(f"Unknown agent_name: {PARENT}; {who}")
            return await self._catalog.find(Reference(sender.parent_run_id))
        if sender is None:
            return await self._who(letter.to, letter.cwd, asker)
        # An agent's own directory may belong to another project than the one that it works for.
        asker = Asker(sender.project or asker.project, changes=True)
        if letter.cwd is None:
            with contextlib.suppress(UnknownRunError):  # in the sender's workspace first, then anywhere
                return await self._who(letter.to, sender.cwd, asker)
        return await self._who(letter.to, letter.cwd, asker)

    async def _who(self, name: str, cwd: str | None, asker: Asker) -> RunRecord:
        return await self._catalog.find(Reference(agent_name=name, cwd=cwd, asker=asker))

    async def _own(self) -> RunRecord | None:
        """Return the run that this process belongs to, ``None`` if there is none."""
        run_id = await lanes.look(self._own_run_id)
        return await self._catalog.find(Reference(run_id)) if run_id else None

    def _own_run_id(self) -> str | None:
        parent, places = self._manager.own_job, self._manager.places
        return run_of(places, lineage(places, parent)) if parent else None

    def _mailbox(self, record: RunRecord) -> Mailbox:
        return Mailbox(self._manager.state.mailbox(record.session_id))


async def _with_lock(attempt: Callable[[], _Result | None], to: RunRecord) -> _Result:
    deadline = time.monotonic() + _LOCK_PATIENCE_S
    while (result := await lanes.write(attempt)) is None:
        if time.monotonic() >= deadline:
            raise RunnerSilentError(
                f"the mailbox of {to.agent_name} is held by a process that makes no progress; try again when it goes on"
            )
        await asyncio.sleep(locks.RETRY_S)  # not in the thread, which others need
    return result


async def _until_changed(box: Mailbox, sign: tuple[int, int], deadline: float) -> None:
    while (left := deadline - time.monotonic()) > 0:
        await asyncio.sleep(min(_LOOK_AGAIN_S, left))
        if await lanes.look(box.sign) != sign:
            return
