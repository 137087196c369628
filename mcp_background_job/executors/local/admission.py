"""Whether a job that was asked for within another may come about: its ancestors may be ending, or have too many."""

from __future__ import annotations

import os

from mcp_background_job.errors import TooManyDescendantsError
from mcp_background_job.jobdir import ancestry
from mcp_background_job.jobdir.layout import StateDir
from mcp_background_job.jobdir.records import Spec


def check_limits(state: StateDir, spec: Spec) -> None:
    """Check how deep a job is, and how many others its root has; the job is marked open.

    Its mark stands before the count: of two that come at once the later one counts both, so the limit is never passed.
    Both may be refused then.

    Raises:
        TooManyDescendantsError: it is too deep, or one too many.
    """
    living = [ancestor for ancestor in spec.ancestors if os.path.exists(state.open_mark(ancestor))]
    if not living:
        return
    if len(living) > spec.max_depth:
        raise TooManyDescendantsError(
            f"not started: it would be {len(living)} levels below {_label(state, living[-1])}, and {spec.max_depth} is "
            f"the limit (MCP_BG_MAX_DEPTH): {_chain(state, living)} > this one. Do the work here, or leave it to "
            "whoever started you"
        )
    count = len(ancestry.open_descendants(state, living[-1]))
    if count > spec.max_descendants:
        raise TooManyDescendantsError(
            f"not started: {_label(state, living[-1])} has {count - 1} descendants that have not ended, and "
            f"{spec.max_descendants} is the limit (MCP_BG_MAX_DESCENDANTS): {_chain(state, living)} > this one. "
            "Try again when one has ended"
        )


def _chain(state: StateDir, living: list[str]) -> str:
    return " > ".join(_label(state, ancestor) for ancestor in reversed(living))


def _label(state: StateDir, job_id: str) -> str:
    return ancestry.label_of(state.job(job_id))
