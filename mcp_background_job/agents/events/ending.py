"""Decides how a run ended: once, by one table, from everything that is known when its job is over.

The first rule that applies decides:

1. the wish to cancel: what an agent says while it is being stopped is no result;
2. one of our time limits;
3. what the agent itself said about the end of its turn;
4. how its process ended. A clean exit proves nothing: without a result the run has failed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mcp_background_job.agents.adapters.base import ParsedEnd
from mcp_background_job.agents.records import CancelIntent
from mcp_background_job.core.run import EventType, RunStatus
from mcp_background_job.core.states import Outcome


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The facts about a run when its job is over.

    Attributes:
        outcome: the outcome of the job.
        reason: the job's end in words, as in its record.
        exit_code: the agent's exit code.
        signal: the signal that ended the agent.
        was_started: whether the agent ever ran.
        cancel: the wish to cancel the run.
        parsed: what the agent said about its end.
        exit_is_result: whether only the exit code says how the agent ended.
    """

    outcome: Outcome
    reason: str = ""
    exit_code: int | None = None
    signal: str | None = None
    was_started: bool = True
    cancel: CancelIntent | None = None
    parsed: ParsedEnd | None = None
    exit_is_result: bool = False


@dataclass(frozen=True)
class Ending:
    """The status that a run ends with, and the data of its last event."""

    status: RunStatus
    data: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def event_type(self) -> EventType:
        """The type of the run's last event."""
        return _EVENT_TYPES[self.status]


_EVENT_TYPES = {
    RunStatus.COMPLETED: EventType.RUN_COMPLETED,
    RunStatus.FAILED: EventType.RUN_FAILED,
    RunStatus.CANCELLED: EventType.STATUS_CHANGED,
    RunStatus.REJECTED: EventType.REJECTED,
}


def decide(facts: Facts) -> Ending:
    """Return how the run ended."""
    ending = next(ending for rule in _RULES if (ending := rule(facts)) is not None)
    told = {"status": ending.status.value, "exit_code": facts.exit_code, "signal": facts.signal}
    return Ending(ending.status, {**ending.data, **{key: value for key, value in told.items() if value is not None}})


def _cancelled(facts: Facts) -> Ending | None:
    if facts.cancel is not None:
        return Ending(RunStatus.CANCELLED, {"reason": "cancelled", "by": facts.cancel.by})
    if facts.outcome is Outcome.KILLED:  # somebody stopped the job itself
        return Ending(RunStatus.CANCELLED, {"reason": facts.reason})
    return None


def _out_of_time(facts: Facts) -> Ending | None:
    return _failed(facts.reason, "time_limit") if facts.outcome is Outcome.TIMED_OUT else None


def _parsed(facts: Facts) -> Ending | None:
    return Ending(facts.parsed.status, facts.parsed.data) if facts.parsed is not None else None


def _exited(facts: Facts) -> Ending:
    if facts.outcome is Outcome.LOST:
        return _failed(facts.reason, "lost")
    if not facts.was_started:
        return _failed(facts.reason, "not_started")
    if facts.outcome is Outcome.FAILED:
        how = f"was ended by {facts.signal}" if facts.signal else f"ended with {facts.reason}"
        return _failed(f"agent {how}", "exit")
    if facts.exit_is_result:
        return Ending(RunStatus.COMPLETED)
    return _failed("agent ended without a result", "no_result")


def _failed(error: str, reason: str) -> Ending:
    return Ending(RunStatus.FAILED, {"error": error, "reason": reason})


_RULES: tuple[Callable[[Facts], Ending | None], ...] = (_cancelled, _out_of_time, _parsed, _exited)
