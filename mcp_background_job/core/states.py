"""The life of a job, in one table.

Three things change at different times, so they are kept apart: where a job is in its life (``State``), how it ended
(``Outcome``), and the wish that it stop (``StopRequest`` in ``jobdir.records``). ``status_of`` derives the *status*
that people see from the first two. It is stored nowhere.

    queued ──launch──▶ starting ──spawn──▶ running ──tree empty──▶ exited
       │                  │                   │                       ▲
       └─── withdrawn ────┴── spawn failed ───┴───── runner gone ─────┘
"""

from __future__ import annotations

from enum import Enum


class Word(str, Enum):
    """A word of a fixed set, as in a ``StrEnum``, which the Python 3.9 of a cluster's node does not have."""

    __str__ = str.__str__
    __format__ = str.__format__


class State(Word):
    """The stage of its life that a job is in."""

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


#: Each state, and those that may follow it. A quick job may be seen to go from any state straight to ``exited``. A
#: starter claims a job before it knows whether the job must queue: so ``queued`` may be seen after ``starting``.
TRANSITIONS: dict[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.STARTING, State.RUNNING, State.EXITED}),
    State.STARTING: frozenset({State.QUEUED, State.RUNNING, State.EXITED}),
    State.RUNNING: frozenset({State.EXITED}),
    State.EXITED: frozenset(),
}


def may_follow(old: State, new: State) -> bool:
    """Tell whether a job seen in ``old`` may now be in ``new``; the same state may follow itself."""
    return new is old or new in TRANSITIONS[old]


def status_of(state: State, outcome: Outcome | None) -> str:
    """Return the one word that tools and tables show for a job."""
    if state is State.EXITED:
        return (outcome or Outcome.LOST).value
    return "queued" if state is State.QUEUED else "running"


#: The words that ``status_of`` returns for a job that has not ended.
NOT_OVER = ("queued", "running")

#: Every word that ``status_of`` can return.
STATUSES: tuple[str, ...] = (*NOT_OVER, *(outcome.value for outcome in Outcome))


def outcome_of(exit_code: int | None, stopped_as: Outcome | None) -> Outcome:
    """Return how a job ended.

    Args:
        exit_code: of the command itself; ``None`` if a signal ended it.
        stopped_as: ``KILLED`` or ``TIMED_OUT`` if the live job was signalled for that, whatever its exit code.
    """
    if stopped_as is not None:
        return stopped_as
    return Outcome.COMPLETED if exit_code == 0 else Outcome.FAILED
