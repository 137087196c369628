"""Input for a job as a person at a terminal would give it: text, and keys."""

from __future__ import annotations

import signal
from collections.abc import Sequence

from mcp_background_job.core.job import Job
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.executors import lanes
from mcp_background_job.jobs.manager import JobManager

#: What a terminal sends for a key: ECMA-48 and xterm's control sequences.
KEYS: dict[str, bytes] = {
    "enter": b"\r",
    "tab": b"\t",
    "escape": b"\x1b",
    "backspace": b"\x7f",
    "space": b" ",
    "up": b"\x1b[A",
    "down": b"\x1b[B",
    "right": b"\x1b[C",
    "left": b"\x1b[D",
    "home": b"\x1b[H",
    "end": b"\x1b[F",
    "page-up": b"\x1b[5~",
    "page-down": b"\x1b[6~",
    "delete": b"\x1b[3~",
    "ctrl-c": b"\x03",
    "ctrl-d": b"\x04",
    "ctrl-z": b"\x1a",
    "ctrl-\\": b"\x1c",
}

#: Keys that mean something without a terminal too: the signals that a terminal would make of them, and a line's end.
_SIGNALS = {"ctrl-c": signal.SIGINT, "ctrl-\\": signal.SIGQUIT}
_ON_PIPE = {"enter": b"\n", "tab": b"\t", "space": b" "}
_END_OF_INPUT = ("eof", "ctrl-d")


async def send(manager: JobManager, job: Job, text: str | None, keys: Sequence[str], *, newline: bool = True) -> None:
    """Send text, then keys, to a job.

    Args:
        manager: of the job.
        job: the job.
        text: for its stdin; a line end is added unless it has one, or keys follow.
        keys: names from ``KEYS``, or ``eof``.
        newline: whether to add that line end.

    Raises:
        InvalidRequestError: a key is unknown, or means nothing without a terminal; nothing was sent.
    """
    spec = await lanes.look(manager.places.store_of(job.job_id).spec, job.job_id)
    on_terminal = spec is not None and spec.stdin == "pty"
    _check(keys, on_terminal=on_terminal)
    if text is not None:
        await manager.send_input(job, _line(text, newline=newline and not keys, on_terminal=on_terminal))
    for key in keys:
        if key in _END_OF_INPUT:
            await manager.send_input(job, b"", eof=True)
        elif not on_terminal and key in _SIGNALS:
            await manager.signal(job, _SIGNALS[key])
        else:
            await manager.send_input(job, (KEYS if on_terminal else _ON_PIPE)[key])


def _line(text: str, *, newline: bool, on_terminal: bool) -> bytes:
    ending = "\r" if on_terminal else "\n"  # the Enter key sends a carriage return
    return (text if not newline or text.endswith(("\n", "\r")) else text + ending).encode()


def _check(keys: Sequence[str], *, on_terminal: bool) -> None:
    for key in keys:
        if key not in KEYS and key != "eof":
            raise InvalidRequestError(f"key {key!r} is unknown: give {', '.join(sorted([*KEYS, 'eof']))}")
        if not on_terminal and key not in _ON_PIPE and key not in _SIGNALS and key not in _END_OF_INPUT:
            raise InvalidRequestError(f'key {key!r} means nothing without a terminal: start the job with stdin="pty"')
