"""Tasks of MCP on disk: for each call that was answered before its work was over, the facts for its last answer.

A task has a directory of its own. Each file in it holds one fact, and the first process that knows it writes it once.
So no two servers have to agree on anything, and none of them has to live.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from mcp_background_job.errors import CorruptRecordError, StateDirError
from mcp_background_job.jobdir import plain

#: A prompt's id may be any text of up to 300 characters. If it is not a name in a path, it is hashed.
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")

_ASKED = re.compile(r"asked-([0-9]{1,9})\.json")

#: Seconds without a question about a task after which its client is no longer expected to fetch it. A client is told to
#: ask twice a second, and may wait for a person or a model meanwhile.
FORGOTTEN_S = 30.0

_RECORD = "task.json"
_CANCEL = "cancel.json"
_END = "end.json"


@dataclass(frozen=True, kw_only=True)
class TaskRecord:
    """A call whose work went on after its answer.

    Attributes:
        task_id: its id; for a job, prompt, batch or run, the id by which the tools know it.
        tool: the tool that was called.
        state: the values that the tool needs for its last answer.
        created_at: seconds since the epoch.
        is_wait: only the wait goes on: the work is not the call's own, and a cancel does not touch it.
        client: the client that called; this and the next fields are as in a job's ``spec.json``.
        directory: the client's working directory.
        project: the client's project.
        reader: the reader that is told.
        conversation: the reader's conversation.
        subjects: the subjects of news on how the work ended.
    """

    task_id: str
    tool: str
    state: dict[str, Any]
    created_at: float
    is_wait: bool = False
    client: str = ""
    directory: str = ""
    project: str = ""
    reader: str = ""
    conversation: str = ""
    subjects: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, kw_only=True)
class Noted:
    """A note on a task: the wish that it be cancelled, or that its question was answered.

    Attributes:
        at: when it was made (seconds since the epoch).
        declined: a person did not want to answer.
    """

    at: float
    declined: bool = False


@dataclass(frozen=True, kw_only=True)
class TaskEnd:
    """How a task ended; it never changes again, whatever happens to the work.

    Attributes:
        status: ``completed``, ``cancelled`` or ``failed``.
        at: when the end was found (seconds since the epoch).
        message: the end in words.
        result: result of the call, if it completed.
        error: error of the protocol, if it failed.
    """

    status: str
    at: float
    message: str = ""
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A question that the client of a task was shown.

    Attributes:
        number: number of the question, from 1; the client knows it by that, and no two have the same.
        mark: the mark that other questions of the same work do not have.
    """

    number: int
    mark: str


