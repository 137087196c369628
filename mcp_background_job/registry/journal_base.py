"""What a journal of submissions to ComfyUI offers, whatever it is kept in."""

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

    Any thread may call any method. Prompt ids are any text: old servers take what they are given. What is said of an id
    that the journal does not know is not kept.
    """

    def record(self, submissions: Iterable[Submission], *, session_id: str | None = None, boot: str = "") -> None:
        """Add submissions, or replace what was known of them: all or none, and durable when this returns.

        With a session they are tracked in it. ``boot`` says which life of the server they are sent to.
        """
        ...

    def get(self, prompt_id: str) -> Submission | None:
        """Return the submission with this id."""
        ...

    def answered(self, prompt_id: str, stage: Stage, number: float | None) -> None:
        """Note what the server said to a submission, and the number that it gave it."""
        ...

    def refused(self, prompt_id: str, *, reason: str, result: str) -> None:
        """Note that the server refused a submission, why, and all that it said, as JSON text."""
        ...

    def ended(self, prompt_ids: Iterable[str], end: End, *, at: float, reason: str = "") -> None:
        """Note how submissions ended.

        An end that is known stays, but any other replaces ``LOST``. With an end other than ``LOST`` a submission is no
        longer to be submitted again. One that is stopped for its time limit has failed, whatever it is called here.
        """
        ...

    def settled(self, result: Result) -> None:
        """Note how a submission ended as ``ended`` does, and keep what its server told of it."""
        ...

    def result(self, prompt_id: str) -> str | None:
        """Return what was kept of how a submission ended, or of why it was refused, as JSON text."""
        ...

    def withdraw(self, prompt_id: str, *, at: float) -> bool:
        """Cancel a submission that its batch has yet to send; returns whether it was one."""
        ...

    def overdue(self, prompt_id: str, *, limit_s: float) -> None:
        """Note that a submission without an end is about to be stopped for its time limit."""
        ...

    def want_requeue(self, prompt_ids: Iterable[str]) -> None:
        """Note that submissions, ended or not, are to be submitted again once their server is ready."""
        ...

    def resubmitted(self, prompt_id: str, *, number: float | None, at: float) -> None:
        """Note that the server took a submission again: accepted, without end and result, submitted at this time."""
        ...

    def open_on(self, server: str) -> list[Submission]:
        """Return what a server has yet to end, by number (those without one last), then by time.

        These are the submissions with ``is_open``.
        """
        ...

    def to_requeue(self, server: str) -> list[Submission]:
        """Return what is to be submitted again and was not refused, in the order of ``open_on``."""
        ...

    def newest(self, server: str, limit: int) -> list[Submission]:
        """Return the submissions that were made last, newest first."""
        ...

    def close(self) -> None:
        """Let go of the journal."""
        ...


def kept(submission: Submission) -> Submission:
    """Return a submission as every journal keeps it: in text that can be stored, with a number that has a place."""
    texts = {
        name: storable(value)
        for name, value in vars(submission).items()
        if isinstance(value, str) and not isinstance(value, Enum)
    }
    return dataclasses.replace(submission, **texts, number=placed(submission.number))


def placed(number: float | None) -> float | None:
    """Return the number, or None if it stands nowhere in an order: ComfyUI takes, and repeats, a NaN."""
    return None if number is None or math.isnan(number) else number
