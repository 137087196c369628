"""Why a prompt cannot be stopped, from observations of its server. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Wedge(StrEnum):
    """How a server is stuck."""

    BUSY_STEP = "busy_step"  #: one step works, or waits for something that may still come, and did not stop
    IDLE_HANG = "idle_hang"  #: every thread waits for a lock: the step is deadlocked, and does not end
    WORKER_DEAD = "worker_dead"  #: the thread that runs prompts is gone: nothing will ever run again
    HTTP_DEAD = "http_dead"  #: requests are not answered: the interpreter is held, or the process is suspended


@dataclass(frozen=True)
class Evidence:
    """Observations of a server that did not obey.

    Attributes:
        watched_s: the length of the window in which processor usage was observed.
        silent_s: seconds since its last answer; 0 if it answers.
        worker_gone: whether a thread from the time of the submission has ended while no other works; ``None`` if
            unknown.
        logged_death: whether the log has the traceback with which the worker ended.
        all_idle: whether no thread worked in that window or waited for anything but a lock; ``None`` if unknown.
        cpu_share: the share of one processor that the process used in that window; ``None`` if unknown.
        progress_moved: whether the prompt's progress moved lately.
        is_suspended: whether a signal has stopped the process.
        is_far: whether it runs on another machine, whose runner reports resource usage but not what threads do.
        is_hidden: whether nothing of its process can be seen from here.
    """

    watched_s: float
    silent_s: float = 0.0
    worker_gone: bool | None = None
    logged_death: bool = False
    all_idle: bool | None = None
    cpu_share: float | None = None
    progress_moved: bool = False
    is_suspended: bool = False
    is_far: bool = False
    is_hidden: bool = False


#: A computing process uses a larger share of a processor; an idle event loop with a poller uses much less.
_BUSY_SHARE = 0.2


def is_worker_dead(seen: Evidence) -> bool:
    """Tell whether the worker thread is certainly gone."""
    return seen.logged_death or seen.worker_gone is True


def wedge_of(seen: Evidence) -> Wedge:
    """Return how a server is stuck whose prompt did not end within its time."""
    if seen.silent_s > 0 or seen.is_suspended:
        return Wedge.HTTP_DEAD
    if is_worker_dead(seen):
        return Wedge.WORKER_DEAD
    return Wedge.IDLE_HANG if seen.all_idle and not _works(seen) else Wedge.BUSY_STEP


def _works(seen: Evidence) -> bool:
    return seen.progress_moved or (seen.cpu_share is not None and seen.cpu_share >= _BUSY_SHARE)


def _waits_outside(seen: Evidence) -> bool:
    """Tell whether a thread waits for something other than a lock, while the process hardly computes."""
    return seen.all_idle is False and seen.cpu_share is not None and not _works(seen)


def told(seen: Evidence) -> tuple[str, ...]:
    """Return the evidence in sentences."""
    sentences: list[str] = []
    if seen.is_suspended:
        sentences.append("the process is stopped by a signal (SIGCONT would let it go on)")
    if seen.silent_s > 0:
        sentences.append(f"no answer for {seen.silent_s:.0f} s: connections are accepted, requests time out")
    if seen.logged_death:
        sentences.append("the log has the traceback of the thread that runs prompts")
    if seen.worker_gone:
        sentences.append("a thread that was there before the prompt ran has ended, and no other thread works")
    if seen.cpu_share is not None:
        sentences.append(f"the process used {100 * seen.cpu_share:.0f} % of a processor over {seen.watched_s:.0f} s")
    if seen.is_far:
        sentences.append("it is on another machine: what its threads do cannot be seen from here")
    if seen.is_hidden:
        sentences.append("nothing of its process can be seen from here, so whether the step works or hangs is unknown")
    if seen.all_idle:
        sentences.append("all its threads wait for locks: either the step is deadlocked or the worker is dead")
    if _waits_outside(seen) and wedge_of(seen) is Wedge.BUSY_STEP:
        sentences.append(
            "the step hardly computes: it waits for the network, a file, a timer, a subprocess or a driver, which may "
            "still answer"
        )
    sentences.append("progress moved meanwhile" if seen.progress_moved else "no progress was seen meanwhile")
    return tuple(sentences)
