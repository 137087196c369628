"""What was found of a job at one moment, by whoever looked first."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from mcp_background_job.core.job import Job
from mcp_background_job.jobdir.observe import Observation
from mcp_background_job.jobdir.records import Spec

if TYPE_CHECKING:
    from mcp_background_job.executors.usage import Usage


class Standing(NamedTuple):
    """A job, what its directory says, what was asked, if that can be read, and whether its command is suspended.

    What it uses stands with it where whoever looked has found that out.
    """

    job: Job
    seen: Observation
    spec: Spec | None
    is_suspended: bool
    usage: Usage | None = None


class Remarks(NamedTuple):
    """What is said of jobs beside their status, by id: notes on those that live, and where those on clusters are."""

    notes: dict[str, str]
    engines: dict[str, str]
