"""The plan that cancels one prompt: the next step, from the last observation. Pure.

    place      seen after                what is done
    ---------  ------------------------  -----------------------------------------------------------------
    pending    any                       take it out of the queue; look again
    running    being asked to interrupt  interrupt; again and again while it runs, since a server that is just
                                         beginning a prompt forgets an interrupt (measured: 18 of 300)
    running    ``INTERRUPT_S``           ask to free memory, which helps only if it returns after all
    running    ``FREE_S`` more           wedged
    ended      any                       as the history has it: cancelled, finished or failed
    absent     having been pending       cancelled: it was taken out, which leaves no trace
    absent     having run                not found, when it stays so
    no answer  two looks                 wedged (the interpreter is held), or the server died, or unreachable
    any        ``LIMIT_S``               what this look says, as it will not get better

The queue is read before the history: the other way round a prompt that ends between the two is in neither (measured:
145 of 300).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mcp_background_job.comfyui.wire.answers import Finished
from mcp_background_job.comfyui.wire.trouble import Trouble
from mcp_background_job.core.comfyui.submission import End


class Place(StrEnum):
    """The places where a prompt may be."""

    RUNNING = "running"
    PENDING = "pending"
    ENDED = "ended"
    ABSENT = "absent"  #: neither in the queue nor in the history


@dataclass(frozen=True)
class Sight:
    """One look at a prompt.

    Attributes:
        at: when the look ended, in seconds of a monotonic clock.
        place: where the prompt is; ``None`` if there was no answer.
        finished: how it ended, if it has.
        trouble: why there was no answer.
        process_gone: whether the process that served at the beginning is gone; ``None`` if that is unknown.
        process_suspended: whether a signal has stopped that process.
        worker_dead: whether evidence says that the thread that runs prompts is gone.
    """

    at: float
    place: Place | None
    finished: Finished | None = None
    trouble: Trouble | None = None
    process_gone: bool | None = None
    process_suspended: bool = False
    worker_dead: bool = False


class Step(StrEnum):
    """The action before the next look."""

    LOOK = "look"
    DELETE = "delete"
    INTERRUPT = "interrupt"
    FREE = "free"


class Verdict(StrEnum):
    """The result of a request to cancel."""

    CANCELLED = "cancelled"
    FINISHED = "finished_before_cancel"
    FAILED = "failed"
    WEDGED = "wedged"
    SERVER_DIED = "server_died"
    UNREACHABLE = "unreachable"
    NOT_FOUND = "not_found"
    NOTHING_RUNNING = "nothing_running"
    RUNNING = "running"  #: only a pending prompt was to be cancelled, and it runs
    PENDING = "pending"  #: the server keeps it in its queue despite every request


@dataclass(frozen=True)
class Next:
    """The next step and the time of the next look, or the verdict."""

    step: Step = Step.LOOK
    look_after_s: float = 0.0
    verdict: Verdict | None = None


#: Seconds between two looks: when a step ends, the user hears of it well within half a second.
LOOK_S = 0.1

#: Seconds after which the first interrupt is repeated; each later pause is twice the last one.
RESEND_S = 1.0
LONGEST_RESEND_S = 5.0

#: Seconds for a running prompt to reach its next check for an interrupt; the steps of large video models take tens of
#: seconds. With the later steps, the whole stays under the minute after which clients give up.
INTERRUPT_S = 36.0

#: Seconds in which freed memory might let a step go on.
FREE_S = 4.0

#: Seconds. If a server accepts connections and leaves two looks in a row unanswered, each for so long, its interpreter
#: is held. Loading a model may hold it for seconds.
SILENT_LOOK_S = 3.5

#: Seconds that other trouble may last before it is reported.
TROUBLE_S = 7.0

#: Seconds: a port that is closed for so long is not the gap of a restart in place.
REFUSED_S = 2.0

#: Seconds for which an evidently dead worker is asked before it is called dead.
WORKER_S = 4.0

#: Seconds for which a prompt that has run may be missing: the history is cleared, or the server is another one.
ABSENT_S = 1.5

#: Seconds: a pending prompt that does not leave the queue within this time never will.
DELETE_S = 10.0

#: Seconds after which nothing more is tried, whatever was seen: clients give up after a minute.
LIMIT_S = 42.5

_AT_LIMIT = {Place.RUNNING: Verdict.WEDGED, Place.PENDING: Verdict.PENDING, Place.ABSENT: Verdict.NOT_FOUND}

_BY_END = {End.COMPLETED: Verdict.FINISHED, End.FAILED: Verdict.FAILED, End.CANCELLED: Verdict.CANCELLED}


class CancelPlan:
    """Decides step by step; ``see`` takes an observation and returns the next step."""

    def __init__(self, *, only_pending: bool = False) -> None:
        """With ``only_pending``, a running prompt is left alone."""
        self._only_pending = only_pending
        self._began: float | None = None
        self._interrupts = 0
        self._interrupted_at = 0.0
        self._first_interrupt_at: float | None = None
        self._deleted_at: float | None = None
        self._freed_at: float | None = None
        self._trouble_since: float | None = None
        self._absent_since: float | None = None
        self._has_answered = False
        self._ran = False

    @property
    def interrupts(self) -> int:
        """The number of interrupts so far."""
        return self._interrupts

    def note_answer(self) -> None:
        """Note that the server has answered a request other than a look."""
        self._has_answered = True

    def see(self, sight: Sight) -> Next:
        """Return the next step after a look."""
        if self._began is None:
            self._began = sight.at
        following = self._follow(sight)
        if following.verdict is None and sight.at - self._began >= LIMIT_S:
            unseen = Verdict.WEDGED if sight.trouble is Trouble.SILENT else Verdict.UNREACHABLE
            return _over(_AT_LIMIT.get(sight.place, unseen) if sight.place else unseen)
        return following

    def _follow(self, sight: Sight) -> Next:
        if sight.place is None:
            return self._without_answer(sight)
        self._has_answered = True
        self._trouble_since = None
        if sight.place is not Place.ABSENT:
            self._absent_since = None
        if sight.place is Place.ENDED:
            return _over(_BY_END[sight.finished.end] if sight.finished else Verdict.NOT_FOUND)
        if sight.place is Place.ABSENT:
            return self._absent(sight)
        if sight.place is Place.PENDING:
            return self._pending(sight)
        return self._running(sight)

    def _without_answer(self, sight: Sight) -> Next:
        since = self._trouble_since = sight.at if self._trouble_since is None else self._trouble_since
        lasted = sight.at - since
        if sight.process_gone and self._has_answered:
            return _over(Verdict.SERVER_DIED)
        if sight.trouble is Trouble.SILENT:
            # The first unanswered look took as long, so the silence lasts twice this time.
            return _over(Verdict.WEDGED) if sight.process_suspended or lasted >= SILENT_LOOK_S else Next()
        if sight.trouble in (Trouble.REFUSED, Trouble.DROPPED) and self._has_answered:
            return _over(Verdict.SERVER_DIED) if lasted >= REFUSED_S else Next(Step.LOOK, LOOK_S)
        if not self._has_answered or lasted >= TROUBLE_S:
            return _over(Verdict.UNREACHABLE)
        return Next(Step.LOOK, 2 * LOOK_S)

    def _absent(self, sight: Sight) -> Next:
        if sight.process_gone:
            return _over(Verdict.SERVER_DIED)
        if self._deleted_at is not None and not self._ran:
            return _over(Verdict.CANCELLED)
        if not self._ran:
            return _over(Verdict.NOT_FOUND)
        since = self._absent_since = sight.at if self._absent_since is None else self._absent_since
        return _over(Verdict.NOT_FOUND) if sight.at - since >= ABSENT_S else Next(Step.LOOK, LOOK_S)

    def _pending(self, sight: Sight) -> Next:
        if self._deleted_at is None:
            self._deleted_at = sight.at
            return Next(Step.DELETE)
        return _over(Verdict.PENDING) if sight.at - self._deleted_at >= DELETE_S else Next(Step.DELETE, LOOK_S)

    def _running(self, sight: Sight) -> Next:
        self._ran = True
        if self._only_pending:
            return _over(Verdict.RUNNING)
        first = self._first_interrupt_at = sight.at if self._first_interrupt_at is None else self._first_interrupt_at
        asked_for = sight.at - first
        if sight.worker_dead and asked_for >= WORKER_S:
            return _over(Verdict.WEDGED)
        if self._freed_at is not None:
            return _over(Verdict.WEDGED) if sight.at - self._freed_at >= FREE_S else Next(Step.LOOK, LOOK_S)
        if asked_for >= INTERRUPT_S:
            self._freed_at = sight.at
            return Next(Step.FREE, LOOK_S)
        patience = min(RESEND_S * 2 ** (self._interrupts - 1), LONGEST_RESEND_S)
        if self._interrupts == 0 or sight.at - self._interrupted_at >= patience:
            self._interrupts += 1
            self._interrupted_at = sight.at
            return Next(Step.INTERRUPT, LOOK_S)
        return Next(Step.LOOK, LOOK_S)


def _over(verdict: Verdict) -> Next:
    return Next(verdict=verdict)
