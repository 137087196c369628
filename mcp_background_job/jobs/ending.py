"""Sentences on a job's end beside its status, and on the jobs that it was started after."""

from __future__ import annotations

from mcp_background_job.core.dialogue.needs_input import LAST_BYTES, missed_input
from mcp_background_job.core.job import Job, has_more_to_tell, how_it_ended
from mcp_background_job.core.states import Outcome
from mcp_background_job.errors import CorruptRecordError
from mcp_background_job.executors.places import Places
from mcp_background_job.jobdir.observe import Observation
from mcp_background_job.jobdir.records import Spec
from mcp_background_job.jobs import notes
from mcp_background_job.jobs.attempts import told_of
from mcp_background_job.jobs.indexing.view import job_of, observed, unrecorded


def note_of_end(places: Places, job: Job, spec: Spec | None) -> str | None:
    """Return a sentence on a job that has ended, beside its reason. It reads files; call it in a thread."""
    told = [started_after(places, job, spec), _of_itself(places, job, spec), _of_command_at_end(places, job, spec)]
    return "; ".join(filter(None, told)) or None


def started_after(places: Places, job: Job, spec: Spec | None) -> str | None:
    """Return a sentence on the jobs that a job was started after, if they completed and hide a failure.

    It reads files; call it in a thread.
    """
    if spec is None or not spec.after or job.started_at is None:
        return None
    seen = places.look(spec.after)
    told = [how for other in spec.after if other in seen and (how := _hidden(places, other, seen[other]))]
    return notes.started_after(told) if told else None


def _hidden(places: Places, job_id: str, seen: Observation) -> str | None:
    """Return in words how a job ended, if its status does not say all of it."""
    try:
        spec = places.store_of(job_id).spec(job_id)
    except CorruptRecordError:
        spec = None
    job = observed(job_of(spec) if spec else unrecorded(job_id, ""), seen)
    if job.outcome is not Outcome.COMPLETED:  # by now it is another's
        return None
    return how_it_ended(job) if has_more_to_tell(job) else None


def missed_input_of(places: Places, job: Job, spec: Spec) -> str | None:
    """Return a sentence on a job that ended because its input was closed; ``None`` for any other job.

    It reads files; call it in a thread.
    """
    if spec.stdin != "closed" or job.outcome not in (Outcome.COMPLETED, Outcome.FAILED):
        return None
    store = places.store_of(job.job_id)
    last = store.read_log_tail(job.job_id, LAST_BYTES).data if job.outcome is Outcome.FAILED else b""
    return missed_input(job, spec.stdin, last, has_text=spec.stdin_file is not None)


def _of_command_at_end(places: Places, job: Job, spec: Spec | None) -> str | None:
    trouble = places.store_of(job.job_id).trouble_at_end(job.job_id) if spec and spec.on_end else None
    return f"MCP_BG_ON_END, which is run at a job's end, failed: {trouble}" if trouble else None


def _of_itself(places: Places, job: Job, spec: Spec | None) -> str | None:
    if spec is None:
        return None
    if spec.attempts_file:
        return told_of(spec.attempts_file, ended_at=job.ended_at)
    return missed_input_of(places, job, spec)
