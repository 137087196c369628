"""Goes through the motions of a runner before there is a job, so that what they need in memory is there by then.

Two rehearsals. The spawner runs a few jobs that say a word, each from its lock to its exit record: what the interpreter
then makes for itself (specialised code, caches, room for small objects) is shared by the runners, where each would make
its own. A spare does again what touches the pages that no two processes can share, and no files: making and removing
some for every launch would slow down everybody's, since ext4 looks for a free inode past all that were freed in the
last seconds.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time

from mcp_background_job.core.states import State
from mcp_background_job.errors import BackgroundJobError
from mcp_background_job.jobdir import records
from mcp_background_job.jobdir.boot import boot_id
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.records import Spec, Status
from mcp_background_job.runner.main import Reply, take
from mcp_background_job.runner.supervisor import Supervisor

#: The interpreter specialises a function after eight calls.
_ROUNDS = 9

#: In memory where there is such a place: bringing records to a disk would take longer than all the rest.
_ROOMS = ("/dev/shm", "/tmp")  # noqa: S108  the directory is ours alone, by its mode and its name

#: What is asked of each job: what it uses, and to end.
_REQUESTS = b'{"op": "usage"}\n{"op": "input", "data": "", "eof": true}\n'

#: No job of a rehearsal lasts longer, whatever has become of what it was asked.
_LIMIT_S = 1.0


def rehearse_all() -> None:
    """Run jobs that do next to nothing, in this process; ``let_go_of_all_but`` is for what is left of them.

    Whatever prevents that prevents no job: runners are then a bit slower and larger.
    """
    for room in _ROOMS:
        with contextlib.suppress(OSError, BackgroundJobError):
            _run_jobs(os.path.join(room, f"mcp-bg-rehearsal-{os.getpid()}-{os.urandom(4).hex()}"))
            break


def _run_jobs(state: str) -> None:
    directories = [os.path.join(state, part) for part in ("", "open", "queue", "order", "jobs", "jobs/j000")]
    for directory in directories:
        os.mkdir(directory, 0o700)
    job = JobDir(directories[-1])
    try:
        for _ in range(_ROUNDS):
            records.write_spec(job, _spec())
            _run(job)
            for name in os.listdir(job.path):
                os.unlink(os.path.join(job.path, name))
    finally:
        for directory in reversed(directories):
            for entry in os.scandir(directory):
                os.unlink(entry.path)
            os.rmdir(directory)


def _run(job: JobDir) -> None:
    spec = take(job, Reply(None))
    if spec is None:
        return
    # No subreaper: that cannot be undone, and this process would inherit what runners leave behind.
    supervisor = Supervisor(job, spec, has_subreaper=False)
    supervisor.start()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        with contextlib.suppress(OSError):  # the time limit ends the job too
            client.connect(job.control)
            client.sendall(_REQUESTS)
        supervisor.run()


def rehearse_reading() -> None:
    """Do what a runner does before it reports, as far as no other process sees it."""
    records.decode(Spec, records.encode(_spec()), "rehearsal")
    records.encode(Status(state=State.STARTING.value, boot_id=boot_id(), runner_pid=os.getpid()))
    for descriptor in os.pipe():
        os.set_blocking(descriptor, False)
        os.close(descriptor)
    socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).close()


def _spec() -> Spec:
    return Spec(
        job_id="j000",
        command="read line; echo",
        argv=["/bin/sh", "-c", "read line; echo"],
        cwd="/",
        env={"PATH": os.defpath},
        created_at=time.time(),
        cookie="",
        max_output=1024 * 1024,
        max_jobs=1,
        stdin="pipe",
        timeout_s=_LIMIT_S,
    )
