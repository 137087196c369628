"""What a job directory's files say about a job's state. The one place where ``lost`` is decided."""

from __future__ import annotations

from mcp_background_job.core.states import State
from mcp_background_job.core.values import frozen


@frozen
class Traces:
    """What was found in a job's directory.

    Attributes:
        exited: an exit record is there.
        owned: a runner holds the lock.
        reported: the state in the status file, ``None`` without one: no runner ever owned the job.
        sweeping: the status file says that a runner is sweeping up after a dead one.
        same_boot: the status file is of this boot.
        same_machine: the status file is of this machine, which the same boot proves.
    """

    exited: bool
    owned: bool
    reported: State | None
    sweeping: bool = False
    same_boot: bool = True
    same_machine: bool = True


@frozen
class Verdict:
    """The state, and for a lost job why nothing is known of its end.

    ``sweep`` is set when a dead runner's processes may still be alive, and nobody is at it yet.
    """

    state: State
    lost: str | None = None
    sweep: bool = False


REBOOT = "the machine was restarted while the job ran"
RUNNER_GONE = "its runner was killed, so its exit status is unknown"


def judge(traces: Traces) -> Verdict:
    """Return what the traces prove. The exit record outranks the lock, and the lock outranks the status file.

    Of a job that runs on another machine the lock and the boot prove nothing: it is what its runner said last, until
    that writes how it ended.
    """
    if traces.exited:
        return Verdict(State.EXITED)
    if not (traces.same_machine or traces.same_boot) and traces.reported is not None:
        return Verdict(traces.reported)
    lost = RUNNER_GONE if traces.same_boot else REBOOT
    if traces.sweeping:
        return Verdict(State.EXITED, lost=lost, sweep=not traces.owned)
    if traces.owned:
        return Verdict(traces.reported or State.STARTING)
    if traces.reported is None:
        return Verdict(State.QUEUED)
    return Verdict(State.EXITED, lost=lost, sweep=True)
