"""Remembers which endings the clients of tasks are about to fetch.

The task reports such an ending, so no other answer has it on top. If a client no longer asks for its task, the ending
is reported with the next answer, like every other.
"""

from __future__ import annotations

import time
from collections.abc import Collection

from mcp_background_job.jobdir.tasks import FORGOTTEN_S


class Promises:
    """The ends that are promised by the tasks of this process's clients."""

    def __init__(self) -> None:
        """There are none."""
        self._made: dict[str, tuple[float, Collection[str]]] = {}

    def make(self, task_id: str, subjects: Collection[str]) -> None:
        """Note that the client of a task, who asks for it now, will be told how these end."""
        self._made[task_id] = time.monotonic(), subjects

    def drop(self, task_id: str) -> None:
        """Note that a task has told what it had to tell, or never will."""
        self._made.pop(task_id, None)

    def subjects(self) -> Collection[str]:
        """Return what is promised, in whichever task."""
        oldest = time.monotonic() - FORGOTTEN_S
        self._made = {task_id: made for task_id, made in self._made.items() if made[0] > oldest}
        return {subject for _, subjects in self._made.values() for subject in subjects}
