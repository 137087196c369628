"""Whether a job waits for input: what its processes do at their end of its stdin, as the kernel reports it.

A process that sleeps in ``read`` of that end waits for nothing else. A process that sleeps in ``poll`` or a similar
call, and has that end open, may wait for it: a prompt at the end of the output then makes that likely. The runner is
the parent or an ancestor of all these processes, so the kernel answers it unless they are another user's.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
import termios
from typing import NamedTuple

from mcp_background_job.kernel import proc
from mcp_background_job.kernel.tree import Process

#: At most this many threads of the job are looked at.
_MAX_THREADS = 256

#: At most this many descriptors of a process are looked at, from the first on: a program opens its terminal early.
_MAX_DESCRIPTORS = 32

#: By machine: the numbers of read and readv, then of poll, select and epoll in their forms. From <asm/unistd.h>
_CALLS = {
    "x86_64": ({0, 19}, {7, 23, 232, 270, 271, 281, 441}),
    "aarch64": ({63, 65}, {22, 72, 73, 441}),
}
_READS, _POLLS = _CALLS.get(os.uname().machine, (set[int](), set[int]()))

#: The index of the local modes in tcgetattr's list.
_LOCAL_MODES = 3

#: Controlling terminals are opened by this name too.
_OWN_TERMINAL = "/dev/tty"


class Ends(NamedTuple):
    """This process's end of the job's stdin, and the names of the other end in /proc.

    Attributes:
        ours: descriptor of this end.
        theirs: targets of links in /proc/PID/fd that mean the other end.
        is_terminal: whether it is a terminal.
    """

    ours: int
    theirs: frozenset[str]
    is_terminal: bool

    @classmethod
    def of(cls, descriptor: int, terminal: str | None) -> Ends:
        """Find the names for the other end of a descriptor: of a pipe, or of this terminal."""
        if terminal is None:
            return cls(descriptor, frozenset({f"pipe:[{os.fstat(descriptor).st_ino}]"}), is_terminal=False)
        return cls(descriptor, frozenset({terminal, _OWN_TERMINAL}), is_terminal=True)

    def unread(self) -> int:
        """Return how many bytes the job has not read yet; 0 for a terminal, where that is unknown."""
        if self.is_terminal:
            return 0
        return struct.unpack("i", fcntl.ioctl(self.ours, termios.FIONREAD, bytes(4)))[0]

    def mode(self) -> str:
        """Return ``pipe``; for a terminal ``line`` if it hands over whole lines, of limited length, or else ``raw``."""
        if not self.is_terminal:
            return "pipe"
        return "line" if termios.tcgetattr(self.ours)[_LOCAL_MODES] & termios.ICANON else "raw"

    def may_be_read_by(self, process: Process) -> bool:
        """Tell whether a process may read it: on a terminal, those in the foreground, and those of other sessions."""
        if not self.is_terminal:
            return True
        try:
            foreground = os.tcgetpgrp(self.ours)
            # For another session, as that of ``su -c``, the terminal ignores what is in the foreground.
            return os.getpgid(process.pid) == foreground or os.getsid(process.pid) != os.getsid(foreground)
        except OSError:
            return False


class Waiter(NamedTuple):
    """The state of a job's reading.

    Attributes:
        how: ``read``: it waits in a read of its stdin. ``poll``: it sleeps, and its stdin may be among the things that
            wake it. ``no``: it does something else. ``unknown``: the kernel does not say.
        block: a text that changes when the reader has woken up.
    """

    how: str
    block: str = ""


NOBODY = Waiter("no")


def who_waits(ends: Ends, living: list[Process]) -> Waiter:
    """Find out whether a process of the job waits for its stdin."""
    found = NOBODY
    left = _MAX_THREADS
    for process in living:
        if left <= 0 or process.state not in "SR" or not ends.may_be_read_by(process):
            continue
        one, looked = _what_does(process.pid, ends, left)
        left -= looked
        if one.how == "read":
            return one
        if one.how == "poll" or (one.how == "unknown" and found.how == "no"):
            found = one
    return found


def _what_does(pid: int, ends: Ends, limit: int) -> tuple[Waiter, int]:
    found, looked = NOBODY, 0
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in os.listdir(f"/proc/{pid}/task")[:limit]:
            looked += 1
            try:
                call = proc.read(f"/proc/{pid}/task/{task}/syscall").split()
            except PermissionError:
                return _unknown(pid), looked
            number = int(call[0]) if call[0].lstrip(b"-").isdigit() else -1  # otherwise it is running
            if number in _READS and _is_one_of(pid, int(call[1], 16), ends.theirs):
                return Waiter("read", _block(pid, task)), looked
            if number in _POLLS and _holds_any(pid, ends.theirs):
                found = Waiter("poll", _block(pid, task))
            elif not _READS:
                found = _unknown(pid)
    return found, looked


def _unknown(pid: int) -> Waiter:
    try:
        return Waiter("unknown", _block(pid, str(pid)))
    except PermissionError:
        return Waiter("unknown")


def _block(pid: int, task: str) -> str:
    for line in proc.read(f"/proc/{pid}/task/{task}/status").splitlines():
        if line.startswith(b"voluntary_ctxt_switches:"):
            return f"{task}:{int(line.split()[1])}"
    return task


def _holds_any(pid: int, names: frozenset[str]) -> bool:
    return any(_is_one_of(pid, descriptor, names) for descriptor in range(_MAX_DESCRIPTORS))


def _is_one_of(pid: int, descriptor: int, names: frozenset[str]) -> bool:
    try:
        return os.readlink(f"/proc/{pid}/fd/{descriptor}") in names
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ESRCH, errno.EACCES, errno.EPERM):
            raise
        return False
