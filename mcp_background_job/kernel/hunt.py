"""Finds the processes that carry the cookie of a job, although processes fork and end while they are listed.

Each look first lists the pids, and then reads each process. A process that forks and ends in between is missed, and so
is its child: the process is gone, and the child was not listed. So a look lists again and reads only the new pids,
until every process was still there when it was read. New pids are larger than old ones, so a process that is born
during a listing is still ahead of it. But pids start again from the bottom now and then. So the job counts as empty
only if several looks in a row find nothing.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections import Counter
from collections.abc import Callable, Collection

from mcp_background_job.jobdir.layout import COOKIE_VARIABLE
from mcp_background_job.kernel import proc, tree

#: How often one look reads the pids that came during a listing. One round takes less than a millisecond, and a few are
#: enough. A machine on which processes end all the time needs more than this limit.
_CHASES = 50

#: Looks in a row, without a find and without a possible miss, until the job counts as empty. Pids cannot start again
#: from the bottom within each of them.
_LOOKS_TO_BE_SURE = 3

#: How often an empty environment is read until it counts as empty: it is empty for an instant while a process executes
#: another program, or ends.
_READS_OF_NOTHING = 3


class Hunt:
    """The processes that carry a cookie, their descendants, and the members of the sessions that they lead.

    Attributes:
        is_over: none of them is alive, as several looks in a row have shown.
        met: the pids of all that were ever found alive.
    """

    def __init__(self, cookie: str, session: int = 0) -> None:
        """Begins without a look.

        Args:
            cookie: the cookie of the job.
            session: number of the session that its command led, 0 if unknown. It is the job's while a carrier is in it.
        """
        self.is_over = False
        self.met: set[int] = set()
        self._marker = _marker(cookie)
        self._session = session
        self._sessions: set[int] = set()
        self._members: set[tuple[int, int]] = set()
        self._looks_in_vain = 0

    def look(self, *, kill: bool = False) -> list[tree.Process]:
        """Return the living ones.

        With ``kill``, send SIGKILL to each as it is found: one that forks and ends does not wait.
        """
        carriers, settled = _chase(self._marker, chases=_CHASES, meet=self._strike if kill else None)
        living: list[tree.Process] = []
        if carriers or self._members:
            others = _others()
            known = {pid for pid, process in others.items() if (pid, process.start) in self._members}
            found = known | (carriers & others.keys())
            sessions = {others[pid].session for pid in found}
            self._sessions = (self._sessions | {self._session} - {0}) & sessions
            living = _living(others, _closed(others, found, self._sessions))
        self._members |= {(process.pid, process.start) for process in living}
        self.met |= carriers | {process.pid for process in living}
        # A carrier that has ended since it was found may have left another.
        self._looks_in_vain = self._looks_in_vain + 1 if settled and not carriers and not living else 0
        self.is_over = self._looks_in_vain >= _LOOKS_TO_BE_SURE
        return living

    def _strike(self, pid: int) -> None:
        process = tree.look_up(pid)
        if process is None or process.may_become_runner:
            return
        # The kernel signals all of a group at one moment, also a process that is being forked. A group is part of a
        # session.
        if process.session in self._sessions:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.group, signal.SIGKILL)
        tree.send(process, signal.SIGKILL)


def can_look() -> bool:
    """Tell whether this system shows its processes; without ``/proc``, a hunt finds none."""
    return os.getpid() in tree.all_pids()


def carriers(cookie: str, known: Collection[int] = ()) -> list[tree.Process]:
    """Return the processes that one look finds, without those that the caller knows already."""
    found, _ = _chase(_marker(cookie), chases=1, passed_over=known)
    if not found:
        return []
    others = _others()
    closed = _closed(others, found & others.keys(), set())
    return [process for process in _living(others, closed) if process.pid not in known]


def _marker(cookie: str) -> bytes:
    return f"{COOKIE_VARIABLE}={cookie}".encode()


def _chase(
    marker: bytes, *, chases: int, meet: Callable[[int], None] | None = None, passed_over: Collection[int] = ()
) -> tuple[set[int], bool]:
    """Return the pids of all that carry the marker, without this process, and whether none can have been missed."""
    judged = {os.getpid(), *passed_over}
    carriers: set[int] = set()
    doubts: Counter[int] = Counter()
    settled = False
    for _ in range(chases):
        settled = True
        for pid in tree.all_pids():
            if pid in judged:
                continue
            verdict = _carries(pid, marker)
            if verdict is None:
                doubts[pid] += 1
                if doubts[pid] < _READS_OF_NOTHING:
                    settled = False
                    continue
            judged.add(pid)
            if verdict:
                carriers.add(pid)
                if meet:
                    meet(pid)
        if settled:
            break
    return carriers, settled


def _carries(pid: int, marker: bytes) -> bool | None:
    """Tell whether a process carries the marker; ``None`` if it is gone or dead, or if that is not clear yet."""
    try:
        data = proc.read(f"/proc/{pid}/environ")
    except PermissionError:  # another user's process: this one must not judge it
        return False
    except OSError:
        return None
    return marker in data.split(b"\0") if data else None


def _others() -> dict[int, tree.Process]:
    """Return all processes but the runners of other jobs."""
    return {process.pid: process for process in tree.all_processes() if not process.is_runner}


def _closed(others: dict[int, tree.Process], found: set[int], sessions: set[int]) -> set[int]:
    """Return ``found`` with descendants and session mates; add the sessions that they lead to ``sessions``."""
    # Only its leader makes a session, and no process joins one from outside. So a session that a process of the job
    # leads holds only processes of the job.
    while True:
        sessions |= {others[pid].session for pid in found if others[pid].session in found}
        more = {
            process.pid
            for process in others.values()
            if process.pid not in found and (process.parent in found or process.session in sessions)
        }
        if not more:
            return found
        found = found | more


def _living(others: dict[int, tree.Process], found: set[int]) -> list[tree.Process]:
    return [others[pid] for pid in sorted(found) if others[pid].is_alive and pid != os.getpid()]
