"""The catalog of runs: the listing of their directory is authoritative, and the index of jobs makes it fast."""

from __future__ import annotations

import contextlib
import os
import secrets
from dataclasses import dataclass
from typing import get_args

from mcp_background_job.agents import records
from mcp_background_job.agents.events import journal
from mcp_background_job.agents.records import Checkpoint, RunRecord
from mcp_background_job.core import naming
from mcp_background_job.core.naming import NO_PROJECT, Asker
from mcp_background_job.core.run import Backend, RunChoice, RunRow, RunStatus
from mcp_background_job.core.text import real_path
from mcp_background_job.errors import CorruptRecordError, InvalidRequestError, StateDirError, UnknownRunError
from mcp_background_job.executors import lanes
from mcp_background_job.jobdir.layout import RunDir, StateDir, is_run_id
from mcp_background_job.jobs.indexing.index import Index
from mcp_background_job.jobs.indexing.passes import settled
from mcp_background_job.registry.base import Registry

#: The same as for ids of jobs: letters and digits that are not easily confused.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_ID_LENGTH = 6

#: Attempts to find a free id. Even with as many runs as fit on a disk, one id in thousands is taken.
_ID_ATTEMPTS = 20

#: The name in the index under which the last comparison with runs/ is noted.
_RUNS = "runs"

#: Runs that are read and indexed in one go. It takes milliseconds; other callers are served in between.
_READ = 50


#: The asker of a run by its id.
NOBODY = Asker(NO_PROJECT)


@dataclass(frozen=True)
class Reference:
    """A caller's reference to a run: its id, or the name of its agent and the workspace; and who the caller is.

    ``agent_name`` may hold an id too. Few names look like ids, and "reviewer" is one that does.

    Without ``cwd`` the name belongs to the asker's project, like names of jobs.
    """

    run_id: str | None = None
    agent_name: str | None = None
    cwd: str | None = None
    asker: Asker = NOBODY


