"""A journal in memory, for tests."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterable
from typing import Any

from mcp_background_job.core.comfyui.submission import End, Result, Stage, Submission
from mcp_background_job.registry.journal_base import kept, placed
from mcp_background_job.registry.text import storable


class MemoryJournal:
    """A journal of one process."""

    def __init__(self) -> None:
        """Begins empty."""
        self._kept: dict[str, Submission] = {}
        self._results: dict[str, str] = {}
        self._lock = threading.RLock()

    def record(self, submissions: Iterable[Submission], *, session_id: str | None = None, boot: str = "") -> None:  # noqa: ARG002  no sessions, no attempts
        new = {submission.prompt_id: submission for submission in map(kept, submissions)}
        with self._lock:
            self._kept.update(new)
            for prompt_id in new:
                self._results.pop(prompt_id, None)

    def get(self, prompt_id: str) -> Submission | None:
        return self._kept.get(storable(prompt_id))

    def answered(self, prompt_id: str, stage: Stage, number: float | None) -> None:
        self._change(prompt_id, stage=stage, number=placed(number))

    def refused(self, prompt_id: str, *, reason: str, result: str) -> None:
        self._change(prompt_id, stage=Stage.REFUSED, reason=storable(reason))
        self._keep(prompt_id, result)

    def ended(self, prompt_ids: Iterable[str], end: End, *, at: float, reason: str = "") -> None:
        for prompt_id in prompt_ids:
            self._end(prompt_id, end, at, reason)

    def settled(self, result: Result) -> None:
        self._end(result.prompt_id, result.end, result.at, result.reason, result.started_at, result.outputs)
        self._keep(result.prompt_id, result.content)

    def result(self, prompt_id: str) -> str | None:
        return self._results.get(storable(prompt_id))

    def withdraw(self, prompt_id: str, *, at: float) -> bool:
        with self._lock:
            known = self.get(prompt_id)
            if known is None or not known.is_waiting:
                return False
            self._change(prompt_id, end=End.CANCELLED, ended_at=at)
            return True

    def overdue(self, prompt_id: str, *, limit_s: float) -> None:
        with self._lock:
            known = self.get(prompt_id)
            if known and known.end is None:
                self._change(prompt_id, overdue_s=limit_s)

    def want_requeue(self, prompt_ids: Iterable[str]) -> None:
        for prompt_id in prompt_ids:
            self._change(prompt_id, requeue=True)

    def resubmitted(self, prompt_id: str, *, number: float | None, at: float) -> None:
        again = {"stage": Stage.ACCEPTED, "number": placed(number), "submitted_at": at}
        fresh = {"end": None, "ended_at": None, "reason": "", "started_at": None, "outputs": None, "overdue_s": None}
        with self._lock:
            self._change(prompt_id, **again, **fresh, requeue=False)
            self._results.pop(storable(prompt_id), None)

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

    def _end(  # noqa: PLR0917  the facts of an end
        self,
        prompt_id: str,
        end: End,
        at: float,
        reason: str,
        started_at: float | None = None,
        outputs: int | None = None,
    ) -> None:
        with self._lock:
            known = self.get(prompt_id)
            if known is None or (known.end is not None and (known.end is not End.LOST or end is End.LOST)):
                return
            if known.overdue_s is not None and end not in (End.COMPLETED, End.FAILED):
                end, reason = End.FAILED, f"stopped at its time limit of {known.overdue_s:g} s"
            self._change(
                prompt_id,
                end=end,
                ended_at=at,
                reason=storable(reason),
                requeue=known.requeue and end is End.LOST,
                started_at=known.started_at if started_at is None else started_at,
                outputs=known.outputs if outputs is None else outputs,
            )

    def _keep(self, prompt_id: str, content: str) -> None:
        with self._lock:
            if self.get(prompt_id):
                self._results.setdefault(storable(prompt_id), storable(content))

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
