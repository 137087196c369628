"""Jobs on the cluster that were asked for within others, of this machine perhaps: with those they end.

Runners end the descendants that lie in their own state directory. Of those on the cluster they know nothing, so whoever
tends the place looks.
"""

from __future__ import annotations

from mcp_background_job.executors.nodes.store import NodeStore
from mcp_background_job.jobdir import ancestry, marks
from mcp_background_job.jobdir.layout import StateDir
from mcp_background_job.jobdir.records import Spec, StopRequest


class Kin:
    """The families of jobs on the cluster."""

    def __init__(self, store: NodeStore, home: StateDir) -> None:
        """Takes both directories in which ancestors may be."""
        self._store = store
        self._states = (home, store.state)
        self._ancestors: dict[str, tuple[str, ...]] = {}

    def bereaved(self) -> dict[str, StopRequest]:
        """Return the open jobs that are to end with an ancestor, and how. It reads files."""
        living = self._store.open_jobs()
        # Most have no ancestors, and who has which never changes.
        self._ancestors = {job_id: self._ancestors_of(job_id) for job_id in living}
        stops = {job_id: self._stop_of(ancestors) for job_id, ancestors in self._ancestors.items() if ancestors}
        return {job_id: stop for job_id, stop in stops.items() if stop}

    def stop_of(self, spec: Spec) -> StopRequest | None:
        """Return how a job that was just asked for ends at once, ``None`` if it does not."""
        return self._stop_of(tuple(spec.ancestors))

    def _ancestors_of(self, job_id: str) -> tuple[str, ...]:
        if job_id in self._ancestors:
            return self._ancestors[job_id]
        facts = marks.facts_of(self._store.state, job_id)
        return facts.ancestors if facts else ()

    def _stop_of(self, ancestors: tuple[str, ...]) -> StopRequest | None:
        stops = (ancestry.stop_of_ancestors(state, ancestors) for state in self._states)
        return next(filter(None, stops), None)