class Catalog:
    """The runs of a state directory. Methods without ``async`` read files."""

    def __init__(self, state: StateDir, index: Index) -> None:
        """Takes the state directory and its index; the directory of runs is made with the first run."""
        self._state = state
        self._index = index

    def claim(self) -> RunDir:
        """Take a free run id by making its directory.

        Raises:
            StateDirError: it cannot be made.
        """
        for _ in range(_ID_ATTEMPTS):
            run = self.directory("r" + new_id())
            try:
                os.makedirs(self._state.runs, mode=0o700, exist_ok=True)
                os.mkdir(run.path, 0o700)
            except FileExistsError:
                continue
            except OSError as error:
                raise StateDirError(f"cannot make a directory in {self._state.runs}: {error.strerror}") from error
            return run
        raise StateDirError(f"no free run id found in {self._state.runs}: prune old runs")

    def directory(self, run_id: str) -> RunDir:
        """Return the paths of a run."""
        return self._state.run(run_id)

    def all(self) -> list[RunRecord]:
        """Read all runs; a run whose record is unreadable is left out."""
        found: list[RunRecord] = []
        for run_id in self._listed():
            with contextlib.suppress(CorruptRecordError):
                if record := self.get(run_id):
                    found.append(record)
        return found

    def _listed(self) -> list[str]:
        with contextlib.suppress(FileNotFoundError):
            return os.listdir(self._state.runs)
        return []

    # -- the index ---------------------------------------------------------------------------------------------------

    async def sync(self) -> None:
        """Bring the index up to date with the runs that were added and removed."""
        stamp, missing = await self._index.call(self._compare)
        rows: list[RunRow] = []
        for begin in range(0, len(missing), _READ):
            read = await lanes.scan(self._rows, missing[begin : begin + _READ])
            await self._index.call(lambda registry, read=read: registry.put_runs(read))
            rows += read
        if len(rows) == len(missing) and stamp != -1:  # else a run is just being recorded
            await self._index.call(lambda registry: registry.note_pass(_RUNS, stamp))

    def _compare(self, registry: Registry) -> tuple[int, list[str]]:
        """Return the directory's time stamp (-1 if it must not be noted), and the runs that are not indexed."""
        try:
            stamp = os.stat(self._state.runs).st_mtime_ns
        except FileNotFoundError:
            stamp = 0  # there are no runs
        if stamp == registry.passed(_RUNS):
            return -1, []
        stamp = settled(stamp)
        there = {run_id for run_id in self._listed() if is_run_id(run_id)}
        known = registry.run_ids()
        registry.forget_runs(known - there)
        return stamp, sorted(there - known)

    def _rows(self, run_ids: list[str]) -> list[RunRow]:
        rows: list[RunRow] = []
        for run_id in run_ids:
            with contextlib.suppress(CorruptRecordError):  # a run that cannot be shown is not listed
                if record := self.get(run_id):
                    rows.append(row_of(record, journal.checkpoint(self.directory(run_id))))
        return rows

    async def rows(self, choice: RunChoice, *, limit: int = -1, offset: int = 0) -> list[RunRow]:
        """Return runs as they are indexed, newest first."""
        return await self._index.call(lambda registry: registry.runs(choice, limit=limit, offset=offset))

    async def elsewhere(self, choice: RunChoice) -> int:
        """Return how many runs of other projects match too; a status counts only runs that are over."""
        counted = await self._index.call(lambda registry: registry.count_runs(choice))
        return counted.everywhere - counted.meant

    async def live(self) -> list[RunRow]:
        """Return the runs that are not known to be over, newest first."""
        return await self._index.call(lambda registry: registry.live_runs())

    async def note(self, record: RunRecord, state: Checkpoint) -> None:
        """Note in the index how a run ended, once nothing of it will change."""
        if state.is_tidy:
            await self._index.call(lambda registry: registry.put_runs([row_of(record, state)]))

    async def records(self, rows: list[RunRow]) -> list[RunRecord]:
        """Read these runs; runs that were removed meanwhile are left out."""
        return await lanes.look(lambda: [record for row in rows if (record := self._readable(row.run_id))])

    def _readable(self, run_id: str) -> RunRecord | None:
        with contextlib.suppress(CorruptRecordError):
            return self.get(run_id)
        return None

    # -- one run -----------------------------------------------------------------------------------------------------

    def get(self, run_id: str) -> RunRecord | None:
        """Return a run's record, ``None`` if there is no such run.

        Raises:
            CorruptRecordError: it cannot be read.
        """
        return records.read(RunRecord, self.directory(run_id).record) if is_run_id(run_id) else None

    async def find(self, reference: Reference) -> RunRecord:
        """Return the run that a reference means: by id, or the newest one of an agent's name (which may be an id).

        Raises:
            UnknownRunError: there is none.
            InvalidRequestError: neither is given, or the name means agents in several workspaces.
            AmbiguousNameError: several projects have the name, and none of them is the asker's.
            ForeignNameError: another project has the name, and the asker wants to change the run.
        """
        if reference.run_id:
            record = await lanes.look(self.get, reference.run_id)
            if record is None:
                raise UnknownRunError(f"Unknown run_id: {reference.run_id}")
            return record
        if not reference.agent_name:
            raise InvalidRequestError("Provide run_id or agent_name")
        if is_run_id(reference.agent_name) and (record := await lanes.look(self.get, reference.agent_name)):
            return record
        return await self._newest_named(reference.agent_name, reference.cwd, reference.asker)

    async def _newest_named(self, name: str, cwd: str | None, asker: Asker) -> RunRecord:
        await self.sync()
        named = await self.rows(RunChoice(agent_name=name, cwd=await workspace(cwd)))
        if cwd is None:
            named = _of_one_project(naming.Reference(None, name), named, asker) or await self._qualified(name, asker)
        if len({row.cwd for row in named}) > 1:
            raise InvalidRequestError(f"agent_name is ambiguous across multiple cwd values: {name}")
        found = await self.records(named[:1])
        if not found:
            where = "" if cwd is None else f" in cwd {cwd}"
            nor = "; nor is there a run of this id" if is_run_id(name) else ""
            raise UnknownRunError(f"Unknown agent_name{where}: {name}{nor}")
        return found[0]

    async def _qualified(self, word: str, asker: Asker) -> list[RunRow]:
        """Return the runs that ``PROJECT/NAME`` means."""
        reference = naming.reference_of(word)
        if reference.project is None:
            return []
        return _of_one_project(reference, await self.rows(RunChoice(agent_name=reference.name)), asker)

    async def of_session(self, session_id: str) -> list[RunRecord]:
        """Return the runs of a session, newest first."""
        await self.sync()
        return await self.records(await self.rows(RunChoice(session_id=session_id)))


def _of_one_project(reference: naming.Reference, rows: list[RunRow], asker: Asker) -> list[RunRow]:
    newest = {row.project: row.run_id for row in reversed(rows)}
    meant = naming.chosen(reference, [naming.Named(run_id, project) for project, run_id in newest.items()], asker)
    return [row for row in rows if meant and row.project == meant.project]


async def workspace(cwd: str | None) -> str | None:
    """Return a workspace as the index has it: its real path, without symbolic links."""
    return None if cwd is None else await lanes.look(real_path, cwd)


def refuse_unmeant(*, status: str | None, backend: str | None, cwd: str | None) -> None:
    """Check the arguments by which runs are chosen.

    Raises:
        InvalidRequestError: no run can match.
    """
    if status is not None and status not in list(RunStatus):
        raise InvalidRequestError(f"status {status!r} is unknown: give one of {', '.join(RunStatus)}")
    if backend is not None and backend not in get_args(Backend):
        raise InvalidRequestError(f"backend {backend!r} is unknown: give one of {', '.join(get_args(Backend))}")
    if cwd is not None and not os.path.isabs(cwd):
        raise InvalidRequestError(f"cwd must be an absolute path: {cwd}")


def row_of(record: RunRecord, state: Checkpoint) -> RunRow:
    """Return the index's row for a run."""
    return RunRow(
        run_id=record.run_id,
        backend=record.backend,
        agent_name=record.agent_name,
        session_id=record.session_id,
        cwd=os.path.realpath(record.cwd),
        created_at=record.created_at,
        status=state.status.value if state.is_tidy else None,
        project=record.project,
    )


def new_id() -> str:
    """Return random letters and digits, which make an id with one letter before them."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))
