"""Goes through the motions of a runner before there is a job, so the memory that they need is ready by then.

There are two rehearsals. The spawner runs a few tiny jobs, each from its lock to its exit record. The interpreter's
data for that (specialised code, caches, room for small objects) is then shared by the runners; otherwise each would
make its own. A spare repeats the steps that touch pages which no two processes can share, but makes no files: to make
and remove files for every launch would slow down every launch, since ext4 looks for a free inode past all that were
freed in the last seconds.
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

#: In memory if there is such a place: to bring records to a disk would take longer than all the rest.
_ROOMS = ("/dev/shm", "/tmp")  # noqa: S108  the directory is ours alone, by its mode and its name

#: The requests to each job: for its use, and for its end.
_REQUESTS = b'{"op": "usage"}\n{"op": "input", "data": "", "eof": true}\n'

#: Seconds. No job of a rehearsal lasts longer, even if a request fails.
_LIMIT_S = 1.0


def rehearse_all() -> None:
    """Run jobs that do next to nothing, in this process; ``let_go_of_all_but`` then removes what is left of them.

    A failure here prevents no job: runners are then a bit slower and larger.
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
    # No subreaper: that cannot be undone, and this process would inherit orphans of runners.
    supervisor = Supervisor(job, spec, has_subreaper=False)
    supervisor.start()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        with contextlib.suppress(OSError):  # the time limit ends the job too
            client.connect(job.control)
            client.sendall(_REQUESTS)
        supervisor.run()


def rehearse_reading() -> None:
    """Do the steps of a runner before its report, as far as no other process sees them."""
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
