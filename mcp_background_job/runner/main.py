"""What a runner does with the job directory that it is given, and how a runner comes into being.

One rule decides: take the lock, then look. An exit record: there is nothing to do. A status file: another runner was
here and died, so sweep up after it. Neither: run the job. So launching a runner twice does no harm, and whoever doubts
whether a job is cared for simply launches another.
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
    """Tells whoever launched the runner what became of it: one line of JSON, then the end of the pipe."""

    def __init__(self, descriptor: int | None, *, also_close: int | None = None) -> None:
        """Takes over the writing end of a pipe (``None``: nobody listens), and what to close with it."""
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

    Its last act is to fork the runners of the jobs whose turn that makes it. They come back to this loop: what each of
    them would otherwise build upon is the stack of all before it.
    """
    job, claim = JobDir(directory), None
    while True:
        _care_for(job, reply, killed_by, claim)
        # Looking would find it again, and fork for ever: something prevents that it is even begun.
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
    except Exception as error:  # noqa: BLE001  the job becomes lost, and why stands in its directory
        report_crash(job, error)
        return  # without a report
    reply.send(ended=True)


def take_name(job_id: str) -> None:
    """Be known, to the kernel and to other runners, as the runner of a job."""
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
    """Take the job's lock, for good, and the job out of the queue; ``None`` if there is nothing to do."""
    # A runner whose lock file was removed holds its job all the same. It is looked for before the lock is taken: from
    # then until we say that we sweep, we are taken for the job's runner.
    was_run = os.path.exists(job.status) and not job.has_exit
    is_held = was_run and runners.find_bereft(job) is not None
    if was_run and not is_held and lock.holder_of(job.lock) is None:
        announce(job)
    if is_held or lock.try_acquire(job.lock) is None:
        reply.send(owned=True)
        return None
    if job.has_exit:
        lock.release_mine()  # the record does not count while we hold it
        return None
    spec = records.read(Spec, job.spec)
    if spec is None:
        raise CorruptRecordError(f"{job.path} has no spec.json: there is nothing to run")
    order.leave(job.state_dir, waiting_of(spec))
    return spec


def _run(job: JobDir, spec: Spec, reply: Reply) -> list[JobDir]:
    """Run a job to its end; returns what was taken out of the queue with it."""
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
    """Fork a runner for every job whose turn it is; returns in each of them its claim, and here nothing."""
    with contextlib.suppress(OSError):  # the state directory is gone, and the queue with it
        if is_any_queued(state):
            for claim in due(state, boot_id()):
                if os.fork() == 0:
                    _start_afresh(claim.descriptor)
                    return claim
                os.close(claim.descriptor)  # it is the child's now
    return None


def _start_afresh(keep: int) -> None:
    os.setsid()
    let_go_of_all_but(keep)


def let_go_of_all_but(keep: int) -> None:
    """Let go of all that belongs to a job that has ended but one descriptor: down a long queue it would add up."""
    signal.set_wakeup_fd(-1)  # its number may soon be that of a file
    os.closerange(3, keep)
    os.closerange(keep + 1, os.sysconf("SC_OPEN_MAX"))
    gc.collect()  # the supervisor of that job, which refers to itself
    gc.freeze()  # what is left is shared with what is forked from here, and not looked through again


def report_crash(job: JobDir, error: Exception) -> None:
    """Leave word of an error in the runner itself: the job becomes lost, and why stands in its directory."""
    import traceback  # noqa: PLC0415  memory in every runner, for what hardly ever happens

    what = f"{type(error).__name__}: {error}"[:MAX_REASON]
    with contextlib.suppress(OSError), open(os.path.join(job.path, "runner.crash"), "w") as file:
        file.write(f"{what}\n\n")
        file.flush()  # whatever becomes of the rest
        file.write("".join(traceback.format_exception(error))[-MAX_REASON * 8 :])
