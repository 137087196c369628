"""Jobs on the cluster that were asked for within others, of this machine perhaps: with those they end.

Runners end the descendants that lie in their own state directory. Of those on the cluster they know nothing, so whoever
tends the place looks.
"""

from __future__ import annotations

from mcp_background_job.executors.family import Family
from mcp_background_job.executors.nodes.store import NodeStore
from mcp_background_job.jobdir import marks
from mcp_background_job.jobdir.records import StopRequest


class Kin:
    """The families of jobs on the cluster."""

    def __init__(self, store: NodeStore, family: Family) -> None:
        """Takes the jobs, and where their ancestors may be."""
        self._store = store
        self._family = family
        self._ancestors: dict[str, tuple[str, ...]] = {}

    def bereaved(self) -> dict[str, StopRequest]:
        """Return the open jobs that are to end with an ancestor, and how. It reads files."""
        living = self._store.open_jobs()
        # Most have no ancestors, and who has which never changes.
        self._ancestors = {job_id: self._ancestors_of(job_id) for job_id in living}
        stops = {job_id: self._family.stop_of(ancestors) for job_id, ancestors in self._ancestors.items() if ancestors}
        return {job_id: stop for job_id, stop in stops.items() if stop}

    def _ancestors_of(self, job_id: str) -> tuple[str, ...]:
        if job_id in self._ancestors:
            return self._ancestors[job_id]
        facts = marks.facts_of(self._store.state, job_id)
        return facts.ancestors if facts else ()
