"""What is noted of a job's submission, beside its spec, and who has taken the job.

``native.json``: written before ``sbatch`` is run, and again when it has said which job that made. ``runner.claim``:
made by the runner, on whatever machine, in an instant that only one can have (``O_CREAT | O_EXCL``); it stands in for
the lock, which other machines do not see. Whoever withdraws a job that has not started takes the claim himself: then
no runner will, whatever Slurm does.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from typing import Any, cast

from mcp_background_job.jobdir import records
from mcp_background_job.jobdir.boot import boot_id, machine
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.records import StopRequest

ENGINE = "slurm"


@dataclass(frozen=True)
class Native:
    """A submission.

    Attributes:
        asked_at: when Slurm was last asked to run the job (seconds since the epoch).
        native_id: Slurm's id, empty as long as it has not said it.
        gpus: how many were asked for.
        cluster: what tells the cluster from others; see ``Commands.cluster``.
    """

    asked_at: float
    native_id: str = ""
    gpus: int = 0
    cluster: str = ""


@dataclass(frozen=True)
class Claim:
    """Who has taken a job: a runner, or whoever withdrew it.

    Attributes:
        native_id: Slurm's id of the job in which the runner runs, empty if it has not noted that.
        node: where that is, empty likewise.
        withdrawn: the wish that it never run.
    """

    native_id: str = ""
    node: str = ""
    withdrawn: StopRequest | None = None


def native_path(job: JobDir) -> str:
    """Return where a job's submission is noted."""
    return f"{job.path}/native.json"


def write(job: JobDir, native: Native) -> None:
    """Note a submission."""
    records.write(native_path(job), json.dumps({"engine": ENGINE, **vars(native)}).encode(), durable=True)


def read(job: JobDir) -> Native | None:
    """Return what is noted, ``None`` if nothing is that can be read."""
    known = _object(native_path(job))
    if known is None:
        return None
    asked_at, gpus = known.get("asked_at", 0.0), known.get("gpus", 0)
    if not isinstance(asked_at, (int, float)) or not isinstance(gpus, int):
        return None
    native_id, cluster = (str(known.get(name, "")) for name in ("native_id", "cluster"))
    return Native(float(asked_at), native_id if native_id.isdecimal() else "", gpus, cluster)


def is_claimed(job: JobDir) -> bool:
    """Tell whether somebody has taken a job."""
    return os.path.exists(job.claim)


def claim_of(job: JobDir) -> Claim | None:
    """Return who has taken a job, ``None`` if nobody has."""
    known = _object(job.claim)
    if known is None:
        return Claim() if is_claimed(job) else None  # it is being written
    native_id, node, withdrawn = (known.get(name) for name in ("native_id", "node", "withdrawn"))
    return Claim(str(native_id or ""), str(node or ""), _request(withdrawn))


def withdraw(job: JobDir, request: StopRequest) -> bool:
    """Take a job so that no runner does; returns whether nobody had taken it."""
    try:
        descriptor = os.open(job.claim, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return False
    try:
        known = {"machine": machine(), "boot_id": boot_id(), "pid": os.getpid(), "withdrawn": vars(request)}
        records.write_all(descriptor, json.dumps(known).encode())
    finally:
        os.close(descriptor)
    return True


def _request(known: Any) -> StopRequest | None:
    if not isinstance(known, dict):
        return None
    with contextlib.suppress(TypeError):  # another release's: what is known of it is enough
        return StopRequest(**cast("dict[str, Any]", known))
    return StopRequest(at=0.0, by="", why="", signal="", grace_s=0.0)


def _object(path: str) -> dict[str, Any] | None:
    try:
        with open(path, "rb") as file:
            known: object = json.loads(file.read())
    except (OSError, ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", known) if isinstance(known, dict) else None
