"""Files that a node has written and that show here late: clients of file servers remember what was not there.

On NFS, what was looked for in vain is not looked for again for up to half a minute, unless the directory is seen to
have changed. A chmod that changes nothing shows that: its answer says how the directory is now.
"""

from __future__ import annotations

import contextlib
import os

from mcp_background_job.core.states import State
from mcp_background_job.executors.slurm import states
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.observe import Observation


def look_anew(job: JobDir) -> None:
    """Have whatever is looked for next in a job's directory looked for on the server of the files."""
    with contextlib.suppress(OSError):  # it is gone, which whoever looks will see
        os.chmod(job.path, 0o700)


def is_behind(job: JobDir, files: Observation, word: str | None) -> bool:
    """Tell whether files are missing that should be there, by what others and Slurm's word say of a live job."""
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
