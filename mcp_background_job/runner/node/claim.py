"""The right to run a job on a node: a file that only one process can make, on every file system."""

from __future__ import annotations

import _thread
import contextlib
import json
import os

from mcp_background_job.jobdir.boot import boot_id, machine
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.records import write_all


def take(job: JobDir, native_id: str, node: str) -> bool:
    """Claim a job for this process, for good; returns whether it was unclaimed.

    An engine may start a job twice: after a crash of its submitter, or because it puts jobs back into its queue.

    Raises:
        OSError: this process cannot use the directory.
    """
    try:
        descriptor = os.open(job.claim, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return False
    facts = {"machine": machine(), "boot_id": boot_id(), "pid": os.getpid(), "native_id": native_id, "node": node}
    write_all(descriptor, json.dumps(facts).encode())
    # The claim must survive a crash of the node, but a busy disk takes its time: meanwhile the job begins.
    _thread.start_new_thread(_keep, (descriptor,))
    return True


def _keep(descriptor: int) -> None:
    try:
        with contextlib.suppress(OSError):  # it counts that the file exists
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def holder(job: JobDir) -> str:
    """Return in words which process has claimed a job; it may not have written that down yet."""
    try:
        with open(job.claim, "rb") as file:
            facts = json.loads(file.read())
        if facts.get("withdrawn"):
            return "whoever withdrew it"
        return f"job {facts['native_id']} of the cluster, on {facts['node']}"
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return "another one"
