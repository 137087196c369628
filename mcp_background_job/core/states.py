"""The life of a job, in one table.

Kept apart, because they change at different times: where a job is in its life (``State``), how it ended (``Outcome``)
and the wish that it stop (``StopRequest`` in ``jobdir.records``). What people see as *status* is derived from the first
two by ``status_of`` and stored nowhere.

    queued ──launch──▶ starting ──spawn──▶ running ──tree empty──▶ exited
       │                  │                   │                       ▲
       └─── withdrawn ────┴── spawn failed ───┴───── runner gone ─────┘
"""

from __future__ import annotations

from enum import Enum


class Word(str, Enum):
    """A word of a fixed set: a ``StrEnum``, which a cluster's node may not have, since runners there run on 3.9."""

    __str__ = str.__str__
    __format__ = str.__format__


class State(Word):
    """Where a job is in its life."""

    QUEUED = "queued"  #: recorded; no runner owns it yet
    STARTING = "starting"  #: a runner owns it; its process is not reported yet
    RUNNING = "running"  #: its process, or one that it left behind, is alive
    EXITED = "exited"  #: over; the outcome says how


class Outcome(Word):
    """How a job ended."""

    COMPLETED = "completed"  #: exit code 0
    FAILED = "failed"  #: another exit code, a signal, or it could not be started
    KILLED = "killed"  #: stopped on request
    TIMED_OUT = "timed_out"  #: stopped by its own time limit
    LOST = "lost"  #: its runner is gone and left no exit record: how it ended is unknown


#: Each state and those that may follow it. A quick job is seen to go from any state straight to ``exited``.
TRANSITIONS: dict[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.STARTING, State.RUNNING, State.EXITED}),
    State.STARTING: frozenset({State.RUNNING, State.EXITED}),
    State.RUNNING: frozenset({State.EXITED}),
    State.EXITED: frozenset(),
}


def may_follow(old: State, new: State) -> bool:
    """Tell whether a job seen in ``old`` may now be in ``new``; staying where it is counts."""
    return new is old or new in TRANSITIONS[old]


def status_of(state: State, outcome: Outcome | None) -> str:
    """Return the one word that tools and tables show for a job."""
    if state is State.EXITED:
        return (outcome or Outcome.LOST).value
    return "queued" if state is State.QUEUED else "running"


#: The words that it returns for a job that has not ended.
NOT_OVER = ("queued", "running")

#: Every word that ``status_of`` can return.
STATUSES: tuple[str, ...] = (*NOT_OVER, *(outcome.value for outcome in Outcome))


def outcome_of(exit_code: int | None, stopped_as: Outcome | None) -> Outcome:
    """Return how a job ended.

    Args:
        exit_code: of the command itself; ``None`` if a signal ended it.
        stopped_as: ``KILLED`` or ``TIMED_OUT`` if it was signalled for that while it lived, whatever it made of it.
    """
    if stopped_as is not None:
        return stopped_as
    return Outcome.COMPLETED if exit_code == 0 else Outcome.FAILED
