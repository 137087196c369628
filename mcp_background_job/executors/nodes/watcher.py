"""Keeps an engine's answer about all our jobs. One question covers all jobs and all processes of this user.

Sites forbid questions every few seconds. So the answer is kept in a file of the root, and only the process that holds
the lock beside it asks. A look takes the last answer, and waits for a new one only for a moment that nobody notices.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Iterable
from dataclasses import field
from typing import Any, NamedTuple, Protocol, cast

from mcp_background_job.core.values import frozen
from mcp_background_job.errors import EngineUnreachableError
from mcp_background_job.jobdir import lock, records

#: While a job waits for its turn, the engine is asked after so many seconds, then after twice as many, up to a minute.
_FIRST_S = 2.0
_LONGEST_S = 60.0

#: The least seconds between two questions that users cause, unless the site says otherwise: ``MCP_BG_SLURM_POLL_S``.
POLL_S = 15.0

#: Seconds that a look waits for a fresh answer: squeue takes 0.02 s, and 0.2 s if there are thousands of jobs.
PATIENCE_S = 0.2

#: An answer older than this is worth a longer wait, until the engine counts as not answering: a command that looks once
#: would never learn that, and on a busy cluster never get a fresh answer.
_OLD_S = 60.0

#: squeue gives up a missing controller after nine seconds, and we give up a hanging one after twelve. Long before that,
#: after so many seconds, the engine counts as not answering.
_OVERDUE_S = 2.0


class Line(NamedTuple):
    """A job in an engine's answer.

    Attributes:
        native_id: the engine's id of it.
        state: its state, in the engine's word.
        job_id: our id; empty if the job is not ours.
        nodes: where it runs, empty if nowhere.
        reason: why it waits or ended, in the engine's word.
    """

    native_id: str
    state: str
    job_id: str
    nodes: str
    reason: str


class Engine(Protocol):
    """The engine to ask."""

    @property
    def cluster(self) -> str:
        """Distinguishes this cluster from others of the same engine."""
        ...

    def queue(self) -> list[Line]:
        """Return all jobs of this user, including those that ended a while ago.

        Raises:
            EngineUnreachableError: the engine does not answer.
        """
        ...


class Known(NamedTuple):
    """A job of an engine, and since when it is known to be in its state (seconds since the epoch)."""

    line: Line
    since: float


@frozen
class Picture:
    """An engine's answer.

    Attributes:
        answered_at: when the question for it was asked (seconds since the epoch); 0 if the engine never answered.
        jobs: the engine's jobs for each of our jobs.
    """

    answered_at: float = 0.0
    jobs: dict[str, list[Known]] = field(default_factory=dict[str, list[Known]])


class Watcher:
    """Keeps an engine's answers."""

    def __init__(self, root: str, engine: Engine, *, called: str, poll_s: float = POLL_S) -> None:
        """Takes the file's directory and name, the engine, and the least seconds between two questions of users."""
        self._path = os.path.join(root, f"{called}.json")
        self._lock = os.path.join(root, f"{called}.lock")
        self._engine = engine
        self._called = called
        self._poll_s = poll_s
        # A site that demands longer pauses means all of them.
        self._first_s = _FIRST_S if poll_s <= POLL_S else poll_s
        self._picture = Picture()
        self._stamp = 0
        self._asked_at = 0.0
        self._failed_at = 0.0
        self._asking: threading.Thread | None = None
        self._turn = threading.Lock()
        self._pause_s = self._first_s
        self._next = 0.0

    @property
    def picture(self) -> Picture:
        """The engine's last answer, to whichever process of this user."""
        with contextlib.suppress(OSError):
            stamp = os.stat(self._path).st_mtime_ns
            if stamp != self._stamp:
                self._picture, self._stamp = _read(self._path, self._engine.cluster) or self._picture, stamp
        return self._picture

    @property
    def stale_since(self) -> float | None:
        """When the engine last answered, if it has not answered the last question (seconds since the epoch)."""
        answered_at = self._picture.answered_at
        is_asking = self._asking is not None and self._asking.is_alive()
        is_overdue = is_asking and self._asked_at > answered_at and time.time() - self._asked_at >= _OVERDUE_S
        return answered_at if is_overdue or self._failed_at > answered_at else None

    def look(self) -> Picture:
        """Return the engine's answer; an old one is renewed, which is waited for: longer if it is very old."""
        picture = self.picture
        now = time.time()
        if now - max(picture.answered_at, self._asked_at) < self._poll_s:
            return picture
        asking = self.ask()
        if self.stale_since is None:  # do not wait for a silent engine
            asking.join(PATIENCE_S if now - picture.answered_at < _OLD_S else _OVERDUE_S + PATIENCE_S)
        return self.picture

    def wait_for_turn(self) -> None:
        """Ask the engine for a waiting job if it is time to; the pauses grow each time."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + self._pause_s
        self._pause_s = min(max(_LONGEST_S, self._poll_s), 2 * self._pause_s)
        if time.time() - self.picture.answered_at >= self._first_s:
            self.ask()

    def hurry(self) -> None:
        """Ask again soon, since a job was submitted."""
        self._pause_s = self._first_s
        self._next = time.monotonic() + self._pause_s

    def ask(self) -> threading.Thread:
        """Ask the engine now, in a thread that a caller may wait for; one question at a time."""
        with self._turn:
            if self._asking is None or not self._asking.is_alive():
                self._asked_at = time.time()
                # Not a thread of a lane: at its end, this process must not wait for a silent engine.
                self._asking = threading.Thread(target=self._ask, name=self._called, daemon=True)
                self._asking.start()
            return self._asking

    def _ask(self) -> None:
        with _alone(self._lock) as is_alone:
            if not is_alone:  # another process asks, and its answer will be in the file
                return
            asked_at = time.time()
            try:
                lines = self._engine.queue()
            except EngineUnreachableError:
                self._failed_at = time.time()
                return
            picture = _merged(self.picture, lines, asked_at)
            self._picture = picture
            with contextlib.suppress(OSError):  # a full disk: only this process has the answer
                records.write(self._path, _encoded(picture, self._engine.cluster))
                self._stamp = os.stat(self._path).st_mtime_ns


@contextlib.contextmanager
def _alone(path: str) -> Any:
    try:
        with lock.held(path) as got:
            yield got
    except OSError:  # this file system has no locks: each process asks for itself
        yield True


def _merged(before: Picture, lines: Iterable[Line], asked_at: float) -> Picture:
    """Return the new answer, with the moments since when each job is in its state."""
    since = {(known.line.native_id, known.line.state): known.since for jobs in before.jobs.values() for known in jobs}
    jobs: dict[str, list[Known]] = {}
    for line in lines:
        if line.job_id:
            known = Known(line, since.get((line.native_id, line.state), asked_at))
            jobs.setdefault(line.job_id, []).append(known)
    return Picture(asked_at, jobs)


def _encoded(picture: Picture, cluster: str) -> bytes:
    rows = [[*known.line, known.since] for jobs in picture.jobs.values() for known in jobs]
    known = {"version": 1, "cluster": cluster, "answered_at": picture.answered_at, "jobs": rows}
    return json.dumps(known).encode()


def _read(path: str, cluster: str) -> Picture | None:
    try:
        with open(path, "rb") as file:
            raw = cast("dict[str, Any]", json.loads(file.read()))
        if raw["cluster"] != cluster:  # another cluster's answer says nothing about our jobs
            return None
        jobs: dict[str, list[Known]] = {}
        for *words, since in raw["jobs"]:
            line = Line(*map(str, words))
            jobs.setdefault(line.job_id, []).append(Known(line, float(since)))
        return Picture(float(raw["answered_at"]), jobs)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):  # not our file: it will be written anew
        return None
