"""Sends a job input as a person at a terminal would give it: text, and keys."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence

from mcp_background_job.core.dialogue.keys import bytes_of, plain_name
from mcp_background_job.core.job import Job
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.executors import lanes
from mcp_background_job.jobdir.layout import RUN_ID_VARIABLE
from mcp_background_job.jobs.manager import JobManager

#: Keys that mean something without a terminal too: the signals that a terminal would make of them, and a line's end.
_SIGNALS = {"ctrl-c": signal.SIGINT, "ctrl-\\": signal.SIGQUIT}
_ON_PIPE = {"enter": b"\n", "tab": b"\t", "space": b" "}
_END_OF_INPUT = ("eof", "ctrl-d")

#: A terminal that hands over whole lines drops what is beyond this: N_TTY_BUF_SIZE in the kernel, less the line's end.
MAX_LINE = 4095

_LINE_END = re.compile(rb"[\r\n\x04]")


async def send(manager: JobManager, job: Job, text: str | None, keys: Sequence[str], *, newline: bool = True) -> str:
    """Send text, then keys, to a job; returns what was sent of the text, with its line's end.

    Args:
        manager: of the job.
        job: the job.
        text: for its stdin; a line end is added unless it has one, or keys follow.
        keys: as in ``core.dialogue.keys``, or ``eof``.
        newline: whether to add that line end.

    Raises:
        InvalidRequestError: a key is unknown, or means nothing without a terminal, or a line is longer than a terminal
            takes, or the job is a run of an agent; nothing was sent.
    """
    spec = await lanes.look(manager.places.store_of(job.job_id).spec, job.job_id)
    if spec is not None and (run_id := spec.env.get(RUN_ID_VARIABLE)):
        # Agents read a protocol of their own: a line of anybody's ends some of them.
        raise InvalidRequestError(
            f"job {job.label} is run {run_id} of an agent, which takes no lines or keys: nothing was sent; "
            "continue_run answers what it asks, cancel_run ends it"
        )
    on_terminal = spec is not None and spec.stdin == "pty"
    names = [plain_name(key) for key in keys]
    _check(names, on_terminal=on_terminal)
    line = "" if text is None else _line(text, newline=newline and not keys, on_terminal=on_terminal)
    data = line.encode(errors="surrogateescape")
    if on_terminal and max(map(len, _LINE_END.split(data))) > MAX_LINE:
        await _check_length(manager, job, data)
    if text is not None:
        await manager.send_input(job, data)
    for key in names:
        if key in _END_OF_INPUT:
            await manager.send_input(job, b"", eof=True)
        elif not on_terminal and key in _SIGNALS:
            await manager.signal(job, _SIGNALS[key])
        else:
            await manager.send_input(job, bytes_of(key) if on_terminal else _ON_PIPE.get(key, key.encode()))
    return line


def _line(text: str, *, newline: bool, on_terminal: bool) -> str:
    ending = "\r" if on_terminal else "\n"  # the Enter key sends a carriage return
    return text if not newline or text.endswith(("\n", "\r")) else text + ending


def _check(keys: Sequence[str], *, on_terminal: bool) -> None:
    for key in keys:
        if key != "eof":
            bytes_of(key)
        means_something = len(key) == 1 or key in _ON_PIPE or key in _SIGNALS or key in _END_OF_INPUT
        if not on_terminal and not means_something:
            raise InvalidRequestError(f'key {key!r} means nothing without a terminal: start the job with stdin="pty"')


async def _check_length(manager: JobManager, job: Job, data: bytes) -> None:
    """Refuse a line that the job's terminal would cut: one that gives characters as they come does not."""
    waits = await manager.places.waits(job.job_id)
    if waits is not None and waits.mode == "raw":
        return
    longest = max(map(len, _LINE_END.split(data)))
    raise InvalidRequestError(
        f"the input has a line of {longest:,} bytes, and the terminal of job {job.label} now takes whole lines of at "
        f"most {MAX_LINE:,}: nothing was sent. Send it in lines, write it to a file that the job reads, or start the "
        'job with stdin="pipe"'
    )
