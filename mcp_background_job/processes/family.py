"""Ends a process that this program did not start, together with all that it started.

There is no subreaper whose ``waitpid`` would show that no process is left, and no cookie in the environment. These
decide, in this order, which processes belong:

* parent links: the descendants of a process of the family;
* sessions and process groups that a process of the family leads. Only its leader makes a session, and no process joins
one from outside; only its members or their parents put processes into a group. So orphans that init adopted long ago
are found, as long as they stayed in the session.

Parent links end with the parent. So all are collected before the first signal and followed by identity (pid and start
time). Before each round of SIGKILL all are suspended until no new one turns up: a suspended process neither forks nor
ends and leaves orphans. Processes that fork and end faster than they can be listed are suspended by their group: the
kernel suspends all members at one moment.

The runner of a job and its processes belong to no family, even if a server in the family has launched it.

A daemon is not found if it left both its parents and the family's sessions before the first look. Nothing tells it from
a stranger.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time

from mcp_background_job.core.values import frozen
from mcp_background_job.kernel.tree import wait_for_any
from mcp_background_job.processes import census
from mcp_background_job.processes.census import Seen
from mcp_background_job.processes.wrapper import ProcessWrapper

#: While the polite signal works, the family is listed this often: a process that lives longer than this before its
#: parent ends is then known. A listing takes a few milliseconds.
_LOOK_AGAIN_S = 0.1

#: Time between two rounds of SIGKILL. A killed process is gone within microseconds; only uninterruptible sleep lasts
#: this long.
_KILL_ROUND_S = 0.05

#: How long the number of a session or group is trusted after the family was last known to have it. The kernel reuses a
#: number only after its last member is gone and all other pids were used, which takes longer than this at any known
#: rate. Members that live too briefly to be seen exceed it, and so does a pause of this process.
_TRUST_S = 2.0

#: The kernel and init belong to no family.
_SPARED_ALWAYS = frozenset({0, 1})


@frozen
class Ended:
    """The result for a family.

    Attributes:
        stopped: pids of its dead processes, in the order in which they were found.
        survivors: pids of its living processes: SIGKILL did not end them in time, or they are another user's.
        certain: whether the last look can have missed none; false if processes of the family forked and ended faster
            than they were caught until the patience was over.
    """

    stopped: tuple[int, ...]
    survivors: tuple[int, ...]
    certain: bool = True


def end_family(process: ProcessWrapper, *, grace_s: float, patience_s: float) -> Ended:
    """End a process and everything it started; blocks the thread for at most about ``grace_s + patience_s``.

    Args:
        process: the head of the family. If it has ended, none is signalled: its orphans cannot be told from strangers.
        grace_s: seconds between SIGTERM (with SIGCONT, for suspended processes) and the first SIGKILL; 0 or less skips
            SIGTERM.
        patience_s: seconds of SIGKILL after which a living process is a survivor.

    Returns:
        The dead processes, verified, and the living ones. Processes of other users are listed but never signalled.

    Raises:
        PermissionError: the process is this one or an ancestor of it, is pid 1, or belongs to another user.
    """
    head = process.look()
    if head is None:
        return Ended((), ())
    family = _Family(head)
    living = family.look()
    if grace_s > 0:
        for seen in living:
            census.send(seen, signal.SIGTERM)
            census.send(seen, signal.SIGCONT)  # a suspended process would not see the signal
        living = _wait_out(family, living, time.monotonic() + grace_s)
    deadline = time.monotonic() + patience_s
    while (living or family.may_hide_members) and time.monotonic() < deadline:
        for seen in _freeze(family, living, deadline):
            census.send(seen, signal.SIGKILL)
        census.wait_for_all(living, _KILL_ROUND_S)
        living = family.look()
    return family.result()


def _wait_out(family: _Family, living: list[Seen], deadline: float) -> list[Seen]:
    while (living or family.may_hide_members) and (left := deadline - time.monotonic()) > 0:
        wait_for_any([seen.pid for seen in living], min(left, _LOOK_AGAIN_S))
        living = family.look()
    return living


def _freeze(family: _Family, living: list[Seen], deadline: float) -> list[Seen]:
    """Suspend all until a look finds no new one: a child's parent is then alive and shows whose child it is."""
    frozen: set[tuple[int, float]] = set()
    family.suspend_groups()
    while (new := [seen for seen in living if seen[:2] not in frozen]) and time.monotonic() < deadline:
        for seen in new:
            census.send(seen, signal.SIGSTOP)
            frozen.add(seen[:2])
        living = family.look()
    _let_go(frozen - {seen[:2] for seen in living})
    return living


def _let_go(suspended: set[tuple[int, float]]) -> None:
    """Wake processes that are not of the family after all: they became runners between the look and the signal."""
    for pid, birth in suspended:
        now = census.look_up(pid)
        if now and now.birth == birth:
            census.send(now, signal.SIGCONT)


