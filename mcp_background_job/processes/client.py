"""Tells the conversations of a client apart by their process: many clients have one process per conversation."""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path

from mcp_background_job.core.launchers import is_launcher
from mcp_background_job.jobdir.boot import boot_id
from mcp_background_job.kernel import proc

#: Fields 4 and 22 of proc(5)'s stat, counted from behind the name in parentheses.
_PARENT, _START = 1, 19

#: No client has more launchers in a row.
_MAX_LAUNCHERS = 16

#: Characters of a boot's id that tell it from another.
_BOOT = 8


def conversation_of(pid: int) -> str:
    """Return the identity of the process with this pid, which no other process ever has; empty if it is gone."""
    start = _start_of(pid)
    return "" if start is None else f"{pid}-{start}-{boot_id()[:_BOOT]}"


def goes_on(conversation: str) -> bool:
    """Tell whether the process of a conversation is alive."""
    pid = conversation.partition("-")[0]
    return pid.isdecimal() and conversation_of(int(pid)) == conversation


def own_conversation() -> str:
    """Return the conversation of the client that started this process; empty if the client has ended already."""
    return _conversation_of_parent(os.getppid())


# Every call needs it. No process gets the parent's pid before the parent has died, and then this process has another.
@functools.cache
def _conversation_of_parent(parent: int) -> str:
    return "" if parent <= 1 else conversation_of(parent)  # a process whose client has ended has no conversation


def client_of(conversation: str) -> str:
    """Return the conversation of the client itself, if a launcher has started a server or a hook for it.

    The process of a conversation is the one that started the server, perhaps ``uvx`` or a shell. Everything that a
    client runs has the same client. Empty if the process is gone.
    """
    pid = conversation.partition("-")[0]
    if not pid.isdecimal() or not goes_on(conversation):
        return ""
    now = int(pid)
    for _ in range(_MAX_LAUNCHERS):
        argv, parent = _facts_of(now)
        if parent <= 1 or not is_launcher(argv):
            break
        now = parent
    return conversation_of(now)


def _facts_of(pid: int) -> tuple[list[str], int]:
    """Return a process's arguments and its parent; none and 0 if it is gone."""
    if sys.platform != "linux":
        return _facts_by_psutil(pid)
    try:
        argv = Path(f"/proc/{pid}/cmdline").read_bytes()
        _, fields = proc.parted(Path(f"/proc/{pid}/stat").read_bytes())
    except (FileNotFoundError, ProcessLookupError):
        return [], 0
    return argv.decode(errors="replace").rstrip("\0").split("\0"), int(fields[_PARENT])


def _start_of(pid: int) -> str | None:
    if sys.platform != "linux":
        return _start_by_psutil(pid)
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    _, fields = proc.parted(stat)
    return fields[_START].decode()


def _start_by_psutil(pid: int) -> str | None:
    import psutil  # noqa: PLC0415  70 ms that no server on Linux needs for this

    try:
        return f"{psutil.Process(pid).create_time():.2f}"
    except psutil.NoSuchProcess:
        return None


def _facts_by_psutil(pid: int) -> tuple[list[str], int]:
    import psutil  # noqa: PLC0415  see above

    try:
        process = psutil.Process(pid)
        return process.cmdline(), process.ppid()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return [], 0
