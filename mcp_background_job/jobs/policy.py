"""What holds for all jobs that are started or stopped from here, unless a caller says otherwise."""

from __future__ import annotations

from mcp_background_job.core.values import frozen
from mcp_background_job.jobdir.records import NO_LIMIT

#: Time between the signal and SIGKILL when a caller does not say.
GRACE_S = 5.0


@frozen
class Policy:
    """What the settings say about starting jobs; see ``config.Settings`` for each.

    ``parent`` is the id of the job that this process runs in, if it does; ``project`` the one that it works for.
    """

    max_jobs: int
    max_output: int
    timeout_s: float | None
    working_dir: str
    allowed_commands: tuple[str, ...]
    shell: tuple[str, ...]
    parent: str | None = None
    project: str = ""
    max_descendants: int = NO_LIMIT
    max_depth: int = NO_LIMIT
    on_end: str = ""
