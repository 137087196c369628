"""The record of a job's submission to Ray, beside its spec: ``native.json``, for its user alone.

It is written before Ray is asked, so that any process continues a submission under the same id. Ray takes each id only
once.
"""

from __future__ import annotations

import json
import os

from mcp_background_job.core.values import frozen
from mcp_background_job.executors.nodes.native import native_path, object_in
from mcp_background_job.jobdir import records
from mcp_background_job.jobdir.layout import JobDir

ENGINE = "ray"


@frozen
class Noted:
    """A submission.

    Attributes:
        key: makes its id unique.
        token: the secret for clients of its runner, in hexadecimal digits.
        cluster: the cluster that it is for.
        gpus: how many GPUs were asked for.
        attempt: how often the job was given to Ray, since Ray gives up jobs that wait for long.
        asked_at: when Ray was last asked (seconds since the epoch); 0 if it was not.
        session: the cluster's session at that time.
        is_confirmed: whether Ray has the job, or had it.
    """

    key: str
    token: str
    cluster: str
    gpus: float = 0.0
    attempt: int = 1
    asked_at: float = 0.0
    session: str = ""
    is_confirmed: bool = False

    def submission_id(self, job_id: str) -> str:
        """Return Ray's id of the job."""
        return f"mcp-bg-{job_id}-{self.key}-{self.attempt}"

    def package(self, job_id: str) -> str:
        """Return the name of the job's package."""
        return f"_ray_pkg_{self.submission_id(job_id)}.zip"


def new(cluster: str, gpus: float) -> Noted:
    """Return the record of a job that is to be submitted."""
    return Noted(os.urandom(8).hex(), os.urandom(32).hex(), cluster, gpus)


def write(job: JobDir, noted: Noted) -> None:
    """Write a submission record."""
    records.write(native_path(job), json.dumps({"engine": ENGINE, **vars(noted)}).encode(), durable=True)


def read(job: JobDir) -> Noted | None:
    """Return the submission record, ``None`` if there is no readable one."""
    known = object_in(native_path(job))
    if known is None or known.pop("engine", None) != ENGINE:
        return None
    try:
        return Noted(**{name: known[name] for name in Noted.__dataclass_fields__ if name in known})
    except TypeError:
        return None
