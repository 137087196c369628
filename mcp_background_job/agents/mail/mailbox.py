"""The messages to an agent on disk: one JSON object per line, numbered from 1, and how far they were fetched.

A writer or a reader holds the mailbox's lock, so two readers never get the same message. A line without an end was left
by a writer that died: its sender was not told of success, and the next writer removes it. All functions here read and
write files; call them in a thread.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mcp_background_job.errors import InvalidRequestError, RunStateError, StateDirError
from mcp_background_job.jobdir import lock
from mcp_background_job.jobdir.layout import FORMAT, MailDir
from mcp_background_job.jobdir.records import write, write_all

#: Bytes of one message as stored: a model reads it, and longer content belongs in a file.
MAX_MESSAGE = 64 * 1024

#: Bytes of all messages that are kept for one agent.
MAX_MAILBOX = 4 * 1024 * 1024

#: Bytes of messages in one answer, beyond the first message.
MAX_PAGE = 96 * 1024


#: The beginning of each line, and a number of digits that no message's number reaches.
_HEAD = b'{"seq": '
_MOST_DIGITS = 18


@dataclass(frozen=True)
class Page:
    """Messages in their order, and the number of the last one; without messages, the number that was asked for."""

    messages: list[dict[str, Any]]
    next_after_seq: int


@dataclass(frozen=True)
class _Fetched:
    """Numbers of messages: up to which they were fetched in turn, and up to which at all."""

    in_turn: int = 0
    by_anybody: int = 0


class Mailbox:
    """The messages to one agent."""

    def __init__(self, directory: MailDir) -> None:
        """Takes the directory; creates nothing."""
        self._directory = directory

    def put(self, message: Mapping[str, Any]) -> int | None:
        """Add a message; returns its number once it is on disk, or ``None`` if another process holds the lock.

        Raises:
            InvalidRequestError: the message is too long.
            RunStateError: the mailbox is full of messages that nobody has fetched.
            StateDirError: the message cannot be written.
        """
        try:
            for path in (os.path.dirname(self._directory.path), self._directory.path):
                with contextlib.suppress(FileExistsError):
                    os.mkdir(path, 0o700)
            with lock.held(self._directory.lock) as got:
                return self._add(message) if got else None
        except OSError as error:
            raise StateDirError(f"a message cannot be written to {self._directory.path}: {error.strerror}") from error

    def _add(self, message: Mapping[str, Any]) -> int:
        there = self._read()
        lines = there.splitlines(keepends=True)
        known = self._fetched()
        # Numbers only grow, even if somebody removed messages by hand: the notes on fetched messages refer to them.
        seq = max(known.in_turn, known.by_anybody, *map(_seq_of, lines)) + 1
        line = json.dumps({"seq": seq, **message}).encode() + b"\n"
        if len(line) > MAX_MESSAGE:
            raise InvalidRequestError(
                f"the message has {len(line):,} bytes, and at most {MAX_MESSAGE:,} are taken: put what is long into a "
                "file and name its path"
            )
        if len(there) + len(line) <= MAX_MAILBOX:
            self._append(len(there), line)
        else:
            kept = _without_fetched(lines, len(there) + len(line), known.by_anybody)
            write(self._directory.messages, b"".join([*kept, line]), durable=True)
        return seq

    def _append(self, length: int, line: bytes) -> None:
        descriptor = os.open(self._directory.messages, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(descriptor, length)  # remove the unfinished line of a writer that died
            os.lseek(descriptor, length, os.SEEK_SET)
            try:
                write_all(descriptor, line)
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, length)  # else it is delivered although its sender gets an error
                raise
        finally:
            os.close(descriptor)

    def take(self, after_seq: int | None, limit: int) -> Page | None:
        """Return the messages behind a number; without one, those not fetched in turn yet, which then count as fetched.

        Returns ``None`` if another process holds the lock.

        Raises:
            StateDirError: the messages cannot be read, or the note that they were fetched cannot be written.
        """
        try:
            if not os.path.exists(self._directory.messages):
                return Page([], after_seq or 0)
            with lock.held(self._directory.lock) as got:
                return self._fetch(after_seq, limit) if got else None
        except OSError as error:
            raise StateDirError(f"messages in {self._directory.path} cannot be fetched: {error.strerror}") from error

    def _fetch(self, after_seq: int | None, limit: int) -> Page:
        before = self._fetched()
        page = _page(self._read().splitlines(), before.in_turn if after_seq is None else after_seq, limit)
        in_turn = page.next_after_seq if after_seq is None else before.in_turn
        seen = page.messages[-1]["seq"] if page.messages else 0
        after = _Fetched(in_turn, max(before.by_anybody, seen))
        if after != before:
            write(self._directory.fetched, json.dumps({"version": FORMAT, **vars(after)}).encode(), durable=True)
        return page

    def unfetched(self) -> int:
        """Return how many messages were not fetched in turn."""
        in_turn = self._fetched().in_turn
        return sum(_seq_of(line) > in_turn for line in self._read().splitlines())

    def sign(self) -> tuple[int, int]:
        """Return a value that changes with each new message; within one tick of the clock only the size changes."""
        try:
            facts = os.stat(self._directory.messages)
        except FileNotFoundError:
            return 0, 0
        return facts.st_mtime_ns, facts.st_size

    def _read(self) -> bytes:
        """Return all whole lines."""
        try:
            with open(self._directory.messages, "rb") as file:
                there = file.read()
        except FileNotFoundError:
            return b""
        return there[: there.rfind(b"\n") + 1]

    def _fetched(self) -> _Fetched:
        """Return how far messages were fetched; if that is unreadable, messages are rather delivered twice than not."""
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            with open(self._directory.fetched, "rb") as file:
                known = json.load(file)
            return _Fetched(int(known["in_turn"]), int(known["by_anybody"]))
        return _Fetched()


def _without_fetched(lines: list[bytes], size: int, fetched: int) -> list[bytes]:
    """Return the messages without the oldest fetched ones, as many as must go to free half of the mailbox."""
    begin = 0
    while begin < len(lines) and size > MAX_MAILBOX // 2 and _seq_of(lines[begin]) <= fetched:
        size -= len(lines[begin])
        begin += 1
    if size > MAX_MAILBOX:
        raise RunStateError(
            f"the mailbox is full: nobody has fetched {len(lines) - begin:,} messages in it; send this again when the "
            "agent has fetched some"
        )
    return lines[begin:]


def _page(lines: list[bytes], after_seq: int, limit: int) -> Page:
    messages: list[dict[str, Any]] = []
    size = 0
    for line in lines:
        if len(messages) == limit or size > MAX_PAGE:
            break
        if _seq_of(line) > after_seq:
            with contextlib.suppress(ValueError):  # a disk has lost a part of the line
                messages.append(json.loads(line))
                size += len(line)
    return Page(messages, messages[-1]["seq"] if messages else after_seq)


def _seq_of(line: bytes) -> int:
    """Return the number of a message, which stands first in its line; 0 if a disk has lost that part."""
    head = line[: len(_HEAD) + _MOST_DIGITS].removeprefix(_HEAD).partition(b",")[0]
    return int(head) if head.isdigit() else 0
