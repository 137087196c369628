"""Jobs on the cluster that were started within others, perhaps on this machine; they end with those.

A runner ends the descendants in its own state directory. It does not know those on the cluster, so the process that
tends the place looks for them.
"""

from __future__ import annotations

from mcp_background_job.executors.family import Family
from mcp_background_job.executors.nodes.store import NodeStore
from mcp_background_job.jobdir import marks
from mcp_background_job.jobdir.records import StopRequest


class Kin:
    """The families of jobs on the cluster."""

    def __init__(self, store: NodeStore, family: Family) -> None:
        """Takes the store of the jobs, and the directories where their ancestors may be."""
        self._store = store
        self._family = family
        self._ancestors: dict[str, tuple[str, ...]] = {}

    def bereaved(self) -> dict[str, StopRequest]:
        """Return the open jobs that must end with an ancestor, and the requests for it. It reads files."""
        living = self._store.open_jobs()
        # Most jobs have no ancestors, and a job's ancestors never change.
        self._ancestors = {job_id: self._ancestors_of(job_id) for job_id in living}
        stops = {job_id: self._family.stop_of(ancestors) for job_id, ancestors in self._ancestors.items() if ancestors}
        return {job_id: stop for job_id, stop in stops.items() if stop}

    def _ancestors_of(self, job_id: str) -> tuple[str, ...]:
        if job_id in self._ancestors:
            return self._ancestors[job_id]
        facts = marks.facts_of(self._store.state, job_id)
        return facts.ancestors if facts else ()
