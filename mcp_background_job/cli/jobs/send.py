"""``send``: text or keys for a job's stdin."""

from __future__ import annotations

import asyncio
import os
import sys

from mcp_background_job.cli import exit_codes
from mcp_background_job.cli.arguments import separated
from mcp_background_job.cli.session import changes, with_manager
from mcp_background_job.core.job import Job
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.jobs import keys as keyboard
from mcp_background_job.jobs.manager import JobManager

#: Bytes of piped input sent at once.
_PIECE = 64 * 1024

#: A job that has not read what it was sent gets more after this time (seconds).
_RETRY_S = 0.05


def send(
    job: str,
    text: str | None = None,
    /,
    *,
    keys: list[str] | None = None,
    no_newline: bool = False,
) -> int:
    r"""Send text, then keys, to a job that was started with --stdin pipe or --stdin pty.

    Without text and keys, stdin is sent unchanged.

    Args:
        job: Id or name of the job.
        text: What to send; a line end is added.
        keys: Keys such as enter, ctrl-c, up, tab, ctrl-\ or eof; with commas between, or repeated.
        no_newline: Add no line end to the text.
    """
    pressed = separated(keys)
    if text is None and not pressed:
        if sys.stdin.isatty():
            raise InvalidRequestError("nothing to send: give a text, or --keys, or pipe something in")
        return with_manager(lambda manager: _send_piped(manager, job))
    return with_manager(lambda manager: _send(manager, job, text, pressed, newline=not no_newline))


async def _send(manager: JobManager, reference: str, text: str | None, keys: list[str], *, newline: bool) -> int:
    await keyboard.send(manager, await manager.find(reference, changes(manager)), text, keys, newline=newline)
    return exit_codes.OK


async def _send_piped(manager: JobManager, reference: str) -> int:
    job = await manager.find(reference, changes(manager))
    source = sys.stdin.fileno()
    while data := await _read(source):
        await _send_when_read(manager, job, data)
    return exit_codes.OK


async def _read(source: int) -> bytes:
    # Not in a thread: one that is stuck in a read would keep Ctrl-C from ending us.
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    try:
        loop.add_reader(source, ready.set)
    except PermissionError:  # a plain file, which is always ready
        return os.read(source, _PIECE)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(source)
    return os.read(source, _PIECE)


async def _send_when_read(manager: JobManager, job: Job, data: bytes) -> None:
    # As a pipe would, wait for a job that is slow to read.
    while True:
        try:
            await manager.send_input(job, data)
        except InvalidRequestError:
            await asyncio.sleep(_RETRY_S)
        else:
            return
