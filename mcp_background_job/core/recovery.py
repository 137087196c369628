"""Decides a job's state from the files of its directory. Only this module decides that a job is ``lost``."""

from __future__ import annotations

from mcp_background_job.core.states import State
from mcp_background_job.core.values import frozen


@frozen
class Traces:
    """The facts that were found in a job's directory.

    Attributes:
        exited: an exit record is there.
        owned: a runner holds the lock.
        reported: the state in the status file; ``None`` if there is no such file.
        sweeping: the status file says that a runner ends the processes of a dead one.
        same_boot: the status file is from this boot.
        same_machine: the status file is from this machine, which the same boot proves.
    """

    exited: bool
    owned: bool
    reported: State | None
    sweeping: bool = False
    same_boot: bool = True
    same_machine: bool = True


@frozen
class Verdict:
    """The state, and for a lost job the reason why its end is unknown.

    ``sweep`` is set if a dead runner's processes may still be alive and nobody ends them yet.
    """

    state: State
    lost: str | None = None
    sweep: bool = False


REBOOT = "the machine was restarted while the job ran"
RUNNER_GONE = "its runner was killed, so its exit status is unknown"


def judge(traces: Traces) -> Verdict:
    """Return the state that the traces prove. The exit record outranks the lock, and the lock outranks the status file.

    For a job on another machine the lock and the boot prove nothing: its state is what its runner reported last, until
    the runner writes the exit record. A job that has neither a lock holder nor a status file was never owned: it is
    queued.
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
