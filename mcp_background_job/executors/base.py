"""What any place where jobs run has to offer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from mcp_background_job.jobdir.logformat import Stream
from mcp_background_job.jobdir.logreader import Piece
from mcp_background_job.jobdir.observe import Observation
from mcp_background_job.jobdir.records import Spec, StopRequest


@dataclass(frozen=True)
class Submitted:
    """What became of a submission: the pid of the command if it runs, or that it waits in the queue."""

    pid: int | None = None
    queued: bool = False


@dataclass(frozen=True)
class Cancelled:
    """What became of a cancellation.

    Attributes:
        was_live: the job had not ended before.
        survivors: processes that SIGKILL did not end; none means that no process of the job is left.
    """

    was_live: bool
    survivors: tuple[int, ...] = ()


class Executor(Protocol):
    """A place where jobs run. Methods without ``async`` read local files and may be called from a thread."""

    async def submit(self, spec: Spec, *, wait_for_report: bool = True) -> Submitted:
        """Record the job, then start it or queue it. Submitting the same id again changes nothing.

        With ``wait_for_report`` it returns when the command runs or cannot be started, else when the job is recorded:
        then a failure to start is found in the job's exit record.

        Raises:
            LaunchError: it was recorded and could not be started.
        """
        ...

    def spec(self, job_id: str) -> Spec | None:
        """Return what was asked, ``None`` if there is no such job."""
        ...

    def poll(self, job_ids: list[str]) -> dict[str, Observation]:
        """Return what is true now of each of these jobs; jobs without a trace are left out."""
        ...

    def read_log(self, job_id: str, offset: int, limit: int, stream: Stream | None = None) -> Piece:
        """Read at most ``limit`` bytes of the log from an offset on."""
        ...

    async def cancel(self, job_id: str, request: StopRequest) -> Cancelled:
        """Stop the job and confirm that it is gone."""
        ...

    def discover(self) -> set[str]:
        """Return the ids of all jobs that this place knows."""
        ...

    def health(self) -> str | None:
        """Return what is wrong with this place, ``None`` if nothing is."""
        ...
