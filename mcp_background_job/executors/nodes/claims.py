"""Records which process has taken a job: ``runner.claim``, a file that only one process can create on any file system.

A runner on a node creates it before anything else. It replaces the lock, which other machines do not see. To withdraw a
job that has not started, a process takes the claim itself: then no runner will, whatever the engine does.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import Any, cast

from mcp_background_job.core.values import frozen
from mcp_background_job.executors.nodes.native import object_in
from mcp_background_job.jobdir import records
from mcp_background_job.jobdir.boot import boot_id, machine
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.records import StopRequest


@frozen
class Claim:
    """The process that has taken a job: a runner, or the process that withdrew the job.

    Attributes:
        native_id: the engine's id of the job in which the runner runs, empty if the runner has not noted it.
        node: the node of that job, empty if the runner has not noted it.
        withdrawn: the request that the job never run.
    """

    native_id: str = ""
    node: str = ""
    withdrawn: StopRequest | None = None


def is_claimed(job: JobDir) -> bool:
    """Tell whether any process has taken a job."""
    return os.path.exists(job.claim)


def claim_of(job: JobDir) -> Claim | None:
    """Return the claim on a job, ``None`` if there is none."""
    known = object_in(job.claim)
    if known is None:
        return Claim() if is_claimed(job) else None  # the file is being written
    native_id, node, withdrawn = (known.get(name) for name in ("native_id", "node", "withdrawn"))
    return Claim(str(native_id or ""), str(node or ""), _request(withdrawn))


def withdraw(job: JobDir, request: StopRequest) -> bool:
    """Take a job so that no runner does; returns whether it was free."""
    return _take(job, {"withdrawn": vars(request)})


def take_for(job: JobDir, native_id: str, node: str) -> bool:
    """Take a job on behalf of a runner that has it and does not see our files; returns whether it was free."""
    return _take(job, {"native_id": native_id, "node": node})


def _take(job: JobDir, known: dict[str, object]) -> bool:
    try:
        descriptor = os.open(job.claim, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return False
    try:
        who = {"machine": machine(), "boot_id": boot_id(), "pid": os.getpid()}
        records.write_all(descriptor, json.dumps({**who, **known}).encode())
    finally:
        os.close(descriptor)
    return True


def _request(known: Any) -> StopRequest | None:
    if not isinstance(known, dict):
        return None
    with contextlib.suppress(TypeError):  # another release wrote it: the claim itself is enough
        return StopRequest(**cast("dict[str, Any]", known))
    return StopRequest(at=0.0, by="", why="", signal="", grace_s=0.0)
