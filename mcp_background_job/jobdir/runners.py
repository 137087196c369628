"""Which processes are runners, and of which jobs: the kernel is asked, and no file is trusted.

A runner may be below another job: a command line or server that is used inside a job launches runners there, and since
it also serves the queue, they may be of any job. The outer runner inherits them, as a subreaper. They and the processes
below them never belong to the outer job, so a walk through a tree of processes stops at a runner.

A process is a runner if three facts hold:

* it has the name of one. That proves nothing, but keeps the search cheap;
* it holds the ``runner.lock`` of a job open;
* the kernel reports that it holds the lock on that very file (``F_GETLK``), which no other process can do as well.

A process that wants to pass for a runner can do so, by making a job directory of its own. So a job can take processes
out of its family in this way, as it could by starting another job. It cannot pass for the runner of a job whose runner
lives. On systems without ``/proc`` no runner is recognised.
"""

from __future__ import annotations

import contextlib
import os

from mcp_background_job.jobdir import lock
from mcp_background_job.jobdir.layout import JobDir, is_job_id

#: The beginning of the names of runners and spawners of every release.
_PREFIX = "mcp-bg"

#: The kernel keeps this many bytes of a name.
_NAME_LENGTH = 15

#: The kernel adds this to the path of a removed file.
_REMOVED = " (deleted)"

SPAWNER_NAME = f"{_PREFIX}:spawner"


def name_of_runner(job_id: str) -> str:
    """Return the name that the runner of a job gives itself. It has no spaces: some batch systems cannot read those."""
    return f"{_PREFIX}:{job_id}"


def is_name_of_ours(name: str) -> bool:
    """Tell whether a process of this name may be a runner, a spawner, or a process that becomes a runner."""
    return name.startswith(_PREFIX)


def job_of(pid: int) -> JobDir | None:
    """Return the job whose runner a process is; ``None`` if it is no runner."""
    for path, link in _lock_files(pid):
        job = JobDir(os.path.dirname(path))
        # This asks about the very file that it has open, which may have been removed or replaced since.
        holder = lock.holder_of(link) if is_job_id(job.job_id) else None
        if holder and holder.pid == pid:
            return job
    return None


def find(job: JobDir) -> int | None:
    """Return the pid of the living runner of a job, even if the job's files and its lock were removed."""
    directory = os.path.realpath(job.path)
    for pid in set(_pids()) - {os.getpid()}:
        name = name_of(pid)
        if _may_run(name, job.job_id) and (found := job_of(pid)) and found.path == directory:
            return pid
    return None


def find_bereft(job: JobDir) -> int | None:
    """Return the pid of the living runner of a job whose lock was removed or replaced, perhaps by the job itself."""
    pid = find(job)
    # If it took the lock after the caller saw it free, it is a new runner, perhaps a sweeper.
    return pid if lock.holder_of(job.lock) is None else None


def keeps_lock_beyond_the_end(pid: int) -> bool:
    """Tell whether a holder of a job's lock may be a runner that has recorded the end but not released the lock yet.

    Runners of release 1.0.0 keep it a little longer. The name is enough here: the process is known to hold the lock.
    """
    return name_of(pid).startswith(f"{_PREFIX} ")


def may_have_children(pid: int) -> bool:
    """Tell whether a process has children, including dead ones that are not collected; true if that is unknown."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", "rb") as file:
            return bool(file.read())
    except OSError:
        return True


def is_runner_of(pid: int, job: JobDir) -> bool:
    """Tell whether a process is the living runner of this job."""
    found = job_of(pid) if is_name_of_ours(name_of(pid)) else None
    return found is not None and found.path == os.path.realpath(job.path)


def name_of(pid: int) -> str:
    """Return the name that a process shows; empty if it is gone, or without ``/proc``."""
    try:
        with open(f"/proc/{pid}/comm", "rb") as file:
            return file.read().rstrip(b"\n").decode(errors="replace")
    except OSError:
        return ""


def _may_run(name: str, job_id: str) -> bool:
    # The separator was a space in release 1.0.0.
    return is_name_of_ours(name) and name[len(_PREFIX) + 1 :] == job_id[: _NAME_LENGTH - len(_PREFIX) - 1]


def _lock_files(pid: int) -> list[tuple[str, str]]:
    """Return the locks of jobs that a process has open: the path of each, and a link to the file itself."""
    found: list[tuple[str, str]] = []
    with contextlib.suppress(OSError):  # it is gone, or another user's
        for number in os.listdir(f"/proc/{pid}/fd"):
            link = f"/proc/{pid}/fd/{number}"
            path = os.readlink(link).removesuffix(_REMOVED)
            if os.path.basename(path) == "runner.lock":
                found.append((path, link))
    return found


def _pids() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    except FileNotFoundError:
        return []
