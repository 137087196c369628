"""Finds the ancestors of a job when it is started. It reads files; call it in a thread."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mcp_background_job.core.job import Job
from mcp_background_job.core.states import State
from mcp_background_job.errors import CorruptRecordError
from mcp_background_job.executors.places import Places
from mcp_background_job.jobdir.ancestry import ends_descendants
from mcp_background_job.jobdir.layout import RUN_ID_VARIABLE, is_run_id
from mcp_background_job.jobdir.observe import Observation
from mcp_background_job.jobdir.records import Spec


def lineage(places: Places, parent: str) -> list[str]:
    """Return the ancestors of a job that is asked for within another: that one, then its own.

    Those that have ended by themselves end nobody any more, and are left out: a job that starts the next one and ends
    has no end of ancestors.
    """
    spec = spec_of(places, parent)
    farther = spec.ancestors if spec else []
    seen = places.look(farther)
    return [parent, *(one for one in farther if not _has_ended_by_itself(places, one, seen.get(one)))]


def is_any_stopped(places: Places, ancestors: Sequence[str]) -> bool:
    """Tell whether descendants of any of these jobs end at once."""
    return any(_is_stopped(places, job_id, one) for job_id, one in places.look(ancestors).items())


def run_of(places: Places, job_ids: Sequence[str]) -> str | None:
    """Return the id of the run that the first of these jobs is which is one."""
    specs = (spec_of(places, job_id) for job_id in job_ids)
    return next((run_id for spec in specs if spec and (run_id := spec.env.get(RUN_ID_VARIABLE))), None)


def runs_among(places: Places, jobs: Iterable[Job]) -> dict[str, str]:
    """Return, by job id, which runs these jobs are.

    A run's job has the id of the run as its name. But ``render`` has the form of such an id as well, and is somebody's
    job; so what the job was given decides.
    """
    might_be = (job.job_id for job in jobs if is_run_id(job.name or ""))
    return {job_id: run_id for job_id in might_be if (run_id := run_of(places, [job_id]))}


def labels(places: Places, job_ids: Sequence[str]) -> list[str]:
    """Return how sentences call jobs: as what their users know them."""
    return [f"run {run_id}" if (run_id := run_of(places, [one])) else f"job {one}" for one in job_ids]


def spec_of(places: Places, job_id: str) -> Spec | None:
    """Return what a job was asked, ``None`` if there is no such job or nobody can tell."""
    try:
        return places.store_of(job_id).spec(job_id)
    except CorruptRecordError:
        return None


def _has_ended_by_itself(places: Places, job_id: str, seen: Observation | None) -> bool:
    return seen is not None and seen.state is State.EXITED and not _is_stopped(places, job_id, seen)


def _is_stopped(places: Places, job_id: str, seen: Observation) -> bool:
    spec = spec_of(places, job_id)
    return ends_descendants(seen, spec.leftovers if spec else "keep")
