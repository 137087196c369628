"""The processes of a job, and signals that reach each of them and never a stranger.

A living runner is the parent or the subreaper of all of them, so parent links from the runner reach every one, whatever
sessions and groups they made for themselves. If the runner is dead, there is no such root. Then the cookie in their
environment identifies them, with their descendants and the sessions that they lead.

The runner of another job never belongs to them, and neither does any process below it, wherever it is in the tree:
``jobdir.runners`` explains why, and how it is recognised.

A process may die between the look at it and the signal, and another may get its pid. So a process is remembered with
its start time, and ``exactly`` signals that process or none.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
from collections.abc import Iterable
from typing import NamedTuple

from mcp_background_job.jobdir import runners
from mcp_background_job.kernel import proc
from mcp_background_job.kernel.exactly import send_exactly

#: Seconds to wait for a process if the system has no descriptors of processes to wait on.
_BLIND_WAIT_S = 0.05


class Process(NamedTuple):
    """A process as a look found it.

    Attributes:
        pid: its pid.
        parent: pid of its parent.
        session: number of its session.
        state: the kernel's letter for its state.
        start: its start, in clock ticks since boot; no other process has this start and this pid.
        cpu: clock ticks that it has used, and those of its children whose exit status it has collected.
        name: the name that it gives itself, which may be any.
        group: number of its process group.
    """

    pid: int
    parent: int
    session: int
    state: str
    start: int
    cpu: int = 0
    name: str = ""
    group: int = 0

    @property
    def is_alive(self) -> bool:
        """Whether it is more than an uncollected exit status."""
        return self.state not in "ZX"

    @property
    def is_suspended(self) -> bool:
        """Whether a signal has stopped it, as ``kill -STOP`` does."""
        return self.state == "T"

    @property
    def may_become_runner(self) -> bool:
        """Whether it has the name of a runner.

        If it is no runner, it is a spawner, about to become a runner, or an imitator.
        """
        return runners.is_name_of_ours(self.name)

    @property
    def is_runner(self) -> bool:
        """Whether it is the runner of a job now."""
        return self.may_become_runner and runners.job_of(self.pid) is not None


def descendants(root: int) -> list[Process]:
    """Return all living descendants of a process, parents before children; without runners and those below them."""
    return _walk(root)[0]


def runners_below(root: int) -> list[Process]:
    """Return the nearest runners below a process: those without another runner in between."""
    return _walk(root)[1]


def _walk(root: int) -> tuple[list[Process], list[Process]]:
    members: list[Process] = []
    others: list[Process] = []
    todo = [root]
    while todo:
        for process in children(todo.pop(0)):
            if process.is_runner:
                others.append(process)
                continue
            todo.append(process.pid)
            if process.is_alive:
                members.append(process)
    return members, others


def children(pid: int) -> list[Process]:
    """Return the children of a process, including dead ones whose status is not collected."""
    return [process for child in _children(pid) if (process := look_up(child))]


def all_pids() -> list[int]:
    """Return the pids of all processes; none if ``/proc`` is not mounted."""
    if sys.platform != "linux":
        return [process.pid for process in _ps()]
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    except FileNotFoundError:
        return []


def send(process: Process, number: int) -> bool:
    """Signal exactly this process, unless it has become a runner; returns whether it could be signalled."""
    # This looks again, since the process may have taken its lock after it was listed. If it takes the lock between this
    # line and the signal, it has not reported yet that it owns the job (unless this thread is held up for
    # milliseconds). Its job is then like one without an owner, and the next process that serves the queue starts it.
    now = look_up(process.pid)
    return now is not None and not now.is_runner and send_to_any(process, number)


def send_to_any(process: Process, number: int) -> bool:
    """Signal exactly this process, even a runner; returns whether it could be signalled."""

    def is_still() -> bool:
        now = look_up(process.pid)
        return now is not None and now.start == process.start

    return send_exactly(process.pid, number, is_still=is_still)


def wait_for_any(pids: Iterable[int], timeout_s: float) -> None:
    """Return when one of these processes ends or has ended, or after ``timeout_s``. Blocks the thread."""
    poll = select.poll()
    descriptors: list[int] = []
    try:
        for pid in pids:
            with contextlib.suppress(OSError, AttributeError):  # it has just ended, or there are no such descriptors
                descriptors.append(os.pidfd_open(pid))
                poll.register(descriptors[-1], select.POLLIN)
        if not descriptors:
            timeout_s = min(timeout_s, _BLIND_WAIT_S)
        poll.poll(max(0.0, timeout_s) * 1000)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def look_up(pid: int) -> Process | None:
    """Return the kernel's facts about a process; ``None`` if it is gone."""
    if sys.platform != "linux":
        return next((process for process in _ps() if process.pid == pid), None)
    try:
        stat = proc.read(f"/proc/{pid}/stat")
    except (FileNotFoundError, ProcessLookupError):
        return None
    name, rest = proc.parted(stat)
    return Process(
        pid=pid,
        parent=int(rest[1]),
        session=int(rest[3]),
        state=rest[0].decode(),
        start=int(rest[19]),
        cpu=sum(map(int, rest[11:15])),
        name=name,
        group=int(rest[2]),
    )


#: Kernels may be built without the list of children in /proc; then children are found by their parents.
_HAS_CHILDREN = os.path.exists(f"/proc/self/task/{os.getpid()}/children")


def _children(pid: int) -> list[int]:
    if not _HAS_CHILDREN:
        return [process.pid for process in all_processes() if process.parent == pid]
    children: list[int] = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                children += map(int, proc.read(f"/proc/{pid}/task/{task}/children").split())
    return children


def all_processes() -> list[Process]:
    """Return all processes, including dead ones whose status is not collected."""
    if sys.platform != "linux":
        return _ps()
    return [process for pid in all_pids() if (process := look_up(pid))]


def _ps() -> list[Process]:
    """Return all processes on a system without /proc.

    Start times have a resolution of seconds; there are no environments.
    """
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
