"""The rules for the status of a task."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from mcp_background_job.actions.later import Going


class TaskStatus(StrEnum):
    """Where a task is in its life, in the words of the extension."""

    WORKING = "working"
    INPUT_REQUIRED = "input_required"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"  #: by an error of the protocol; whatever becomes of the work is a result


#: Each status and those that may follow it.
TRANSITIONS: dict[TaskStatus, frozenset[TaskStatus]] = {
    TaskStatus.WORKING: frozenset(TaskStatus) - {TaskStatus.WORKING},
    TaskStatus.INPUT_REQUIRED: frozenset(TaskStatus) - {TaskStatus.INPUT_REQUIRED},
    TaskStatus.COMPLETED: frozenset(),
    TaskStatus.CANCELLED: frozenset(),
    TaskStatus.FAILED: frozenset(),
}

#: Words by which jobs, runs, prompts and batches say that they were ended on request, whoever has asked for it.
_ENDED_ON_REQUEST = frozenset({"killed", "cancelled", "canceled"})


def of_going(going: Going, *, can_ask: bool) -> TaskStatus:
    """Return the status of a task whose work goes on, for a client that can ask a person or cannot."""
    return TaskStatus.INPUT_REQUIRED if going.question and can_ask else TaskStatus.WORKING


def of_end(status: Any, *, is_wait: bool) -> TaskStatus:
    """Return the status of a task whose work has ended in a status of its own.

    A wait that has found its job killed has found what it waited for.
    """
    is_cancelled = not is_wait and status in _ENDED_ON_REQUEST
    return TaskStatus.CANCELLED if is_cancelled else TaskStatus.COMPLETED
