"""The outcome of a start, stop or restart of ComfyUI."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Outcome:
    """The outcome of a lifecycle action.

    Attributes:
        status: started, already_running, starting, failed, queued, stopped, not_running, restarted or requested.
        job_id: the job that ComfyUI runs as.
        pid: pid of the process that answers now.
        old_pid: pid of the process that was ended.
        stopped: pids that were ended.
        took_s: seconds that it all took.
        requeued: prompts that were submitted again: new ids by old ones.
        requeue_refused: prompts that the new server refused, with the reason.
        to_requeue: prompts that will be submitted again when the server is ready.
        lost: prompts that were lost with the old process.
        of_batches: prompts that were cut off, and that their batches submit again.
        cancelled: prompts of cancelled batches that were cut off, and that nobody submits again.
        output: the last lines of a ComfyUI that ended while it started.
        detail: what the status alone does not say.
    """

    status: str
    job_id: str | None = None
    pid: int | None = None
    old_pid: int | None = None
    stopped: tuple[int, ...] = ()
    took_s: float = 0.0
    requeued: dict[str, str] = field(default_factory=dict[str, str])
    requeue_refused: dict[str, str] = field(default_factory=dict[str, str])
    to_requeue: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    of_batches: tuple[str, ...] = ()
    cancelled: tuple[str, ...] = ()
    output: str = ""
    detail: str = ""
