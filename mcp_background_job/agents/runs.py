"""``RunManager``: one method for each operation on runs of agents."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mcp_background_job.agents import records
from mcp_background_job.agents.adapters.base import Adapter
from mcp_background_job.agents.adapters.options import refuse_unknown
from mcp_background_job.agents.adapters.table import adapter_named
from mcp_background_job.agents.catalog import Catalog, Reference, new_id, refuse_unmeant, workspace
from mcp_background_job.agents.events import journal
from mcp_background_job.agents.events.projection import WAITING
from mcp_background_job.agents.life import watching
from mcp_background_job.agents.life.answering import answer
from mcp_background_job.agents.life.awaiting import until_settled
from mcp_background_job.agents.life.launching import Launcher, Policy, Session
from mcp_background_job.agents.life.results import Cancelled, Continued, Listed, Piece, Polled, Run
from mcp_background_job.agents.life.stopping import stop
from mcp_background_job.agents.life.watching import MAX_WAIT_S, Watcher
from mcp_background_job.agents.mail.post import Post
from mcp_background_job.agents.records import CancelIntent, Checkpoint, RunRecord
from mcp_background_job.agents.requests import messages
from mcp_background_job.agents.requests.request import SpawnRequest, check, text_of
from mcp_background_job.core.run import RunChoice, RunRow, RunStatus
from mcp_background_job.errors import (
    BackgroundJobError,
    InvalidRequestError,
    RunnerSilentError,
    RunStateError,
    StateDirError,
    UnknownJobError,
)
from mcp_background_job.executors import lanes
from mcp_background_job.jobs.inherited.inheritance import Inheritance
from mcp_background_job.jobs.manager import JobManager

#: The most events in one answer, as in the orchestration tools.
MAX_EVENTS = 1000

#: The most bytes of an artifact in one answer.
MAX_ARTIFACT_BYTES = 262_144

#: Keys that only the answer to a question has.
_ANSWERS = {"request_id", "option_id", "decision"}

#: Statuses of runs that a new run can continue. An agent that refused would refuse again.
RESUMABLE = (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED)


class RunManager:
    """Starts, follows, cancels, continues and lists runs of agents.

    Attributes:
        post: delivers messages from one agent to another.
    """

    def __init__(self, manager: JobManager, policy: Policy, *, inheritance: Inheritance, keep_s: float) -> None:
        """Takes its parts; see ``app.build_runs``.

        Args:
            manager: the manager of the jobs that runs are.
            policy: the settings for runs.
            inheritance: the environment from which agents get theirs.
            keep_s: seconds for which ended runs are kept.
        """
        self._manager = manager
        self._keep_s = keep_s
        self._catalog = Catalog(manager.state, manager.index)
        self._launcher = Launcher(manager, self._catalog, policy, inheritance)
        self._watcher = Watcher(manager, self._catalog)
        self.post = Post(manager, self._catalog, self._watcher)

    async def close(self) -> None:
        """Stop waiting for runs; the runs go on."""
        await self._watcher.close()

    # -- start -----------------------------------------------------------------------------------------------------

    async def spawn(self, request: SpawnRequest, *, client: str = "") -> Run:
        """Start a run, or put it in the queue.

        Raises:
            InvalidRequestError: something in the request cannot be used; nothing was started.
            AgentMissingError: the agent's program is missing.
            LaunchError: the run is on record and could not be started.
        """
        await self.check(request)
        text = await lanes.look(text_of, request)
        adapter = adapter_named(request.backend)
        session = Session("s" + new_id())
        if request.session_mode == "resume":
            session = await self._session(adapter, request.session_id or "", request.backend)
        record = await self._launcher.launch(adapter, request, text, session, client)
        run = await self._watcher.look(record)
        self._watcher.attend(run)
        return run

    async def check(self, request: SpawnRequest) -> bool:
        """Check a request without looking for programs or runs; returns whether it asks for full access.

        Raises:
            InvalidRequestError: something in it cannot be used.
        """
        await lanes.look(check, request)
        text = await lanes.look(text_of, request)
        adapter = adapter_named(request.backend)
        refuse_unknown(request.config, adapter.config_keys, request.backend)
        self._launcher.check(adapter, request, text)
        return adapter.full_access(request.config)

    async def _session(self, adapter: Adapter, session_id: str, backend: str) -> Session:
        runs = await self._catalog.of_session(session_id)
        if not runs:
            raise InvalidRequestError(f"Unknown session_id: {session_id}")
        newest = runs[0]
        if newest.backend != backend:
            raise InvalidRequestError(f"Session {session_id} is bound to backend {newest.backend}, not {backend}")
        if within := await lanes.look(self._launcher.host_in, runs):
            raise RunStateError(
                f"Session {session_id} is in use by run {within.run_id}, which this request comes from: it would wait "
                "for itself; continue it when that run is over, or start a new session"
            )
        if "resume" not in adapter.capabilities:
            raise InvalidRequestError(f"backend does not support continue: {backend}")
        seen = [await self._watcher.look(record) for record in runs]
        for run in seen:
            if told := run.state.backend_session or run.record.resume:
                return Session(session_id, newest.agent_name, told)
        if all(run.state.is_over for run in seen):
            raise RunStateError(
                f"Session {session_id} cannot be continued: its agent ended before it named a session of its own; "
                "get_run says why, and spawn_run starts a new session"
            )
        raise RunStateError(
            f"Session {session_id} has no backend session id yet: its agent has not named one; try again when run "
            f"{newest.run_id} has said something"
        )

    # -- look ------------------------------------------------------------------------------------------------------

    async def get(self, reference: Reference) -> Run:
        """Return a run as it is now.

        Raises:
            UnknownRunError: there is none.
        """
        (run,) = await self._with_waits([await self._seen(await self._find(reference))])
        return run

    async def _with_waits(self, runs: Sequence[Run]) -> list[Run]:
        """Add to queued runs what they wait for."""
        queued = [run.record.job_id for run in runs if run.state.status is RunStatus.QUEUED]
        told = await self._manager.notes_on_ids(queued) if queued else {}
        return [replace(run, waits_for=told.get(run.record.job_id)) for run in runs]

    async def glance(self, run_id: str) -> Run:
        """Return a run as it is now, for a caller that looks again and again: cheap while its agent is silent.

        Raises:
            UnknownRunError: there is none.
        """
        return await self._watcher.glance(await self._find(Reference(run_id)))

    async def wait(
        self, references: list[Reference], *, wait_s: float, for_all: bool, known: Collection[str]
    ) -> list[Run]:
        """Wait until any or all of these runs are over, or until one asks something; returns all of them as they are.

        Args:
            references: the runs to wait for.
            wait_s: the longest wait.
            for_all: wait for all runs instead of any one.
            known: ids of runs that the caller knows to be over; their end does not end a wait for any one.

        Raises:
            UnknownRunError: there is no such run.
        """
        records = [await self._find(reference) for reference in references]
        return await until_settled(self._watcher, records, wait_s=wait_s, for_all=for_all, known=known)

    async def list(
        self,
        *,
        status: str | None = None,
        backend: str | None = None,
        cwd: str | None = None,
        project: str | None = None,
        limit: int = 20,
        offset: int = 0,
    ) -> Listed:
        """Return runs, newest first; without a project, those of all projects.

        Raises:
            InvalidRequestError: an argument is out of bounds, or no run can match it.
        """
        if limit < 1 or offset < 0:
            raise InvalidRequestError(f"limit={limit}, cursor={offset}: a limit is 1 or more, a cursor 0 or more")
        refuse_unmeant(status=status, backend=backend, cwd=cwd)
        await self._catalog.sync()
        choice = RunChoice(status=status, backend=backend, cwd=await workspace(cwd), project=project)
        until = time.monotonic() + watching.LOOK_S  # one limit for all looks
        # The index has the status of runs that are over; the status of the others is looked up now.
        live = {} if status is None else await self._live(choice, until)
        rows = [*await self._catalog.rows(choice, limit=offset + limit + 1), *live]
        rows.sort(key=lambda row: (row.created_at, row.run_id), reverse=True)
        shown = await self._catalog.records([row for row in rows[offset : offset + limit] if row not in live])
        runs = [run for row, run in live.items() if row in rows[offset : offset + limit]]
        runs += [await self._looked(record, until) for record in shown]
        runs.sort(key=lambda run: (run.record.created_at, run.record.run_id), reverse=True)
        next_offset = offset + limit if offset + limit < len(rows) else None
        return Listed(await self._with_waits(runs), next_offset, await self._catalog.elsewhere(choice))

    async def newest(self, project: str | None, limit: int) -> list[RunRow]:
        """Return the newest runs of a project, or of all, from the index, which has no status of runs that go on."""
        await self._catalog.sync()
        return await self._catalog.rows(RunChoice(project=project), limit=limit)

    async def _live(self, choice: RunChoice, until: float) -> dict[RunRow, Run]:
        """Return the chosen runs among those that the index does not list as over."""
        rows = [row for row in await self._catalog.live() if choice.backend in (None, row.backend)]
        rows = [row for row in rows if choice.cwd in (None, row.cwd) and choice.project in (None, row.project)]
        found = {record.run_id: record for record in await self._catalog.records(rows)}
        runs = {row: await self._looked(found[row.run_id], until) for row in rows if row.run_id in found}
        return {row: run for row, run in runs.items() if run.state.status == choice.status and not run.state.is_tidy}

    async def _looked(self, record: RunRecord, until: float) -> Run:
        run = await self._watcher.look(record, until=until)
        await self._catalog.note(record, run.state)
        return run

    async def poll(self, reference: Reference, *, after_seq: int, limit: int = 100, wait_s: float = 20.0) -> Polled:
        """Return the events behind a number; waits for some unless the run is over.

        Raises:
            UnknownRunError: there is no such run.
            InvalidRequestError: an argument is out of bounds.
        """
        if after_seq < 0 or not 1 <= limit <= MAX_EVENTS or not 0 <= wait_s <= MAX_WAIT_S:
            raise InvalidRequestError(
                f"after_seq={after_seq}, limit={limit}, wait_ms={wait_s * 1000:g}: after_seq is 0 or more, limit 1 to "
                f"{MAX_EVENTS}, wait_ms 0 to {MAX_WAIT_S * 1000:g}"
            )
        record = await self._find(reference)
        return await self._watcher.poll(record, after_seq=after_seq, limit=limit, wait_s=wait_s)

    async def artifact(self, reference: Reference, *, seq: int, field_path: str, offset: int, limit: int) -> Piece:
        """Return a piece of a field that was too large for its event.

        Raises:
            UnknownRunError: there is no such run.
            InvalidRequestError: the event has no such field, or an argument is out of bounds.
        """
        if seq < 1 or offset < 0 or not 1 <= limit <= MAX_ARTIFACT_BYTES:
            raise InvalidRequestError(
                f"seq={seq}, offset={offset}, limit={limit}: seq is 1 or more, offset 0 or more, limit 1 to "
                f"{MAX_ARTIFACT_BYTES}"
            )
        record = await self._find(reference)
        run = self._catalog.directory(record.run_id)
        event = await self._watcher.event(record, seq)
        references: dict[str, dict[str, Any]] = (event or {}).get("data", {}).get("artifact_refs", {})
        if not references:
            raise InvalidRequestError(f"No artifacts found for seq {seq}")
        if field_path not in references:
            raise InvalidRequestError(
                f"No artifact for field_path {field_path}. Available field paths: {', '.join(references)}"
            )
        found = references[field_path]
        path = os.path.join(run.path, str(found["relpath"]))
        try:
            data, begin = await lanes.scan(journal.read_artifact, path, offset, limit)
        except OSError as error:
            raise StateDirError(f"artifact {path} cannot be read: {error.strerror}") from error
        return Piece(record.run_id, found, begin, len(data), data.decode("utf-8", "replace"))

    async def _seen(self, record: RunRecord) -> Run:
        return await self._watcher.look(record, until=time.monotonic() + watching.LOOK_S)

    @staticmethod
    def _settled(run: Run) -> Run:
        if run.is_behind:
            raise RunStateError(f"run {run.record.run_id} has ended; get_run says how when all of it is read")
        return run

    async def _find(self, reference: Reference) -> RunRecord:
        return await self._catalog.find(reference)

    # -- stop ------------------------------------------------------------------------------------------------------

    async def cancel(self, reference: Reference, *, by: str) -> Cancelled:
        """Cancel a run; returns once nothing of it is left, or with a note of what is.

        Raises:
            UnknownRunError: there is no such run.
            RunStateError: it is over already, or cannot be reached from here.
        """
        record = await self._find(reference)
        run, adapter = self._catalog.directory(record.run_id), adapter_named(record.backend)
        state = self._settled(await self._seen(record)).state
        if state.is_over:
            raise RunStateError(f"run is already terminal: {state.status}")
        # The wish is recorded first: a reader that finds the job ended then knows why, even if this process dies.
        intent = await lanes.write(records.store_first, run.cancel, CancelIntent(at=time.time(), by=by))
        message = adapter.cancel_message(adapter.parser(state.parser)) if record.keeps_stdin else None
        try:
            stopped = await stop(self._manager, record, message, by=by)
        except (RunnerSilentError, UnknownJobError) as error:
            raise RunStateError(f"run is not active in this process: {state.status}") from error
        state = (await self._watcher.visit(record)).state
        # A caller that cancels a run need not wait until all output of its agent is read.
        if not state.is_over and not stopped.leftover:
            state = replace(state, status=RunStatus.CANCELLED)
        return Cancelled(Run(record, state), intent.at, stopped)

    # -- go on -----------------------------------------------------------------------------------------------------

    async def go_on(self, reference: Reference, message: Mapping[str, Any], *, client: str = "") -> Continued:
        """Answer a run's question, or continue its session in a new run.

        Raises:
            UnknownRunError: there is no such run.
            RunStateError: the run neither waits nor ended in a way that can be continued.
            InvalidRequestError: the message cannot be used, or the agent cannot continue.
        """
        said = messages.read(message)
        record = await self._find(reference)
        run = self._settled(await self._seen(record))
        status = run.state.status
        if status in WAITING:
            directory = self._catalog.directory(record.run_id)
            answered = await answer(self._manager, directory, record, adapter_named(record.backend), said)
            self._watcher.attend(answered)
            return Continued(answered, "live")
        if status is RunStatus.QUEUED:
            raise RunStateError(f"run has not started yet: {status}")
        # A late answer, after another caller's, must not become a new task.
        if not run.state.is_over or said.data.keys() & _ANSWERS:
            raise RunStateError(f"run is not awaiting additional input: {status}")
        if status not in RESUMABLE:
            raise RunStateError(f"run is already terminal: {status}")
        return Continued(await self.spawn(_resuming(record, message), client=client), "resume")

    # -- tidy up ---------------------------------------------------------------------------------------------------

    async def recover(self) -> None:
        """Bring all runs up to date: their jobs may have ended while nobody looked."""
        await self._catalog.sync()
        for record in await self._catalog.records(await self._catalog.live()):
            with contextlib.suppress(BackgroundJobError):  # the error is shown wherever the run is asked for
                self._watcher.attend(await self._looked(record, math.inf))

    async def prune(self, *, older_than_s: float | None = None) -> list[str]:
        """Remove runs that ended long enough ago; returns their ids."""
        before = time.time() - (self._keep_s if older_than_s is None else older_than_s)
        removed: list[str] = []
        sessions: set[str] = set()
        for record in await lanes.scan(self._catalog.all):
            run = self._catalog.directory(record.run_id)
            state = await lanes.look(journal.checkpoint, run)
            if state.is_tidy and state.updated_at < before:
                await lanes.write(shutil.rmtree, run.path, ignore_errors=True)
                removed.append(record.run_id)
            else:
                sessions.add(record.session_id)
        await self.post.clear_away(sessions, before)
        return removed


def has_full_access(record: RunRecord) -> bool:
    """Tell whether a run, and any run that continues it, has full access; older releases did not record that."""
    return record.full_access or adapter_named(record.backend).full_access(record.config)


def is_resumable(record: RunRecord, state: Checkpoint) -> bool:
    """Tell whether a new run can continue a run that is over."""
    if state.status not in RESUMABLE or not (state.backend_session or record.resume):
        return False
    return "resume" in adapter_named(record.backend).capabilities


def _resuming(record: RunRecord, message: Mapping[str, Any]) -> SpawnRequest:
    """Return the request for a run that continues another one."""
    return SpawnRequest(
        backend=record.backend,
        cwd=record.cwd,
        input_message=message,
        role=record.role,  # pyright: ignore[reportArgumentType]  checked when it was first asked for
        session_mode="resume",
        session_id=record.session_id,
        nickname=record.agent_name,
        output_schema=record.output_schema,
        metadata=record.metadata,
        # Release 1.0.0 ignored unknown keys; a run with such keys can be continued all the same.
        config={key: record.config[key] for key in adapter_named(record.backend).config_keys if key in record.config},
        timeout_s=record.timeout_s,
        idle_timeout_s=record.idle_timeout_s,
        leftovers=record.leftovers,  # pyright: ignore[reportArgumentType]  the same
        resumed_from_run_id=record.run_id,
        project=record.project,
        reader=record.reader,
    )
