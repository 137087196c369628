"""A journal in memory: the twin for tests."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterable
from typing import Any

from mcp_background_job.core.submission import End, Stage, Submission
from mcp_background_job.registry.journal_base import kept, placed
from mcp_background_job.registry.text import storable


class MemoryJournal:
    """A journal of one process."""

    def __init__(self) -> None:
        """Begins empty."""
        self._kept: dict[str, Submission] = {}
        self._lock = threading.RLock()

    def record(self, submissions: Iterable[Submission]) -> None:
        new = {submission.prompt_id: submission for submission in map(kept, submissions)}
        with self._lock:
            self._kept.update(new)

    def get(self, prompt_id: str) -> Submission | None:
        return self._kept.get(storable(prompt_id))

    def answered(self, prompt_id: str, stage: Stage, number: float | None) -> None:
        self._change(prompt_id, stage=stage, number=placed(number))

    def ended(self, prompt_ids: Iterable[str], end: End, *, at: float, reason: str = "") -> None:
        with self._lock:
            for submission in filter(None, map(self.get, prompt_ids)):
                if submission.end is None or (submission.end is End.LOST and end is not End.LOST):
                    requeue = submission.requeue and end is End.LOST
                    said = {"end": end, "ended_at": at, "reason": storable(reason), "requeue": requeue}
                    self._change(submission.prompt_id, **said)

    def want_requeue(self, prompt_ids: Iterable[str]) -> None:
        for prompt_id in prompt_ids:
            self._change(prompt_id, requeue=True)

    def resubmitted(self, prompt_id: str, *, number: float | None, at: float) -> None:
        again = {"stage": Stage.ACCEPTED, "number": placed(number), "submitted_at": at}
        self._change(prompt_id, **again, end=None, ended_at=None, reason="", requeue=False)

    def open_on(self, server: str) -> list[Submission]:
        return sorted((one for one in self._on(server) if one.is_open), key=_place)

    def to_requeue(self, server: str) -> list[Submission]:
        wanted = (one for one in self._on(server) if one.requeue and one.stage is not Stage.REFUSED)
        return sorted(wanted, key=_place)

    def newest(self, server: str, limit: int) -> list[Submission]:
        return sorted(self._on(server), key=lambda one: (one.submitted_at, one.prompt_id), reverse=True)[:limit]

    def close(self) -> None:
        with self._lock:
            self._kept.clear()

    def _on(self, server: str) -> list[Submission]:
        with self._lock:
            return [one for one in self._kept.values() if one.server == storable(server)]

    def _change(self, prompt_id: str, **values: Any) -> None:
        with self._lock:
            if known := self.get(prompt_id):
                self._kept[known.prompt_id] = dataclasses.replace(known, **values)


def _place(submission: Submission) -> tuple[bool, float, float, str]:
    number = submission.number
    return number is None, number or 0.0, submission.submitted_at, submission.prompt_id