class TaskStore:
    """The tasks of a state directory. Every method blocks, for moments."""

    def __init__(self, path: str) -> None:
        """Takes the directory, which is made with the first task."""
        self._path = path

    def create(self, record: TaskRecord) -> bool:
        """Record a task, which is on disk when this returns; returns whether its id was free.

        Raises:
            StateDirError: the task cannot be written.
        """
        place = self._place(record.task_id)
        try:
            os.makedirs(place, mode=0o700, exist_ok=True)
        except OSError as error:
            raise StateDirError(f"{place} cannot be made: {error.strerror}") from error
        return _first(os.path.join(place, _RECORD), record)

    def find(self, task_id: str) -> TaskRecord | None:
        """Return a task, and keep it from now on as long as a new one; ``None`` if there is none.

        Raises:
            CorruptRecordError: its record cannot be read.
        """
        place = self._place(task_id)
        record = plain.read(TaskRecord, os.path.join(place, _RECORD))
        if record is not None:
            with contextlib.suppress(OSError):  # a full or read-only disk does not matter here
                os.utime(place)
        return record

    def is_to_be_cancelled(self, task_id: str) -> bool:
        """Tell whether somebody asked to cancel a task."""
        return os.path.exists(os.path.join(self._place(task_id), _CANCEL))

    def wish_cancel(self, task_id: str) -> None:
        """Note that a task is to be cancelled."""
        _first(os.path.join(self._place(task_id), _CANCEL), Noted(at=time.time()))

    def end(self, task_id: str) -> TaskEnd | None:
        """Return the end of a task, if it has ended."""
        return plain.read(TaskEnd, os.path.join(self._place(task_id), _END))

    def note_end(self, task_id: str, end: TaskEnd) -> TaskEnd:
        """Record the end of a task, unless one is recorded; returns the recorded one."""
        return end if _first(os.path.join(self._place(task_id), _END), end) else self.end(task_id) or end

    def asked(self, task_id: str) -> Asked | None:
        """Return the newest question that the client of a task was shown."""
        names = os.listdir(self._place(task_id))
        numbers = [int(found[1]) for name in names if (found := _ASKED.fullmatch(name))]
        return plain.read(Asked, self._question(task_id, max(numbers))) if numbers else None

    def ask(self, task_id: str, mark: str) -> Asked | None:
        """Return the question that a task asks: the newest one if it has this mark and is open, else a new one.

        ``None`` if the newest one has this mark and was declined.
        """
        while True:
            newest = self.asked(task_id)
            if newest is not None and newest.mark == mark:
                answer = plain.read(Noted, self._answer(task_id, newest))
                if answer is None or answer.declined:
                    return None if answer else newest
            new = Asked(number=newest.number + 1 if newest else 1, mark=mark)
            if _first(self._question(task_id, new.number), new):
                return new

    def is_answered(self, task_id: str, asked: Asked) -> bool:
        """Tell whether a question was answered through the task."""
        return os.path.exists(self._answer(task_id, asked))

    def note_answer(self, task_id: str, asked: Asked, *, declined: bool) -> bool:
        """Note that a question is answered; returns whether it was unanswered."""
        return _first(self._answer(task_id, asked), Noted(at=time.time(), declined=declined))

    def _question(self, task_id: str, number: int) -> str:
        return os.path.join(self._place(task_id), f"asked-{number}.json")

    def _answer(self, task_id: str, asked: Asked) -> str:
        return os.path.join(self._place(task_id), f"answered-{asked.number}.json")

    def to_be_stopped(self) -> list[TaskRecord]:
        """Return the tasks that are to be cancelled and whose ends are not recorded yet."""
        found: list[TaskRecord] = []
        for place in self._places():
            if os.path.exists(f"{place}/{_CANCEL}") and not os.path.exists(f"{place}/{_END}"):
                with contextlib.suppress(CorruptRecordError):  # a task that cannot be read cannot be cancelled
                    record = plain.read(TaskRecord, f"{place}/{_RECORD}")
                    found += [record] if record else []
        return found

    def promised(self, since: float) -> set[str]:
        """Return the subjects of ends that clients are about to fetch: they have asked for the task since a moment."""
        found: set[str] = set()
        for place in self._places():
            with contextlib.suppress(FileNotFoundError, CorruptRecordError):
                is_over = os.path.exists(f"{place}/{_END}") or os.path.exists(f"{place}/{_CANCEL}")
                if os.stat(place).st_mtime >= since and not is_over:
                    record = plain.read(TaskRecord, f"{place}/{_RECORD}")
                    found.update(record.subjects if record else ())
        return found

    def remove(self, before: float) -> None:
        """Remove tasks that no client has asked for since a moment (seconds since the epoch)."""
        for place in self._places():
            with contextlib.suppress(FileNotFoundError):
                if os.stat(place).st_mtime < before:
                    shutil.rmtree(place, ignore_errors=True)

    def _places(self) -> Iterator[str]:
        with contextlib.suppress(FileNotFoundError):
            for entry in os.scandir(self._path):
                yield entry.path

    def _place(self, task_id: str) -> str:
        name = task_id if _NAME.fullmatch(task_id) else "~" + _hashed(task_id)
        return os.path.join(self._path, name)


def _hashed(task_id: str) -> str:
    return hashlib.sha256(task_id.encode("utf-8", "surrogatepass")).hexdigest()


def _first(path: str, record: TaskRecord | Noted | TaskEnd | Asked) -> bool:
    """Write a record, whole and on the disk, unless it exists; returns whether it was written."""
    try:
        return plain.write_first(path, plain.encode(record), durable=True)
    except OSError as error:
        raise StateDirError(f"{path} cannot be written: {error.strerror}") from error