class _Family:
    """The members of the family, kept up to date by further looks."""

    def __init__(self, head: Seen) -> None:
        self._everyone = census.everyone().processes
        if head.pid in _spared(self._everyone):
            raise PermissionError(f"process {head.pid} is init, this process or one that it descends from")
        if census.real_user(head) not in (os.getuid(), None):
            raise PermissionError(f"process {head.pid} belongs to another user, and is not signalled")
        self._members: dict[tuple[int, float], Seen] = {head[:2]: head}
        self._foreign: set[tuple[int, float]] = set()
        #: The family's sessions and groups, and when each was last known to be.
        self._sessions: dict[int, float] = {}
        self._groups: dict[int, float] = {}
        #: Whether a session or group was lost sight of.
        self._lost = False
        #: Whether members may live although the last look has found none: they fork and end faster than they are
        #: listed.
        self.may_hide_members = False

    def look(self) -> list[Seen]:
        """Look for members, including new ones; returns the living ones that may be signalled."""
        now = time.monotonic()
        everyone, settled = census.everyone()
        self._everyone = everyone
        spared = _spared(everyone)
        self._dismiss_runners()
        known = {seen.pid for seen in everyone.values() if seen[:2] in self._members}
        sessions = self._trusted(self._sessions, {everyone[pid].session for pid in known}, now)
        groups = self._trusted(self._groups, {everyone[pid].group for pid in known}, now)
        found = set(known)
        while True:
            sessions |= {pid for pid in found if everyone[pid].session == pid}
            # All processes of a group are of one session, so the groups of the family's sessions are the family's.
            groups |= {pid for pid in found if everyone[pid].group == pid}
            groups |= {everyone[pid].group for pid in found if everyone[pid].session in sessions}
            # The session and group of this process do not belong to the family alone.
            sessions.discard(os.getsid(0))
            groups.discard(os.getpgrp())
            more = {
                seen.pid
                for seen in everyone.values()
                if seen.pid not in found
                and seen.pid not in spared
                and (seen.parent in found or seen.session in sessions or seen.group in groups)
                and not census.is_runner(seen)
            }
            if not more:
                break
            found |= more
        for pid in sorted(found - known):
            self._admit(everyone[pid])
        self._remember(self._sessions, sessions, {everyone[pid].session for pid in found}, now, settled=settled)
        occupied = {number for number in groups if _is_occupied(number)}
        self._remember(self._groups, groups & occupied, occupied, now, settled=settled)
        self.may_hide_members = not settled and bool(self._sessions or self._groups)
        return [everyone[pid] for pid in sorted(found) if self._may_be_ended(everyone[pid])]

    def suspend_groups(self) -> None:
        """Suspend the groups of the family with all their present members, but no group that holds others too."""
        spared = _spared(self._everyone)
        others = {self._everyone[pid].group for pid in spared if pid in self._everyone}
        others |= {seen.group for seen in self._everyone.values() if seen[:2] in self._foreign}
        for number in self._groups.keys() - others:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(number, signal.SIGSTOP)

    def result(self) -> Ended:
        """Sort the members into dead and living, by a last look at each."""
        stopped: list[int] = []
        survivors: list[int] = []
        for pid, birth in self._members:
            now = census.look_up(pid)
            lives = now is not None and now.birth == birth and now.alive
            (survivors if lives else stopped).append(pid)
        return Ended(tuple(stopped), tuple(survivors), certain=not (self.may_hide_members or self._lost))

    def _admit(self, seen: Seen) -> None:
        self._members[seen[:2]] = seen
        if census.real_user(seen) not in (os.getuid(), None):
            self._foreign.add(seen[:2])

    def _dismiss_runners(self) -> None:
        """Remove members that were no runners yet when they were added."""
        for seen in list(self._members.values()):
            now = self._everyone.get(seen.pid)
            if now and now.birth == seen.birth and census.is_runner(now):
                del self._members[seen[:2]]

    def _may_be_ended(self, seen: Seen) -> bool:
        return seen.alive and seen[:2] not in self._foreign

    def _trusted(self, numbers: dict[int, float], held: set[int], now: float) -> set[int]:
        """Return the numbers that are still the family's.

        A number is the family's while a member has it. All members may be new at each look if they fork and end, so it
        stays trusted for a moment, unless an unknown process has it: then the session was empty in between, and the
        number belongs to others.
        """
        trusted = {number for number in numbers if number in held}
        for number in numbers.keys() - held - self._everyone.keys():
            if now - numbers[number] < _TRUST_S:
                trusted.add(number)
            else:
                self._lost = True
        return trusted

    @staticmethod
    def _remember(numbers: dict[int, float], trusted: set[int], met: set[int], now: float, *, settled: bool) -> None:
        """Keep the numbers of found processes, and, with their old times, those in which one may have been missed."""
        kept = {number: numbers.get(number, now) for number in trusted if not settled}
        numbers.clear()
        numbers.update(kept | dict.fromkeys(trusted & met, now))


def _is_occupied(group: int) -> bool:
    """Tell whether a process group has any member, even a dead one whose status is not collected."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _spared(everyone: dict[int, Seen]) -> frozenset[int]:
    """Return the pids that are never signalled: this process, its ancestors, and init."""
    spared = set(_SPARED_ALWAYS)
    pid = os.getpid()
    while pid not in spared:
        spared.add(pid)
        seen = everyone.get(pid) or census.look_up(pid)
        pid = seen.parent if seen else 0
    return frozenset(spared)
