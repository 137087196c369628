"""All processes of this machine at one moment, and a signal that reaches exactly the process that was seen.

A process may die between the look at it and the signal, and another may get its pid. So a process is identified by pid
and start time (to the hundredth of a second, within which no pid is reused), and ``kernel.exactly`` signals it or none.

On Linux one short file is read per process, which matters in a race with processes that fork; elsewhere psutil looks.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterable
from typing import NamedTuple

import psutil

from mcp_background_job.jobdir import runners
from mcp_background_job.kernel import proc
from mcp_background_job.kernel.exactly import send_exactly
from mcp_background_job.kernel.tree import wait_for_any

#: How often pids that came during a listing are read. One round takes a tenth of a millisecond and a fork takes longer,
#: so a few are enough. A machine on which processes end all the time needs more than this limit.
_CHASES = 50


class Seen(NamedTuple):
    """A process at the time of a look.

    Attributes:
        pid: its pid.
        birth: its start; no other process has this start and this pid. Clock ticks since boot on Linux, which no change
            of the clock moves; seconds since the epoch elsewhere.
        parent: pid of its parent.
        group: number of its process group; a group's leader has it as its pid.
        session: number of its session, likewise.
        alive: whether it is more than an uncollected exit status.
        name: the name that it gives itself, which may be any.
    """

    pid: int
    birth: float
    parent: int
    group: int
    session: int
    alive: bool
    name: str = ""


class Census(NamedTuple):
    """All processes, including dead ones whose status is not collected.

    Attributes:
        processes: by pid.
        settled: whether none can have been missed. It is false if processes that fork and end came and went during the
            whole look.
    """

    processes: dict[int, Seen]
    settled: bool


def everyone() -> Census:
    """Return all processes.

    It first lists the pids and then reads each process. A process that forks and ends in between is missed, and so is
    its child: the process is gone, and the child was not listed. So if a process is gone or dead, the new pids are read
    at once, until all processes of a round are alive.
    """
    met: dict[int, Seen] = {}
    for _ in range(_CHASES):
        settled = True
        for pid in psutil.pids():
            if pid not in met:
                seen = look_up(pid)
                settled = settled and seen is not None and seen.alive
                if seen:
                    met[pid] = seen
        if settled:
            return Census(met, settled=True)
    return Census(met, settled=False)


def look_up(pid: int) -> Seen | None:
    """Return the process that has this pid now; ``None`` if there is none."""
    if sys.platform != "linux":
        return _look_up_by_psutil(pid)
    try:
        stat = proc.read(f"/proc/{pid}/stat")
    except (FileNotFoundError, ProcessLookupError):
        return None
    name, rest = proc.parted(stat)
    # A main thread that has ended is a zombie while other threads of the process go on.
    alive = rest[0] not in (b"Z", b"X") or int(rest[17]) > 1
    return Seen(pid, int(rest[19]), int(rest[1]), int(rest[2]), int(rest[3]), alive, name)


def _look_up_by_psutil(pid: int) -> Seen | None:
    # The process comes first, its facts come afterwards: psutil raises if another got the pid in between.
    with contextlib.suppress(psutil.Error, ProcessLookupError, PermissionError):
        process = psutil.Process(pid)
        group, session = os.getpgid(pid), os.getsid(pid)
        alive = process.status() != psutil.STATUS_ZOMBIE
        return Seen(pid, process.create_time(), process.ppid(), group, session, alive)
    return None


def is_runner(seen: Seen) -> bool:
    """Tell whether a process is the runner of a job: it and its job then belong to no other family."""
    return runners.is_name_of_ours(seen.name) and runners.job_of(seen.pid) is not None


def real_user(seen: Seen) -> int | None:
    """Return the real user id of a process; ``None`` if it is gone."""
    try:
        return psutil.Process(seen.pid).uids().real
    except psutil.Error:
        return None


def send(seen: Seen, number: int) -> bool:
    """Signal exactly this process; returns whether it was there, and this process allowed, to be signalled."""

    def is_still() -> bool:
        now = look_up(seen.pid)
        return now is not None and now.birth == seen.birth

    return send_exactly(seen.pid, number, is_still=is_still)


def wait_for_all(processes: Iterable[Seen], timeout_s: float) -> None:
    """Return when all of these processes have ended, or after ``timeout_s``. Blocks the thread."""
    deadline = time.monotonic() + timeout_s
    left = list(processes)
    while True:
        left = [now for seen in left if (now := look_up(seen.pid)) and now.birth == seen.birth and now.alive]
        if not left or (remaining := deadline - time.monotonic()) <= 0:
            return
        wait_for_any([seen.pid for seen in left], remaining)
