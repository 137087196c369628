"""What has ended, or asks, in a state directory: for ``endings``. Nobody's news are touched."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mcp_background_job.comfyui.reports.batch_news import subject_of
from mcp_background_job.core.comfyui.batch import Batch
from mcp_background_job.core.job import Job, how_it_ended
from mcp_background_job.core.news import Item, Kind
from mcp_background_job.executors import lanes
from mcp_background_job.jobs.endings import Endings, asked_for, run_of
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.news import Others
from mcp_background_job.registry.batches import SqliteBatches
from mcp_background_job.registry.journal import SqliteJournal


class Watcher:
    """Finds what is new of the jobs, runs and batches of one project, or of all."""

    def __init__(self, manager: JobManager, others: Others, project: str | None, *, since: float) -> None:
        """Takes where jobs are, and what looks at runs and batches.

        Args:
            manager: of the state directory.
            others: what looks at runs and batches.
            project: whose; ``None`` for all.
            since: of batches, what has ended later is new (seconds since the epoch).
        """
        self._manager = manager
        self._others = others
        self._project = project
        self._endings: Endings | None = None
        self._due_runs: set[str] = set()
        self._told: dict[str, tuple[Kind, str]] = {}
        self._batches = _EndedBatches(manager.state.comfyui_journal, since)

    async def new(self) -> list[Item]:
        """Return what is new since the last look; the first one only looks what there is."""
        if self._endings is None:
            self._endings = await lanes.scan(Endings, self._manager.places)
        ended = [job for job in await lanes.scan(self._endings.look) if not job.is_own]
        runs = {job.job_id: await lanes.look(run_of, self._manager.places, job.job_id) for job in ended}
        items = [item_of(job) for job in ended if not runs[job.job_id] and self._is_meant(job.project)]
        self._due_runs |= {run for job in ended if (run := runs[job.job_id]) and self._is_meant(job.project)}
        return [*items, *await self._of_runs(self._endings), *await self._of_batches()]

    async def close(self) -> None:
        """Let go of the journal."""
        await lanes.journal(self._batches.close)

    def _is_meant(self, project: str) -> bool:
        return self._project is None or project == self._project

    async def _of_runs(self, endings: Endings) -> list[Item]:
        """Return the ends of runs, and what they ask, each once."""
        live = await lanes.look(endings.open_runs)
        places = self._manager.places
        meant = {run for run, job in live.items() if self._is_meant((await lanes.look(asked_for, places, job)).project)}
        if not (subjects := meant | self._due_runs):
            return []
        found = await self._others.look(subjects)
        self._told = {subject: told for subject, told in self._told.items() if subject in subjects}
        new = [replace(item, text=f"run {item.text}") for item in found.items.values() if item and self._is_new(item)]
        self._due_runs -= {item.subject for item in found.items.values() if item and item.kind is Kind.ENDED}
        self._due_runs -= set(found.gone)
        return new

    def _is_new(self, item: Item) -> bool:
        before, self._told[item.subject] = self._told.get(item.subject), (item.kind, item.key)
        return before != (item.kind, item.key)

    async def _of_batches(self) -> list[Item]:
        batches = [batch for batch in await lanes.journal(self._batches.look) if self._is_meant(_project_of(batch))]
        if not batches:
            return []
        found = await self._others.look([subject_of(batch.batch_id) for batch in batches])
        return [item for item in found.items.values() if item]


def item_of(job: Job) -> Item:
    """Return the end of a job."""
    return Item(subject=job.job_id, kind=Kind.ENDED, at=job.ended_at, text=f"job {how_it_ended(job)}")


def _project_of(batch: Batch) -> str:
    """Return the project that a batch was asked for in, as the name of whoever asked has it."""
    return batch.client.partition("@")[2]


class _EndedBatches:
    """Batches that have ended, found in the journal when that has changed; it is not made for this."""

    def __init__(self, path: str, since: float) -> None:
        self._path = path
        self._since = since
        self._stamp = 0
        self._journal: SqliteJournal | None = None

    def look(self) -> list[Batch]:
        stamp = max(map(_modified, (self._path, f"{self._path}-wal")))
        if stamp == self._stamp:
            return []
        self._stamp = stamp
        # Kept open: the last one to close a journal writes to it, which would be a change to look at.
        self._journal = self._journal or SqliteJournal(self._path)
        ended = SqliteBatches(self._journal.database).ended_since(self._since)
        self._since = max((batch.ended_at or 0.0 for batch in ended), default=self._since)
        return ended

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()


def _modified(path: str) -> int:
    try:
        return Path(path).stat().st_mtime_ns
    except FileNotFoundError:
        return 0
