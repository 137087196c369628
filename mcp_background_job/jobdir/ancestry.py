"""The family of jobs: which was asked for within which, and which end because an ancestor does.

A job ends with any ancestor that is killed, cancelled or lost, or that exceeds a limit. It also ends with an ancestor
that has ``leftovers: kill``, when the command of that one has ended. Otherwise it outlives them.

No descendant is missed, even a late one. A process that ends a job first writes that into the job's directory, and then
lists the descendants. A descendant first marks itself as open, and then looks at its ancestors. So either it is listed,
or it sees the stop. It looks when it is launched, when the queue is served, and in its runner before that begins.
"""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Iterable
from dataclasses import replace

from mcp_background_job.core.states import Outcome
from mcp_background_job.errors import CorruptRecordError
from mcp_background_job.jobdir import marks, records
from mcp_background_job.jobdir.boot import boot_id
from mcp_background_job.jobdir.layout import RUN_ID_VARIABLE, JobDir, StateDir, is_job_id
from mcp_background_job.jobdir.observe import Observation, observe
from mcp_background_job.jobdir.records import SYSTEM, Exit, Spec, StopRequest
from mcp_background_job.jobdir.requests import MAX_GRACE_S

#: Seconds between the polite signal and SIGKILL, if no other grace period was given.
GRACE_S = 5.0

#: Outcomes of jobs that did not end by themselves.
_ENDED_FROM_OUTSIDE = (Outcome.KILLED, Outcome.TIMED_OUT, Outcome.LOST)


def ancestors_of(job: JobDir) -> tuple[str, ...]:
    """Return the ids of the jobs that a job was asked for within, the nearest first, from its spec."""
    try:
        with open(job.spec, "rb") as file:
            data = file.read()
        # Most jobs have none, and the whole environment need not be parsed to find that.
        spec = records.decode(Spec, data, job.spec) if b'"parent": "' in data else None
    except (OSError, CorruptRecordError):
        return ()
    return tuple(filter(is_job_id, spec.ancestors)) if spec else ()


def open_descendants(state: StateDir, job_id: str) -> list[str]:
    """Return the ids of unended jobs that were asked for within a job, at any depth."""
    facts = (marks.facts_of(state, other) for other in marks.open_jobs(state) if other != job_id)
    return [one.job_id for one in facts if one and job_id in one.ancestors]


def label_of(job: JobDir) -> str:
    """Return the name of a job in a sentence: the one that its user knows."""
    spec = _spec(job)
    run_id = spec.env.get(RUN_ID_VARIABLE) if spec else None
    return f"run {run_id}" if run_id else f"job {job.job_id}"


def ends_descendants(seen: Observation, leftovers: str) -> bool:
    """Tell whether descendants of a job are to end now: it is or was ended early, or leaves no processes.

    Args:
        seen: the observation of the job.
        leftovers: what happens to processes that outlive its command.
    """
    if _wish(seen) is not None or seen.outcome in _ENDED_FROM_OUTSIDE:
        return True
    is_over = seen.exit is not None or (seen.status is not None and seen.status.leader_exit is not None)
    return is_over and leftovers == "kill"


def stop_of(job: JobDir) -> StopRequest | None:
    """Return how and why descendants of a job are to end now; ``None`` if they are not.

    They have the rest of the job's own grace period. Processes of this user wrote the records that are read here. The
    records only say how politely, and why, a job ends that ends anyhow.
    """
    seen = observe(job, boot_id())
    wish = _wish(seen)
    # Most jobs are not over, and the whole environment need not be read to find that.
    is_over = seen.exit is not None or (seen.status is not None and seen.status.leader_exit is not None)
    spec = _spec(job) if is_over else None
    if not ends_descendants(seen, spec.leftovers if spec else "keep"):
        return None
    why = f"ended with {label_of(job)}"
    if wish is None or wish.signal not in signal.Signals.__members__:
        return StopRequest(at=time.time(), by=SYSTEM, why=why, signal="SIGTERM", grace_s=GRACE_S)
    grace_s = min(max(0.0, wish.grace_s), MAX_GRACE_S)
    left = min(grace_s, max(0.0, wish.at + grace_s - time.time()))  # the clock may have been set since
    return StopRequest(at=time.time(), by=wish.by, why=why, signal=wish.signal if left else "SIGKILL", grace_s=left)


def stop_of_ancestors(state: StateDir, ancestors: Iterable[str]) -> StopRequest | None:
    """Return the same for a job with these ancestors, the nearest first: the farthest stopped one gives the reason."""
    stops = (stop_of(state.job(ancestor)) for ancestor in reversed(tuple(ancestors)))
    return next(filter(None, stops), None)


def own_stop(spec: Spec, by: str, why: str, within_s: float = math.inf) -> StopRequest:
    """Return the stop of a job if nobody said how: with its preferred signal, within at most ``within_s`` seconds."""
    grace_s = min(within_s, GRACE_S if spec.stop_grace_s is None else spec.stop_grace_s)
    return StopRequest(at=time.time(), by=by, why=why, signal=_signal_of(spec) or "SIGTERM", grace_s=grace_s)


def as_ends_best(stop: StopRequest, spec: Spec) -> StopRequest:
    """Return an ancestor's stop with the signal that the job prefers; it does not last longer for that."""
    if stop.signal == "SIGKILL":
        return stop
    grace_s = stop.grace_s if spec.stop_grace_s is None else min(stop.grace_s, spec.stop_grace_s)
    return replace(stop, signal=_signal_of(spec) or stop.signal, grace_s=grace_s)


def withdrawn(request: StopRequest) -> Exit:
    """Return the exit record of a job that was withdrawn from the queue."""
    return Exit(
        outcome=Outcome.KILLED.value,
        ended_at=time.time(),
        reason=f"withdrawn from the queue: {request.why} (asked by {request.by})",
        stop_requested=request,
    )


def _signal_of(spec: Spec) -> str | None:
    """Return the signal that a job prefers; ``None`` if it names none, or one that this system does not have."""
    return spec.stop_signal if spec.stop_signal in signal.Signals.__members__ else None


def _wish(seen: Observation) -> StopRequest | None:
    if seen.exit and seen.exit.stop_requested:
        return seen.exit.stop_requested
    return seen.status.stop_requested if seen.status else None


def _spec(job: JobDir) -> Spec | None:
    try:
        return records.read(Spec, job.spec)
    except CorruptRecordError:
        return None
