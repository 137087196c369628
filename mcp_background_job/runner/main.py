"""What a runner does with the job directory that it is given, and how a runner comes into being.

One rule decides: take the lock, then look. An exit record: there is nothing to do. A status file: another runner was
here and died, so sweep up after it. Neither: run the job. So launching a runner twice does no harm, and whoever doubts
whether a job is cared for simply launches another.
"""

from __future__ import annotations

import contextlib
import json
import os
import traceback

from mcp_background_job.errors import BackgroundJobError, CorruptRecordError, LaunchError
from mcp_background_job.jobdir import lock, records
from mcp_background_job.jobdir.boot import boot_id
from mcp_background_job.jobdir.layout import JobDir, StateDir
from mcp_background_job.jobdir.queue import queued_jobs, serve_queue
from mcp_background_job.jobdir.records import Spec
from mcp_background_job.runner.exit_record import MAX_REASON
from mcp_background_job.runner.supervisor import Supervisor
from mcp_background_job.runner.sweep import sweep
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
    """Be the runner of a job, from a fresh process to the job's end and then to that of the queue's next job."""
    job = JobDir(directory)
    try:
        _own(job, reply, killed_by)
    except BackgroundJobError as error:
        reply.send(error=str(error), code=error.code)
    except OSError as error:
        reply.send(error=f"the runner of {job.job_id} failed: {error}", code=LaunchError.code)
        report_crash(job)
    except Exception:
        report_crash(job)
        raise
    reply.send(ended=True)
    _serve_next(job.state_dir)


def _own(job: JobDir, reply: Reply, killed_by: str | None) -> None:
    held = lock.try_acquire(job.lock)
    if held is None:
        reply.send(owned=True)
        return
    if os.path.exists(job.exit):
        return
    spec = records.read(Spec, job.spec)
    if spec is None:
        raise CorruptRecordError(f"{job.path} has no spec.json: there is nothing to run")
    name_process(f"mcp-bg {job.job_id}")
    if os.path.exists(job.status):
        sweep(job, spec, killed_by=killed_by)
    else:
        _run(job, spec, reply)


def _run(job: JobDir, spec: Spec, reply: Reply) -> None:
    supervisor = Supervisor(job, spec, has_subreaper=become_subreaper())
    try:
        pid = supervisor.start()
    except LaunchError as error:
        supervisor.give_up(f"not started: {error}")
        raise
    reply.send(pid=pid, runner_pid=os.getpid())
    supervisor.run()


def _serve_next(state: StateDir) -> None:
    with contextlib.suppress(OSError):  # the state directory is gone, and the queue with it
        if queued_jobs(state):
            serve_queue(state, boot_id(), _fork_runner)


def _fork_runner(job: JobDir) -> None:
    """Launch another job's runner from this one, which is at its end; returns when it owns the job."""
    read, write = os.pipe()
    if os.fork() == 0:
        exit_code = 1
        try:
            # Nothing of the job that has ended: down a long queue it would add up.
            os.closerange(3, write)
            os.closerange(write + 1, os.sysconf("SC_OPEN_MAX"))
            os.setsid()
            be_runner(job.path, Reply(write))
            exit_code = 0
        finally:
            os._exit(exit_code)
    os.close(write)
    with os.fdopen(read, "rb") as answer:
        answer.read()


def report_crash(job: JobDir) -> None:
    """Leave word of an error in the runner itself: the job becomes lost, and why stands in its directory."""
    with contextlib.suppress(OSError), open(os.path.join(job.path, "runner.crash"), "w") as file:
        file.write(traceback.format_exc()[-MAX_REASON * 8 :])
