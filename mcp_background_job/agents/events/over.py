"""Whether a run is over, by the state of its job."""

from __future__ import annotations

import time
from dataclasses import dataclass

from mcp_background_job.agents.events.ending import Facts
from mcp_background_job.agents.records import RunRecord
from mcp_background_job.core.states import Outcome, State, outcome_of
from mcp_background_job.executors.places import Places
from mcp_background_job.jobdir.observe import Observation
from mcp_background_job.jobdir.records import Exit, LeaderExit


@dataclass(frozen=True)
class Over:
    """The end of a run, and the facts about it that its last event reports.

    Attributes:
        facts: the facts that decide how it ended.
        at: when it ended (seconds since the epoch).
        lost_bytes: output that was not stored.
        leftover_pids: processes that outlive the run.
        ended_with: ids of the jobs that were started within the run and ended because it was ended.
    """

    facts: Facts
    at: float
    lost_bytes: int = 0
    leftover_pids: tuple[int, ...] = ()
    ended_with: tuple[str, ...] = ()


def over_of(places: Places, record: RunRecord, seen: Observation | None) -> Over | None:
    """Return the facts about the end of a run's job, ``None`` if the job still runs."""
    if seen is None:
        return Over(Facts(outcome=Outcome.LOST, reason="the directory of its job is gone"), time.time())
    if seen.state is State.EXITED:
        return None if seen.exit is None or seen.sweep else _with_its_job(seen.exit)
    if seen.status is None and not places.store_of(record.job_id).is_recorded(record.job_id):
        # The process that starts a run holds its lock until the job is recorded.
        reason = "the process that started it died before its job was recorded"
        return Over(Facts(outcome=Outcome.FAILED, reason=reason, was_started=False), time.time())
    status = seen.status
    if record.leftovers == "report" and status and status.leader_exit and status.stop_requested is None:
        return _with_its_command(status.leader_exit, seen.runner_pid)
    return None


def _with_its_job(end: Exit) -> Over:
    facts = Facts(
        outcome=Outcome(end.outcome),
        reason=end.reason,
        exit_code=end.exit_code,
        signal=end.signal,
        was_started=end.started_at is not None,
    )
    return Over(facts, end.ended_at, end.lost_bytes, ended_with=tuple(end.ended_with))


def _with_its_command(end: LeaderExit, runner_pid: int | None) -> Over:
    reason = f"exit code {end.exit_code}" if end.signal is None else f"ended by {end.signal}"
    facts = Facts(outcome=outcome_of(end.exit_code, None), reason=reason, exit_code=end.exit_code, signal=end.signal)
    return Over(facts, end.at, leftover_pids=_descendants(runner_pid))


def _descendants(runner_pid: int | None) -> tuple[int, ...]:
    if runner_pid is None:
        return ()
    from mcp_background_job.processes.wrapper import ProcessWrapper  # noqa: PLC0415  psutil: 70 ms that not every server needs

    try:
        return tuple(ProcessWrapper(runner_pid).usage_of_descendants().commands)
    except ProcessLookupError:
        return ()
