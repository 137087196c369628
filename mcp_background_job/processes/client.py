"""Tells the conversations of a client apart by its process: many clients have one process per conversation."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from mcp_background_job.jobdir.boot import boot_id
from mcp_background_job.kernel import proc

#: Field 22 of proc(5)'s stat, counted from behind the name in parentheses.
_START = 19

#: So much of a boot's id tells it from another.
_BOOT = 8


def conversation_of(pid: int) -> str:
    """Return what tells this process from all others that were or will be; empty if it is gone."""
    start = _start_of(pid)
    return "" if start is None else f"{pid}-{start}-{boot_id()[:_BOOT]}"


def goes_on(conversation: str) -> bool:
    """Tell whether the process of a conversation lives."""
    pid = conversation.partition("-")[0]
    return pid.isdecimal() and conversation_of(int(pid)) == conversation


def own_conversation() -> str:
    """Return the conversation of the client that has started this process; empty if it has ended already."""
    parent = os.getppid()
    return "" if parent <= 1 else conversation_of(parent)  # the orphan of a client has no conversation


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
