"""The place of a runner, its user's machine or a cluster's node (``runner.node``), and the resulting differences."""

from __future__ import annotations

import contextlib
import math
import os

from mcp_background_job.core.states import Outcome
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.records import Exit
from mcp_background_job.runner import control


class Site:
    """The machine of its user: all clients connect at ``control.sock``, and read the files where they are written.

    Attributes:
        is_shared: other machines read the files of the job.
        signals_all: a sender that signals the runner signals all processes of the job.
    """

    is_shared = False
    signals_all = False

    def doors(self, job: JobDir) -> list[control.Door]:
        """Return the sockets at which clients connect.

        Raises:
            OSError: one cannot be made.
        """
        return [control.Door(control.listen(job.path, os.path.basename(job.control)))]

    def read(self, job: JobDir, file: str, offset: int, limit: int) -> tuple[bytes, int]:
        """Return bytes of a file of the job from an offset on, and the size of the file; nothing if there is none.

        Clients read the files themselves, except those of a runner whose directory they do not share.
        """
        del job, file, offset, limit
        return b"", 0

    def leave(self, job: JobDir) -> None:
        """Remove the socket file."""
        with contextlib.suppress(OSError):
            os.unlink(job.control)

    def stop(self) -> tuple[float, Outcome]:
        """Return how long (seconds) a job may take whose runner is told to end now, and the outcome of such an end."""
        return math.inf, Outcome.KILLED

    def last_words(self, record: Exit) -> dict[str, object]:
        """Return the runner's last message to clients: none, since those of release 1.0.0 expect none."""
        del record
        return {}


HOME = Site()
