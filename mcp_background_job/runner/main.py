"""The life of a runner: the work on the job directory that it is given, and the start of further runners.

One rule decides: take the lock, then look. If there is an exit record, there is nothing to do. If there is a status
file, another runner was here and died, so sweep up after it. If there is neither, run the job. So a second launch of a
runner does no harm, and a process that is not sure whether a job has a runner simply launches one.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal

from mcp_background_job.errors import BackgroundJobError, CorruptRecordError, LaunchError
from mcp_background_job.jobdir import at_end, lock, order, records, runners
from mcp_background_job.jobdir.boot import boot_id
from mcp_background_job.jobdir.claims import Claim
from mcp_background_job.jobdir.layout import JobDir, StateDir
from mcp_background_job.jobdir.marks import is_any_queued, waiting_of
from mcp_background_job.jobdir.queue import due
from mcp_background_job.jobdir.records import Spec
from mcp_background_job.runner.exit_record import MAX_REASON
from mcp_background_job.runner.family.sweep import announce, sweep
from mcp_background_job.runner.supervisor import Supervisor
from mcp_background_job.runner.system import become_subreaper, name_process


class Reply:
    """Reports to the process that launched the runner: one line of JSON, then the end of the pipe."""

    def __init__(self, descriptor: int | None, *, also_close: int | None = None) -> None:
        """Takes the writing end of a pipe (``None``: nobody listens), and a descriptor to close with it."""
        self._descriptor = descriptor
        self._also_close = also_close

    def send(self, **message: object) -> None:
        """Send the message and hang up; does nothing the second time."""
        if self._descriptor is None:
            return
        with contextlib.suppress(BrokenPipeError):  # the server has died since: the job runs on without it
            os.write(self._descriptor, json.dumps(message).encode() + b"\n")
        os.close(self._descriptor)
        self._descriptor = None
        if self._also_close is not None:
            os.close(self._also_close)


def be_runner(directory: str, reply: Reply, killed_by: str | None = None) -> None:
    """Be the runner of a job, from a fresh process to the job's end.

    Its last act is to fork the runners of the jobs whose turn has come. They come back to this loop: otherwise each of
    them would stand on the stack of all before it.
    """
    job, claim = JobDir(directory), None
    while True:
        _care_for(job, reply, killed_by, claim)
        # The next look would find this job again and fork for ever: something keeps it from beginning at all.
        if _is_as_found(job):
            return
        claim = _fork_next(job.state_dir)
        if claim is None:
            return
        job, reply, killed_by = claim.job, Reply(None), None


def _care_for(job: JobDir, reply: Reply, killed_by: str | None, claim: Claim | None) -> None:
    try:
        _own(job, reply, killed_by, claim)
    except BackgroundJobError as error:
        reply.send(error=str(error), code=error.code)
    except OSError as error:
        reply.send(error=f"the runner of {job.job_id} failed: {error}", code=LaunchError.code)
        report_crash(job, error)
    except Exception as error:  # noqa: BLE001  the job becomes lost, and the reason is in its directory
        report_crash(job, error)
        return  # without a report
    reply.send(ended=True)


def take_name(job_id: str) -> None:
    """Show the name of a job's runner, to the kernel and to other runners."""
    name_process(runners.name_of_runner(job_id))


def _is_as_found(job: JobDir) -> bool:
    return os.path.exists(job.spec) and not os.path.exists(job.status) and not job.has_exit


def _own(job: JobDir, reply: Reply, killed_by: str | None, claim: Claim | None) -> None:
    try:
        spec = take(job, reply)
    finally:
        if claim:
            claim.release()
    if spec is None:
        return
    take_name(job.job_id)
    withdrawn: list[JobDir] = []
    try:
        was_run = os.path.exists(job.status)
        withdrawn = sweep(job, spec, killed_by=killed_by) if was_run else _run(job, spec, reply)
    finally:
        for ended in ([job] if spec.on_end else []) + withdrawn:
            at_end.begin(ended)


def take(job: JobDir, reply: Reply) -> Spec | None:
    """Take the job's lock, for good, and remove the job from the queue; ``None`` if there is nothing to do."""
    # A runner whose lock file was removed still holds its job. This looks for it before it takes the lock: from then
    # until it publishes that it sweeps, others would take this process for the job's runner.
    was_run = os.path.exists(job.status) and not job.has_exit
    is_held = was_run and runners.find_bereft(job) is not None
    if was_run and not is_held and lock.holder_of(job.lock) is None:
        announce(job)
    if is_held or lock.try_acquire(job.lock) is None:
        reply.send(owned=True)
        return None
    if job.has_exit:
        lock.release_mine()  # the record does not count while this process holds the lock
        return None
    spec = records.read(Spec, job.spec)
    if spec is None:
        raise CorruptRecordError(f"{job.path} has no spec.json: there is nothing to run")
    order.leave(job.state_dir, waiting_of(spec))
    return spec


def _run(job: JobDir, spec: Spec, reply: Reply) -> list[JobDir]:
    """Run a job to its end; returns the jobs that were withdrawn from the queue with it."""
    supervisor = Supervisor(job, spec, has_subreaper=become_subreaper())
    try:
        pid = supervisor.start()
    except LaunchError as error:
        supervisor.give_up(f"not started: {error}")
        raise
    reply.send(pid=pid, runner_pid=os.getpid())
    supervisor.run()
    return supervisor.withdrawn


def _fork_next(state: StateDir) -> Claim | None:
    """Fork a runner for every job whose turn it is; returns each one's claim in it, and ``None`` here."""
    with contextlib.suppress(OSError):  # the state directory is gone, and the queue with it
        if is_any_queued(state):
            for claim in due(state, boot_id()):
                if os.fork() == 0:
                    _start_afresh(claim.descriptor)
                    return claim
                os.close(claim.descriptor)  # the child has it now
    return None


def _start_afresh(keep: int) -> None:
    os.setsid()
    let_go_of_all_but(keep)


def let_go_of_all_but(keep: int) -> None:
    """Close all descriptors of an ended job but one, and free its objects: in a long queue they would add up."""
    signal.set_wakeup_fd(-1)  # a file may soon get its number
    os.closerange(3, keep)
    os.closerange(keep + 1, os.sysconf("SC_OPEN_MAX"))
    gc.collect()  # the supervisor of that job is a cycle
    gc.freeze()  # objects that are left are shared with forked processes, and not scanned again


def report_crash(job: JobDir, error: Exception) -> None:
    """Record an error in the runner itself: the job becomes lost, and the reason is in its directory."""
    import traceback  # noqa: PLC0415  memory in every runner, for what hardly ever happens

    what = f"{type(error).__name__}: {error}"[:MAX_REASON]
    with contextlib.suppress(OSError), open(os.path.join(job.path, "runner.crash"), "w") as file:
        file.write(f"{what}\n\n")
        file.flush()  # even if the rest fails
        file.write("".join(traceback.format_exception(error))[-MAX_REASON * 8 :])
