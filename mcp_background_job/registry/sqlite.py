"""The index in SQLite, shared by every server and command line on this state directory."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from mcp_background_job.core.job import ANY, NEWEST, OLDEST, Age, Job, JobChoice
from mcp_background_job.core.states import TRANSITIONS, Outcome, State
from mcp_background_job.core.wire import utf8
from mcp_background_job.registry.base import Counts
from mcp_background_job.registry.database import Database, Kind

if TYPE_CHECKING:
    from mcp_background_job.core.run import RunChoice, RunRow

INDEX = Kind(
    folder="jobs",
    noun="index",
    if_newer="jobs are read from their directories instead; update mcp-background-job to use the index",
    # No sync per transaction: rows that a power failure takes come back from the directories.
    pragmas=("synchronous = NORMAL",),
    busy_timeout_s=2.0,  # all transactions of this program take milliseconds
)

_TRANSITIONS = json.dumps([f"{old}>{new}" for old, following in TRANSITIONS.items() for new in following])


class SqliteRegistry:
    """An index in a database file. Use it from one thread."""

    def __init__(self, path: str) -> None:
        """Opens the database; makes it or brings it to this release's form if needed.

        Raises:
            RegistryError: it cannot be used; the message gives the reason and advice.
        """
        self._database = Database(path, INDEX)
        self._unended: tuple[object, list[Job]] | None = None

    def put(self, jobs: Iterable[Job]) -> None:
        with self._database.writing() as write:
            write("put", [_row_of(job) for job in jobs])

    def get(self, job_id: str) -> Job | None:
        return next(iter(self._jobs("get", job_id=job_id)), None)

    def newest_named(self, name: str, project: str) -> Job | None:
        return next(iter(self._jobs("newest_named", name=name, project=project)), None)

    def named(self, name: str) -> list[Job]:
        return self._jobs("named", name=name)

    def page(self, choice: JobChoice, *, limit: int, offset: int) -> list[Job]:
        return self._jobs(_page_query(choice), **_chosen_by(choice), limit=limit, offset=offset)

    def children(self, job_ids: Collection[str], *, limit: int) -> list[Job]:
        return self._jobs("children", job_ids=json.dumps(list(job_ids)), limit=limit)

    def unended(self) -> list[Job]:
        # Every look at all jobs begins with these. Their rows are read again only if something was written.
        version = self._database.version()
        if self._unended is None or self._unended[0] != version:
            self._unended = version, self._jobs("unended")
        return list(self._unended[1])

    def ids(self, *, after: str = "", limit: int) -> list[str]:
        return self._ids("ids", after=after, limit=limit)

    def count(self) -> int:
        return self.counts(ANY).everywhere

    def behind(self, age: Age, number: int) -> Age | None:
        before, before_id = age
        rows = self._database.rows("behind", **_storable({"before": before, "before_id": before_id, "number": number}))
        return next(((row["created_at"], row["job_id"]) for row in rows), None)

    def counts(self, choice: JobChoice) -> Counts:
        (row,) = self._database.rows(_count_query(choice), **_storable(_chosen_by(choice)))
        return Counts(int(row["meant"]), int(row["everywhere"]))

    def projects(self) -> dict[str, int]:
        return {row["project"]: int(row["number"]) for row in self._database.rows("projects")}

    def known_among(self, job_ids: Collection[str]) -> set[str]:
        return set(self._ids("known_among", job_ids=json.dumps(list(job_ids))))

    def ended_before(self, moment: float, *, limit: int, offset: int = 0) -> list[str]:
        return self._ids("ended_before", moment=moment, limit=limit, offset=offset)

    def without_origin(self, *, limit: int, name: str | None = None) -> list[str]:
        return self._ids("without_origin", limit=limit, name=name)

    def fill_origins(self, jobs: Iterable[Job]) -> None:
        with self._database.writing() as write:
            write("fill_origin", [_row_of(job) for job in jobs])

    def passed(self, what: str) -> int | None:
        return next((int(row["stamp"]) for row in self._database.rows("passed", what=what)), None)

    def note_pass(self, what: str, stamp: int) -> None:
        self._database.rows("note_pass", what=what, stamp=stamp)

    def forget(self, job_ids: Collection[str]) -> None:
        self._database.rows("forget", job_ids=json.dumps(list(job_ids)))

    def put_runs(self, runs: Iterable[RunRow]) -> None:
        with self._database.writing() as write:
            write("put_run", [_storable(vars(run)) for run in runs])

    def runs(self, choice: RunChoice, *, limit: int = -1, offset: int = 0) -> list[RunRow]:
        return self._runs("runs", **vars(choice), limit=limit, offset=offset)

    def count_runs(self, choice: RunChoice) -> Counts:
        (row,) = self._database.rows("count_runs", **_storable(vars(choice)))
        return Counts(int(row["meant"]), int(row["everywhere"]))

    def live_runs(self) -> list[RunRow]:
        return self._runs("live_runs")

    def run_ids(self) -> set[str]:
        return {row["run_id"] for row in self._database.rows("run_ids")}

    def forget_runs(self, run_ids: Collection[str]) -> None:
        self._database.rows("forget_runs", run_ids=json.dumps(list(run_ids)))

    def close(self) -> None:
        self._database.close()

    def _runs(self, query: str, **values: Any) -> list[RunRow]:
        return [_run_of(row) for row in self._database.rows(query, **_storable(values))]

    def _ids(self, query: str, **values: object) -> list[str]:
        return [row["job_id"] for row in self._database.rows(query, **values)]

    def _jobs(self, query: str, **values: Any) -> list[Job]:
        return [_job_of(row) for row in self._database.rows(query, **_storable(values))]


def _page_query(choice: JobChoice) -> str:
    if not choice.is_plain:
        return "page_found"
    if choice.name is not None:
        return "page_of_name"
    return "page" if choice.project is None else "page_of_project"


def _count_query(choice: JobChoice) -> str:
    if not choice.is_plain:
        return "count_found"
    return "count" if choice.name is None else "count_of_name"


def _chosen_by(choice: JobChoice) -> dict[str, Any]:
    cwd = choice.cwd
    before, before_id = choice.before or NEWEST
    since, since_id = choice.since or OLDEST
    return {
        "statuses": json.dumps(sorted(choice.statuses)),
        "name": choice.name,
        "project": choice.project,
        "cwd": cwd,
        # The paths below a directory, in the order of text: "0" follows "/".
        "below": cwd and f"{cwd.rstrip('/')}/",
        "beyond": cwd and f"{cwd.rstrip('/')}0",
        "text": choice.text and choice.text.lower(),
        "before": before,
        "before_id": before_id,
        "since": since,
        "since_id": since_id,
    }


def _storable(values: dict[str, Any]) -> dict[str, Any]:
    return {name: utf8(value) if isinstance(value, str) else value for name, value in values.items()}


def _row_of(job: Job) -> dict[str, Any]:
    return {**_storable(vars(job)), "status": job.status, "transitions": _TRANSITIONS}


def _run_of(row: sqlite3.Row) -> RunRow:
    from mcp_background_job.core.run import RunRow  # noqa: PLC0415  commands for jobs ask for none

    return RunRow(
        run_id=row["run_id"],
        backend=row["backend"],
        agent_name=row["agent_name"],
        session_id=row["session_id"],
        cwd=row["cwd"],
        created_at=row["created_at"],
        status=row["status"],
        project=row["project"],
    )


def _job_of(row: sqlite3.Row) -> Job:
    return Job(
        job_id=row["job_id"],
        name=row["name"],
        command=row["command"],
        cwd=row["cwd"],
        client=row["client"],
        created_at=row["created_at"],
        state=State(row["state"]),
        outcome=Outcome(row["outcome"]) if row["outcome"] else None,
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        exit_code=row["exit_code"],
        signal=row["signal"],
        reason=row["reason"],
        project=row["project"] or "",
        reader=row["reader"] or "",
        parent=row["parent"],
        is_own=bool(row["is_own"]),
        timeout_s=row["timeout_s"],
    )
