"""The store of a cluster's jobs, in a directory of its own that the nodes see too.

It has the layout of a state directory, and is none: older releases, which would run the jobs that wait in one, do not
look here.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from mcp_background_job.errors import StateDirError
from mcp_background_job.executors.nodes import claims
from mcp_background_job.executors.store import DirectoryStore
from mcp_background_job.jobdir import marks, order, records
from mcp_background_job.jobdir.layout import StateDir, is_job_id
from mcp_background_job.jobdir.marks import waiting_of
from mcp_background_job.jobdir.records import Spec


class NodeStore(DirectoryStore):
    """Reads and writes job directories below the root of a cluster."""

    def __init__(self, state: StateDir, variable: str) -> None:
        """Takes the root, and the name of the setting that chooses another."""
        super().__init__(state)
        self.variable = variable
        #: Returns when facts about a job that are not in its directory last changed (nanoseconds since the epoch).
        self.changed_elsewhere_at: Callable[[str], int] = lambda _: 0
        #: One empty file per job that the engine is not known to have.
        self._submitting = os.path.join(state.path, "submitting")
        #: One file per job that was taken for over without its runner's word: the record that was written then.
        self._doubted = os.path.join(state.path, "doubted")
        self._corrected: dict[str, int] = {}

    def prepare(self) -> None:
        """Check the root if it exists; without it everything else works, and the first job makes it."""
        if os.path.isdir(self.state.path):
            self._make()

    def _make(self) -> None:
        super().prepare()
        try:
            for directory in (self._submitting, self._doubted):
                os.makedirs(directory, mode=0o700, exist_ok=True)
        except OSError as error:
            raise StateDirError(f"{self.state.path} cannot be used: {error.strerror}") from error

    def claim(self, job_id: str) -> bool:
        """Take a job id, and make the root if this is the first."""
        self._make()
        return super().claim(job_id)

    def health(self) -> str | None:
        """Return what is wrong with the root, ``None`` if nothing is or there is no root."""
        return super().health() if os.path.isdir(self.state.path) else None

    def jobs_changed_at(self) -> int:
        """Return the time stamp of the directory of jobs, 0 as long as there never was one."""
        return super().jobs_changed_at() if os.path.isdir(self.state.path) else 0

    def changed_at(self, job_id: str) -> int | None:
        """Return the time stamp of a job's directory, or of later news about the job."""
        stamp = super().changed_at(job_id)
        return stamp if stamp is None else max(stamp, self.changed_elsewhere_at(job_id))

    # -- submissions -----------------------------------------------------------------------------------------------

    def record(self, spec: Spec) -> None:
        """Write ``spec.json``, and mark the job as open, as waiting for its turn, and as to be submitted."""
        if self.is_recorded(spec.job_id):
            return
        try:
            records.touch(self._mark(spec.job_id))  # first: a process that finds the spec must find this mark
        except OSError as error:
            self.unrecord(spec.job_id)
            raise StateDirError(f"cannot record a job in {self.state.path}: {error.strerror}") from error
        super().record(spec)
        try:
            order.enter(self.state, waiting_of(spec))
        except OSError as error:
            self.unrecord(spec.job_id)
            raise StateDirError(f"cannot record a job in {self.state.path}: {error.strerror}") from error

    def unrecord(self, job_id: str) -> None:
        """Remove a job that was not submitted from record."""
        self.submitted(job_id)
        super().unrecord(job_id)

    def to_be_submitted(self) -> list[str]:
        """Return the ids of the jobs that the engine is not known to have."""
        try:
            return [name for name in os.listdir(self._submitting) if is_job_id(name)]
        except FileNotFoundError:
            return []

    def to_submit(self, job_id: str) -> None:
        """Mark a job as to be submitted."""
        records.touch(self._mark(job_id))

    def submitted(self, job_id: str) -> None:
        """Remove that mark."""
        _remove(self._mark(job_id))

    def _mark(self, job_id: str) -> str:
        return os.path.join(self._submitting, job_id)

    def remove(self, job_id: str) -> bool:
        """Remove a job's directory, and the doubted record of it."""
        # Its node may have written a last file while the others were removed: when its time is over, say.
        is_gone = super().remove(job_id) or super().remove(job_id)
        if is_gone:
            _remove(os.path.join(self._doubted, job_id))
        return is_gone

    # -- ends that may yet be told otherwise -----------------------------------------------------------------------

    def doubt(self, job_id: str, record: bytes) -> None:
        """Note that a job's end was recorded in its runner's place; the runner may yet report another end."""
        records.write(os.path.join(self._doubted, job_id), record)

    def corrected(self) -> set[str]:
        """Return the jobs whose runners have replaced such a record since; looks only at changed directories."""
        return {job_id for job_id in self._doubts() if self._is_corrected(job_id)}

    def _doubts(self) -> list[str]:
        try:
            return [name for name in os.listdir(self._doubted) if is_job_id(name)]
        except FileNotFoundError:
            return []

    def _is_corrected(self, job_id: str) -> bool:
        stamp = super().changed_at(job_id)
        if stamp is None:
            _remove(os.path.join(self._doubted, job_id))
            return False
        if abs(self._corrected.get(job_id, 0)) != stamp:
            is_corrected = content_of(self.job(job_id).exit) != content_of(os.path.join(self._doubted, job_id))
            self._corrected[job_id] = stamp if is_corrected else -stamp
        return self._corrected[job_id] > 0

    def marks_changed_at(self) -> int:
        """Return the time stamp of the marks, or of the last change of a job whose end is doubted."""
        doubted = (super(NodeStore, self).changed_at(job_id) or 0 for job_id in self._doubts())
        return max(super().marks_changed_at(), *doubted, 0)

    # -- its turn --------------------------------------------------------------------------------------------------

    def waiting(self) -> set[str]:
        """Return the ids of the jobs that no runner has taken, and remove the marks of the others."""
        waiting: set[str] = set()
        for job_id in set(marks.queued_jobs(self.state)).intersection(self.open_jobs()):
            if claims.is_claimed(self.job(job_id)):
                self.has_its_turn(job_id)
            else:
                waiting.add(job_id)
        return waiting

    def has_marks(self) -> bool:
        """Tell whether any job waits for its turn, or may; cheaper than listing them."""
        try:
            with os.scandir(self.state.queue) as entries:
                return next(entries, None) is not None
        except FileNotFoundError:
            return False

    def has_its_turn(self, job_id: str) -> None:
        """Remove the mark that a job waits."""
        spec = self.spec(job_id)
        if spec is not None:
            order.leave(self.state, waiting_of(spec))

    def close(self, job_id: str) -> None:
        """Remove all marks of a job that is over."""
        self.has_its_turn(job_id)
        self.submitted(job_id)
        _remove(self.state.open_mark(job_id))


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def content_of(path: str) -> bytes:
    """Return the content of a file, empty if it does not exist."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""
