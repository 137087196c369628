"""The interface of a journal of submissions to ComfyUI, whatever stores it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from enum import Enum
from typing import Protocol

from mcp_background_job.core.comfyui.submission import End, Result, Stage, Submission
from mcp_background_job.registry.text import storable


class Journal(Protocol):
    """A journal of submissions. Implementations: ``SqliteJournal``, shared by all processes, and ``MemoryJournal``.

    Any thread may call any method. A prompt id is any text: old servers take the id that they are given. Notes about an
    id that the journal does not know are dropped.
    """

    def record(self, submissions: Iterable[Submission], *, session_id: str | None = None, boot: str = "") -> None:
        """Add submissions, or replace their records: all or none, and durable when this returns.

        If a session is given, it tracks them. ``boot`` is the life of the server that they are sent to.
        """
        ...

    def get(self, prompt_id: str) -> Submission | None:
        """Return the submission with this id."""
        ...

    def answered(self, prompt_id: str, stage: Stage, number: float | None) -> None:
        """Note the server's response to a submission, and the number that the server gave it."""
        ...

    def refused(self, prompt_id: str, *, reason: str, result: str) -> None:
        """Note that the server refused a submission, its reason, and its whole response as JSON text."""
        ...

    def ended(self, prompt_ids: Iterable[str], end: End, *, at: float, reason: str = "") -> None:
        """Note how submissions ended.

        A known end stays, but any other replaces ``LOST``. After an end other than ``LOST`` a submission is no longer
        to be submitted again. A submission that is stopped for its time limit has failed, whatever end is given here.
        """
        ...

    def settled(self, result: Result) -> None:
        """Note how a submission ended, as ``ended`` does, and keep its server's report."""
        ...

    def result(self, prompt_id: str) -> str | None:
        """Return the kept report on how a submission ended, or why it was refused, as JSON text."""
        ...

    def withdraw(self, prompt_id: str, *, at: float) -> bool:
        """Cancel a submission that its batch has not sent yet; returns whether it was one."""
        ...

    def overdue(self, prompt_id: str, *, limit_s: float) -> None:
        """Note that a submission without an end is about to be stopped for its time limit."""
        ...

    def want_requeue(self, prompt_ids: Iterable[str]) -> None:
        """Note that submissions, ended or not, are to be submitted again when their server is ready."""
        ...

    def resubmitted(self, prompt_id: str, *, number: float | None, at: float) -> None:
        """Note that the server accepted a submission again at this time: it has no end and no result now."""
        ...

    def open_on(self, server: str) -> list[Submission]:
        """Return the submissions that a server has not ended, by number (those without one last), then by time.

        These are the submissions with ``is_open``.
        """
        ...

    def to_requeue(self, server: str) -> list[Submission]:
        """Return the submissions that are to be submitted again and were not refused, in the order of ``open_on``."""
        ...

    def newest(self, server: str, limit: int) -> list[Submission]:
        """Return the latest submissions, newest first."""
        ...

    def close(self) -> None:
        """Close the journal."""
        ...


def kept(submission: Submission) -> Submission:
    """Return a submission as every journal stores it: with texts that can be stored, and a number that has a place."""
    texts = {
        name: storable(value)
        for name, value in vars(submission).items()
        if isinstance(value, str) and not isinstance(value, Enum)
    }
    return dataclasses.replace(submission, **texts, number=placed(submission.number))


def placed(number: float | None) -> float | None:
    """Return the number, or ``None`` if it has no place in an order: ComfyUI accepts a NaN, and repeats it."""
    return None if number is None or math.isnan(number) else number
