"""What calls on runs return."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from mcp_background_job.agents.life.stopping import Stopped
from mcp_background_job.agents.records import Checkpoint, RunRecord


@dataclass(frozen=True)
class Run:
    """A run as it is now: what was asked, and what is known.

    Attributes:
        record: what was asked.
        state: what its events say, as far as they are read.
        is_behind: its agent has ended, and not all that it said is read yet.
        waits_for: of a queued run, the sentence on what it waits for.
    """

    record: RunRecord
    state: Checkpoint
    is_behind: bool = False
    waits_for: str | None = None


@dataclass(frozen=True)
class Listed:
    """Some of the runs that there are.

    Attributes:
        runs: newest first.
        next_offset: where the next ones begin, if there are more.
        elsewhere: how many runs of other projects are left out.
    """

    runs: list[Run]
    next_offset: int | None
    elsewhere: int = 0


@dataclass(frozen=True)
class Polled:
    """Events behind a number, and the run that they are of."""

    run: Run
    events: list[dict[str, Any]]
    next_after_seq: int


@dataclass(frozen=True)
class Cancelled:
    """What became of a wish to cancel.

    Attributes:
        run: as it is now, or will be when all that its agent has said is read.
        at: when it was wished for first (seconds since the epoch).
        stopped: what it took.
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
    """A piece of an artifact: of which run, what its event says of it, and the text from an offset (bytes) on."""

    run_id: str
    reference: dict[str, Any]
    offset: int
    returned_bytes: int
    content: str
