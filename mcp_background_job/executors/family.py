"""Families of jobs at any place: whether a descendant may start, and whether it ends with an ancestor.

A job on a cluster may have an ancestor on this machine, and the reverse. Each place has its own directory, so all of
them are searched.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from mcp_background_job.errors import TooManyDescendantsError
from mcp_background_job.jobdir import ancestry
from mcp_background_job.jobdir.layout import StateDir
from mcp_background_job.jobdir.records import Spec, StopRequest


class Family:
    """The directories in which relatives of a job may be; all methods read files."""

    def __init__(self, states: Sequence[StateDir]) -> None:
        """Takes the directories of all places."""
        self._states = tuple(states)

    def stop_of(self, ancestors: Sequence[str]) -> StopRequest | None:
        """Return the request that ends a job with one of its ancestors (nearest first), ``None`` if there is none."""
        stops = (ancestry.stop_of_ancestors(state, ancestors) for state in self._states)
        return next(filter(None, stops), None)

    def check_limits(self, spec: Spec) -> None:
        """Check how deep a job is, and how many descendants its root has; the job is already marked open.

        Its mark is set before the count. So if two jobs come at once, the later one counts both, and the limit is never
        exceeded. Both may be refused then.

        Raises:
            TooManyDescendantsError: the job is too deep, or the root has too many descendants.
        """
        living = [ancestor for ancestor in spec.ancestors if self._state_of_living(ancestor)]
        if not living:
            return
        if len(living) > spec.max_depth:
            raise TooManyDescendantsError(
                f"not started: it would be {len(living)} levels below {self._label(living[-1])}, and {spec.max_depth} "
                f"is the limit (MCP_BG_MAX_DEPTH): {self._chain(living)} > this one. Do the work here, or leave it to "
                "the agent or person that started you"
            )
        count = sum(len(ancestry.open_descendants(state, living[-1])) for state in self._states)
        if count > spec.max_descendants:
            raise TooManyDescendantsError(
                f"not started: {self._label(living[-1])} has {count - 1} descendants that have not ended, and "
                f"{spec.max_descendants} is the limit (MCP_BG_MAX_DESCENDANTS): {self._chain(living)} > this one. "
                "Try again when one has ended"
            )

    def _state_of_living(self, job_id: str) -> StateDir | None:
        return next((state for state in self._states if os.path.exists(state.open_mark(job_id))), None)

    def _chain(self, living: Sequence[str]) -> str:
        return " > ".join(map(self._label, reversed(living)))

    def _label(self, job_id: str) -> str:
        state = self._state_of_living(job_id) or self._states[0]  # it may have ended just now
        return ancestry.label_of(state.job(job_id))
