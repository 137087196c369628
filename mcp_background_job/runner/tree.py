"""The processes of a job, and how to signal each of them without ever meeting a stranger.

Two ways lead to them. A living runner is the parent or the subreaper of all of them, so parent links from the runner
reach every one, whatever sessions and groups they made for themselves. When the runner is dead there is no such root;
then the cookie in their environment tells them, together with their descendants and the sessions that they lead.

Between reading about a process and signalling it, it may die and its pid be given to somebody else. So a process is
remembered with its start time, and the signal goes through a descriptor of the process (pidfd) that was opened first
and checked afterwards: if the start time still matches, the descriptor cannot mean anybody else.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Collection
from typing import NamedTuple

from mcp_background_job.jobdir.layout import COOKIE_VARIABLE
from mcp_background_job.runner import proc


class Process(NamedTuple):
    """A process as it was seen.

    Attributes:
        pid: its pid.
        parent: pid of its parent.
        session: number of its session.
        state: the kernel's letter for what it does.
        start: in clock ticks since boot, which with the pid tells it from all others.
        cpu: clock ticks that it has used, and those of its children that it has collected the exit status of.
    """

    pid: int
    parent: int
    session: int
    state: str
    start: int
    cpu: int = 0

    @property
    def is_alive(self) -> bool:
        """Whether it is more than an exit status that nobody has collected."""
        return self.state not in "ZX"


def descendants(root: int) -> list[Process]:
    """Return all living descendants of a process, parents before children."""
    found: list[Process] = []
    todo = [root]
    while todo:
        for pid in _children(todo.pop(0)):
            todo.append(pid)
            process = look_up(pid)
            if process and process.is_alive:
                found.append(process)
    return found


def carriers(cookie: str, known: Collection[int] = ()) -> list[Process]:
    """Return all living processes of this user that carry the cookie, with their descendants and session mates.

    This process is left out, and so are those that the caller knows already.
    """
    marker = f"{COOKIE_VARIABLE}={cookie}".encode()
    passed_over = {os.getpid(), *known}
    found = {pid for pid in _all_pids() if pid not in passed_over and _carries(pid, marker)}
    if not found:
        return []
    everyone = _all_processes()
    # Sessions are made by their leader alone and are never joined from outside, so a session that a process of the
    # job leads holds nobody but the job's own.
    sessions = {process.session for process in everyone if process.pid in found and process.session in found}
    while more := {p.pid for p in everyone if p.pid not in found and (p.parent in found or p.session in sessions)}:
        found |= more
    return [p for p in everyone if p.pid in found and p.is_alive and p.pid not in passed_over]


def send(process: Process, number: int) -> bool:
    """Signal exactly this process; returns whether it was there to be signalled."""
    try:
        if not hasattr(os, "pidfd_open"):
            return _send_by_pid(process, number)
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return False
    except OSError:  # an old kernel, or a sandbox that forbids pidfd_open
        return _send_by_pid(process, number)
    try:
        now = look_up(process.pid)
        if now is None or now.start != process.start:
            return False
        signal.pidfd_send_signal(descriptor, number)
    except (ProcessLookupError, PermissionError):
        return False
    finally:
        os.close(descriptor)
    return True


def look_up(pid: int) -> Process | None:
    """Return what the kernel says of a process; ``None`` if it is gone."""
    if sys.platform != "linux":
        return next((process for process in _ps() if process.pid == pid), None)
    try:
        stat = proc.read(f"/proc/{pid}/stat")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name stands in parentheses and may itself hold spaces and parentheses: proc(5)
    rest = stat[stat.rindex(b")") + 2 :].split()
    return Process(
        pid=pid,
        parent=int(rest[1]),
        session=int(rest[3]),
        state=rest[0].decode(),
        start=int(rest[19]),
        cpu=sum(map(int, rest[11:15])),
    )


def _send_by_pid(process: Process, number: int) -> bool:
    now = look_up(process.pid)
    if now is None or now.start != process.start:
        return False
    try:
        os.kill(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


#: Kernels may be built without the list of children in /proc; then parents are looked up from the children.
_HAS_CHILDREN = os.path.exists(f"/proc/self/task/{os.getpid()}/children")


def _children(pid: int) -> list[int]:
    if not _HAS_CHILDREN:
        return [process.pid for process in _all_processes() if process.parent == pid]
    children: list[int] = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                children += map(int, proc.read(f"/proc/{pid}/task/{task}/children").split())
    return children


def _all_pids() -> list[int]:
    if sys.platform != "linux":
        return [process.pid for process in _ps()]
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def _all_processes() -> list[Process]:
    if sys.platform != "linux":
        return _ps()
    return [process for pid in _all_pids() if (process := look_up(pid))]


def _carries(pid: int, marker: bytes) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return marker in file.read().split(b"\0")
    except OSError:  # gone, or another user's: not ours to judge
        return False


def _ps() -> list[Process]:
    """Where there is no /proc. Start times have seconds there, and environments are not to be had."""
    import subprocess  # noqa: PLC0415  only here: it would cost every runner on Linux memory
    import time  # noqa: PLC0415

    listing = subprocess.run(
        ["/bin/ps", "-A", "-o", "pid=,ppid=,sess=,state=,lstart="], capture_output=True, text=True, check=True
    ).stdout
    found: list[Process] = []
    for line in listing.splitlines():
        pid, parent, _, state, *started = line.split()
        begun = int(time.mktime(time.strptime(" ".join(started), "%a %b %d %H:%M:%S %Y")))
        found.append(Process(int(pid), int(parent), 0, state[0], begun))
    return found
