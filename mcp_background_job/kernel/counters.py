"""The kernel's counts for the processes of a job, and for dead processes whose exit status was collected."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterable
from typing import NamedTuple

from mcp_background_job.jobdir.usage import UNKNOWN
from mcp_background_job.kernel import proc
from mcp_background_job.kernel.tree import Process

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")

#: Characters of a command line, and processes that are listed: an answer must fit into one piece of a socket's buffer.
_MAX_COMMAND = 200
MAX_COMMANDS = 20


class Dead(NamedTuple):
    """The use of the processes that this one has collected, and of all that those had collected themselves."""

    cpu_s: float
    read_bytes: int
    written_bytes: int
    page_faults: int


#: The value while no process has died.
NOBODY = Dead(0.0, 0, 0, 0)


def of_the_dead(before: Dead) -> Dead:
    """Return the use of the collected children of this process; ``before`` is the last value that this returned."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    # No process lives without page faults. So if their count is the same, no process has died since.
    if usage.ru_minflt == before.page_faults:
        return before
    # The counts of this process include those of collected children; the counts of its only thread do not.
    whole, own = (_io(f"/proc/self/{part}io") or (0, 0) for part in ("", f"task/{os.getpid()}/"))
    return Dead(
        cpu_s=usage.ru_utime + usage.ru_stime,
        read_bytes=max(0, whole[0] - own[0]),
        written_bytes=max(0, whole[1] - own[1]),
        page_faults=usage.ru_minflt,
    )


def cpu_s_of_the_dead_of(runner_pid: int) -> float:
    """Return the CPU seconds of the collected children of another process; 0 if it is gone."""
    try:
        stat = proc.read(f"/proc/{runner_pid}/stat")
    except OSError:
        return 0.0
    _, fields = proc.parted(stat)
    return sum(map(int, fields[13:15])) / _TICKS_PER_S  # cutime and cstime


def cpu_s(processes: Iterable[Process]) -> float:
    """Return the CPU seconds of processes, and of their dead and collected children."""
    return sum(process.cpu for process in processes) / _TICKS_PER_S


def memory(processes: Iterable[Process]) -> int:
    """Return the resident bytes of all processes that still exist, as a sum."""
    return sum(_resident(process.pid) for process in processes)


def moved(processes: Iterable[Process]) -> tuple[int, int]:
    """Return the bytes that processes have read and written; ``UNKNOWN`` if this user may not look into one of them."""
    read = written = 0
    for process in processes:
        counts = _io(f"/proc/{process.pid}/io")
        if counts is None:
            return UNKNOWN, UNKNOWN
        read, written = read + counts[0], written + counts[1]
    return read, written


def proportional(processes: Iterable[Process]) -> int:
    """Return the resident bytes, with shared pages counted once. It takes 17 ms per GB and blocks everything else."""
    return sum(_proportional(process.pid) for process in processes)


def command_of(process: Process) -> str:
    """Return the command line of a process, or its name in brackets if it shows none."""
    try:
        line = proc.read(f"/proc/{process.pid}/cmdline").replace(b"\0", b" ").strip()
        line = line or b"[" + proc.read(f"/proc/{process.pid}/comm").strip() + b"]"
    except OSError:
        return ""
    return _text(line)


def line_of(argv: Iterable[str]) -> str:
    """Return what ``command_of`` returns for a process with these arguments."""
    return _text(b" ".join(map(os.fsencode, argv)).strip())


def _text(line: bytes) -> str:
    # Arguments are bytes. None is lost here; the code that shows them makes valid text of them.
    return line[: _MAX_COMMAND * 4].decode(errors="surrogateescape")[:_MAX_COMMAND]


def _resident(pid: int) -> int:
    try:
        return int(proc.read(f"/proc/{pid}/statm").split()[1]) * _PAGE_SIZE
    except (OSError, IndexError):  # it has ended meanwhile
        return 0


def _proportional(pid: int) -> int:
    try:
        lines = proc.read(f"/proc/{pid}/smaps_rollup").split(b"\n")
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(b"Pss:"))


def _io(path: str) -> tuple[int, int] | None:
    try:
        # rchar and wchar count the bytes that were requested and delivered, from a cache too: proc(5)
        read, written, *_ = proc.read(path).split(b"\n")
    except (FileNotFoundError, ProcessLookupError):
        return 0, 0
    except (OSError, ValueError):  # another user's process, or a kernel that does not count
        return None
    return int(read.split()[1]), int(written.split()[1])
