"""Evidence about the threads of a process, to tell a dead worker thread from a busy one. Linux only.

A dead thread is no longer in the list. A busy one uses CPU, or waits in the kernel for something other than a lock.
This is evidence, not proof: a thread may also wait for a lock that will be released.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path

from mcp_background_job.core.values import frozen
from mcp_background_job.kernel import proc

#: Fields of /proc/PID/stat behind the name, counted from the state: proc(5)
_STATE, _USER_TICKS, _SYSTEM_TICKS = 0, 11, 12

#: A thread that runs, or would if it had a processor; and one in uninterruptible sleep (disk, driver).
_RUNNABLE, _UNINTERRUPTIBLE = "R", "D"

#: A thread that uses this many CPU seconds counts as working. The monitor thread that tqdm's progress bars leave wakes
#: every 10 s for tens of microseconds; a step that does anything uses more in a fraction of a second.
WORKING_S = 0.005

#: The beginnings of the names of threads that a graphics driver keeps waiting for events; they never run a job.
_DRIVER_THREADS = ("cuda-", "cuda0")


@frozen
class ThreadState:
    """One thread at one moment.

    Attributes:
        state: the kernel's letter: R running, S sleeping, D in uninterruptible sleep, T stopped, Z ended.
        cpu_s: CPU seconds that it has used: in nanoseconds if the kernel counts them, else in clock ticks (10 ms).
        wait_channel: name of the kernel function that it waits in; ``None`` if it does not wait or the name is not
            readable.
        name: its name, which is the program's unless it was given one; at most 15 bytes.
    """

    state: str
    cpu_s: float
    wait_channel: str | None
    name: str = ""


@frozen
class Activity:
    """A process and its threads at one moment.

    Attributes:
        pid: its pid, which is also the id of its main thread.
        state: the letter of the process, which is that of its main thread; empty if it is gone or unknown.
        cpu_s: CPU seconds that the threads in ``threads`` have used.
        threads: its threads by kernel thread id; empty if they are unknown.
    """

    pid: int
    state: str = ""
    cpu_s: float = 0.0
    threads: Mapping[int, ThreadState] = field(default_factory=dict[int, ThreadState])


def threads_of(pid: int) -> frozenset[int]:
    """Return the kernel ids of a process's threads; empty if it is gone, or without /proc."""
    with contextlib.suppress(OSError):
        return frozenset(int(path.name) for path in Path(f"/proc/{pid}/task").iterdir())
    return frozenset()


def activity_of(pid: int) -> Activity:
    """Return the state of a process's threads at this moment; without threads if they are unknown.

    Two samples belong to one process only if the caller holds it, by ``ProcessWrapper``, from before the first sample
    until after the second.
    """
    threads: dict[int, ThreadState] = {}
    for thread in threads_of(pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            threads[thread] = _look_at(Path(f"/proc/{pid}/task/{thread}"))
    main = threads.get(pid)
    return Activity(pid, main.state if main else "", sum(thread.cpu_s for thread in threads.values()), threads)


def all_idle(samples: Sequence[Activity]) -> bool | None:
    """Tell whether the threads of a process did nothing over a window of two or more samples, oldest first.

    The main thread is left out: it serves requests, also those of the observer. True if the other threads are the same
    in the last two samples, each has used less than ``WORKING_S`` of CPU since its first sample, and each waited only
    for a lock (futex) or, if it is a graphics driver's, for events. So a thread that only wakes now and then is idle.

    Returns:
        ``None`` if nothing is known, or if nothing speaks against it but the wait of some threads cannot be read.
    """
    before, after = samples[-2:]
    if after.pid not in after.threads:
        return None  # the threads are unknown
    now = _but_main(after)
    if before.pid != after.pid or _but_main(before).keys() != now.keys():
        return False
    verdicts = {_is_idle([sample.threads[thread] for sample in samples if thread in sample.threads]) for thread in now}
    if False in verdicts:
        return False
    return None if None in verdicts else True


def _is_idle(seen: Sequence[ThreadState]) -> bool | None:
    if seen[-1].cpu_s - seen[0].cpu_s >= WORKING_S:
        return False
    # A runnable thread may only have waited for the processor: its CPU time shows whether it works.
    verdicts = {_waits_idly(state) for state in seen if state.state != _RUNNABLE}
    if False in verdicts or not verdicts:
        return False
    return None if None in verdicts else True


def _but_main(sample: Activity) -> dict[int, ThreadState]:
    return {thread: state for thread, state in sample.threads.items() if thread != sample.pid}


def _waits_idly(thread: ThreadState) -> bool | None:
    if thread.state == _UNINTERRUPTIBLE:
        return False
    if thread.wait_channel is None:
        return None
    return "futex" in thread.wait_channel or (thread.name.startswith(_DRIVER_THREADS) and "poll" in thread.wait_channel)


def _look_at(directory: Path) -> ThreadState:
    name, rest = proc.parted((directory / "stat").read_bytes())
    ticks = int(rest[_USER_TICKS]) + int(rest[_SYSTEM_TICKS])
    return ThreadState(rest[_STATE].decode(), _cpu_s(directory, ticks), _wait_channel(directory), name)


def _cpu_s(directory: Path, ticks: int) -> float:
    # Ticks miss a thread that works for a millisecond at a time. A kernel may be built without the finer count.
    with contextlib.suppress(FileNotFoundError, PermissionError):
        return int((directory / "schedstat").read_bytes().split()[0]) / 1e9
    return ticks / os.sysconf("SC_CLK_TCK")


def _wait_channel(directory: Path) -> str | None:
    with contextlib.suppress(FileNotFoundError, PermissionError):
        name = (directory / "wchan").read_text().strip()
        return name if name not in ("", "0") else None
    return None
