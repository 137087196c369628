"""Whether the command of a job is over while processes that it started live on."""

from __future__ import annotations

from mcp_background_job.errors import CorruptRecordError
from mcp_background_job.executors.places import Places
from mcp_background_job.jobdir.observe import Observation
from mcp_background_job.jobdir.records import Spec


def has_left_running(places: Places, job_id: str, seen: Observation) -> bool:
    """Tell whether the command is over and nothing ends what it left. It may read a file: use a thread."""
    status = seen.status
    if seen.exit is not None or status is None or status.leader_exit is None or status.stop_requested is not None:
        return False
    try:
        return not ends_leftovers(places.store_of(job_id).spec(job_id))
    except CorruptRecordError:
        return True


def ends_leftovers(spec: Spec | None) -> bool:
    """Tell whether processes that outlive the command are ended."""
    return spec is not None and spec.leftovers == "kill"
