"""Files that a node has written and that appear here late: clients of file servers cache the absence of files.

On NFS, a file that was missing once is not looked for again for up to half a minute, unless the directory is seen to
have changed. A chmod that changes nothing shows such a change: its answer has the directory's present state.
"""

from __future__ import annotations

import contextlib
import os

from mcp_background_job.core.states import State
from mcp_background_job.executors.slurm import states
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.observe import Observation


def look_anew(job: JobDir) -> None:
    """Make the next lookups in a job's directory ask the file server."""
    with contextlib.suppress(OSError):  # the directory is gone, and the next look shows that
        os.chmod(job.path, 0o700)


def is_behind(job: JobDir, files: Observation, word: str | None) -> bool:
    """Tell whether files are missing that a live job should have, by its other files and Slurm's word."""
    expected: list[str] = []
    if word in states.LIVE or states.is_over(word):
        expected.append(job.status)
    if states.is_over(word):
        expected.append(job.exit)
    if files.status:
        expected.append(job.claim)
    if files.status and files.status.state == State.RUNNING.value:
        expected += [job.log, job.index, job.address]
    return not all(map(os.path.exists, expected))
