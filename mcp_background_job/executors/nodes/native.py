"""The record of a job's submission to an engine, beside its spec: ``native.json``.

It is written before the engine is asked to run the job, and again when the engine has given its own id of the job.
"""

from __future__ import annotations

import json
import re
from typing import Any, cast

from mcp_background_job.core.values import frozen
from mcp_background_job.jobdir import records
from mcp_background_job.jobdir.layout import JobDir

#: The engines' ids of jobs. An id becomes an argument of programs, so nothing that looks like an option is accepted.
_ID = re.compile(r"\w[\w.:-]{0,199}")


@frozen
class Native:
    """A submission.

    Attributes:
        asked_at: when the engine was last asked to run the job (seconds since the epoch).
        native_id: the engine's id, empty until the engine has given it.
        gpus: how many GPUs were asked for.
        cluster: distinguishes the cluster from others of the same engine.
        engine: name of the engine.
    """

    asked_at: float
    native_id: str = ""
    gpus: int = 0
    cluster: str = ""
    engine: str = "slurm"


def native_path(job: JobDir) -> str:
    """Return the path of a job's submission record."""
    return f"{job.path}/native.json"


def write(job: JobDir, native: Native) -> None:
    """Write a submission record."""
    records.write(native_path(job), json.dumps(vars(native)).encode(), durable=True)


def read(job: JobDir) -> Native | None:
    """Return the submission record, ``None`` if there is no readable one."""
    known = object_in(native_path(job))
    if known is None:
        return None
    asked_at, gpus = known.get("asked_at", 0.0), known.get("gpus", 0)
    if not isinstance(asked_at, (int, float)) or not isinstance(gpus, int):
        return None
    native_id, cluster, engine = (str(known.get(name, "")) for name in ("native_id", "cluster", "engine"))
    return Native(float(asked_at), native_id if _ID.fullmatch(native_id) else "", gpus, cluster, engine)


def object_in(path: str) -> dict[str, Any] | None:
    """Return the JSON object in a file, ``None`` if it cannot be read."""
    try:
        with open(path, "rb") as file:
            known: object = json.loads(file.read())
    except (OSError, ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", known) if isinstance(known, dict) else None
