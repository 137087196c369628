"""Why a prompt cannot be stopped, from observations of its server. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Wedge(StrEnum):
    """How a server is stuck."""

    BUSY_STEP = "busy_step"  #: one step keeps working and does not check for the interrupt
    IDLE_HANG = "idle_hang"  #: one step waits for something, and no thread of the server works
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
    works = seen.progress_moved or (seen.cpu_share is not None and seen.cpu_share >= _BUSY_SHARE)
    return Wedge.IDLE_HANG if seen.all_idle and not works else Wedge.BUSY_STEP


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
    if seen.all_idle:
        sentences.append("all its threads only wait: either the step is deadlocked or the worker is dead")
    sentences.append("progress moved meanwhile" if seen.progress_moved else "no progress was seen meanwhile")
    return tuple(sentences)
