"""Where a runner stands, and what that changes: on its user's machine, or on a node of a cluster (``runner.node``)."""

from __future__ import annotations

import contextlib
import math
import os

from mcp_background_job.core.states import Outcome
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.records import Exit
from mcp_background_job.runner import control


class Site:
    """The machine of its user: all who ask come over ``control.sock``, and read the files where they are written.

    Attributes:
        is_shared: other machines read the files of the job.
        signals_all: who signals the runner signals all processes of the job.
    """

    is_shared = False
    signals_all = False

    def doors(self, job: JobDir) -> list[control.Door]:
        """Return where clients come in.

        Raises:
            OSError: it cannot be made.
        """
        return [control.Door(control.listen(job.path, os.path.basename(job.control)))]

    def read(self, job: JobDir, file: str, offset: int, limit: int) -> tuple[bytes, int]:
        """Return what lies in a file of the job from an offset on, and the size of the file; nothing if there is none.

        Clients read the files themselves, but for those of a runner whose directory nobody else sees.
        """
        del job, file, offset, limit
        return b"", 0

    def leave(self, job: JobDir) -> None:
        """Remove what led clients in."""
        with contextlib.suppress(OSError):
            os.unlink(job.control)

    def stop(self) -> tuple[float, Outcome]:
        """Return how long a job may take whose runner is told to end now (seconds), and how it ends by that."""
        return math.inf, Outcome.KILLED

    def last_words(self, record: Exit) -> dict[str, object]:
        """Return what clients are told before the runner hangs up. Nothing: those of release 1.0.0 expect nothing."""
        del record
        return {}


HOME = Site()
