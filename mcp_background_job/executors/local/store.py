"""The store of this machine's jobs; it also asks the kernel about them."""

from __future__ import annotations

from mcp_background_job.executors.store import DirectoryStore
from mcp_background_job.jobdir import claims
from mcp_background_job.jobdir.boot import boot_id
from mcp_background_job.jobdir.layout import StateDir
from mcp_background_job.jobdir.observe import Observation, observe


class LocalStore(DirectoryStore):
    """Reads and writes the job directories of the state directory."""

    def __init__(self, state: StateDir) -> None:
        """Takes the state directory; ``prepare`` makes it."""
        super().__init__(state)
        self.boot_id = boot_id()

    def observe(self, job_id: str) -> Observation:
        """Return the state of a job."""
        return observe(self.job(job_id), self.boot_id)

    def is_claimed(self, job_id: str) -> bool:
        """Tell whether a process is about to launch a job."""
        return claims.is_taken(self.state, job_id)
