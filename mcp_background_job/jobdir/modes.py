"""The modes of a job's files: a job can remove its user's permissions for them, and so this program's."""

from __future__ import annotations

import contextlib
import os
import stat

from mcp_background_job.errors import StateDirError
from mcp_background_job.jobdir.layout import JobDir

_DIRECTORY = 0o700
_FILE = 0o600


def restore(job: JobDir) -> bool:
    """Let a job's user read and write its directory and files again; returns whether a mode was changed.

    Raises:
        StateDirError: the modes cannot be changed.
    """
    try:
        changed = [_allow(path, _DIRECTORY) for path in (job.state_dir.jobs, job.path)]
        with os.scandir(job.path) as entries:
            changed += [_allow(entry.path, _FILE) for entry in entries if not entry.is_symlink()]
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StateDirError(
            f"the files of job {job.job_id} cannot be used: {error.strerror}, {error.filename}; "
            f"give them back their modes: chmod -R u+rwX {job.path}"
        ) from error
    return any(changed)


def _allow(path: str, needed: int) -> bool:
    # The runner writes and renames files meanwhile: one that is gone keeps none of the others closed.
    with contextlib.suppress(FileNotFoundError):
        mode = stat.S_IMODE(os.stat(path).st_mode)
        if mode & needed != needed:
            os.chmod(path, mode | needed)
            return True
    return False
