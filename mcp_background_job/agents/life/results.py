"""The results of calls on runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from mcp_background_job.agents.life.stopping import Stopped
from mcp_background_job.agents.records import Checkpoint, RunRecord


@dataclass(frozen=True)
class Run:
    """A run as it is now: the request and the state.

    Attributes:
        record: the request.
        state: the state from its events, as far as they are read.
        is_behind: its agent has ended, and some of its output is not read yet.
        waits_for: for a queued run, the sentence on what it waits for.
    """

    record: RunRecord
    state: Checkpoint
    is_behind: bool = False
    waits_for: str | None = None


@dataclass(frozen=True)
class Listed:
    """A part of the list of runs.

    Attributes:
        runs: newest first.
        next_offset: where the next runs begin, if there are more.
        elsewhere: how many runs of other projects are left out.
    """

    runs: list[Run]
    next_offset: int | None
    elsewhere: int = 0


@dataclass(frozen=True)
class Polled:
    """Events behind a number, and their run."""

    run: Run
    events: list[dict[str, Any]]
    next_after_seq: int


@dataclass(frozen=True)
class Cancelled:
    """The result of a request to cancel.

    Attributes:
        run: the run now, or as it will be once all output of its agent is read.
        at: when the cancel was first requested (seconds since the epoch).
        stopped: how the run was stopped.
    """

    run: Run
    at: float
    stopped: Stopped


@dataclass(frozen=True)
class Continued:
    """A run that goes on: the same one, or a new one that resumes its session."""

    run: Run
    mode: Literal["live", "resume"]


@dataclass(frozen=True)
class Piece:
    """A piece of an artifact: its run, its reference in the event, and the text from an offset (bytes) on."""

    run_id: str
    reference: dict[str, Any]
    offset: int
    returned_bytes: int
    content: str
