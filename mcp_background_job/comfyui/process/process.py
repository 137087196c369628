"""The process behind a server on this machine, and what it shows of a worker thread that died."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from mcp_background_job.comfyui.wire.endpoint import Endpoint
from mcp_background_job.jobdir import records
from mcp_background_job.processes.listeners import listener_on
from mcp_background_job.processes.portrait import portrait_of
from mcp_background_job.processes.threads import Activity, activity_of, threads_of
from mcp_background_job.processes.wrapper import ProcessWrapper


class ServerProcess:
    """The process that listens on a server's port."""

    def __init__(self, process: ProcessWrapper) -> None:
        """Takes hold of it by identity."""
        self.process = process
        self.pid = process.pid
        self.portrait = portrait_of(process)
        self.started_at = self.portrait.started_at

    @classmethod
    def find(cls, endpoint: Endpoint) -> ServerProcess | None:
        """Return the process; ``None`` if it is on another machine, not ours to look at, or there is none."""
        if not endpoint.is_local:
            return None
        listener = listener_on(endpoint.port)
        if listener is None or listener.pid is None:
            return None
        try:
            held = cls(ProcessWrapper(listener.pid))
        except ProcessLookupError:
            return None
        # Held and asked again: otherwise the pid might have become another's in between.
        return held if listener_on(endpoint.port) == listener else None

    def is_alive(self) -> bool:
        """Tell whether this very process still runs."""
        return self.process.is_alive()

    def activity(self) -> Activity:
        """Return what its threads do now; without threads where that cannot be read."""
        return activity_of(self.pid)

    def threads(self) -> frozenset[int]:
        """Return the kernel's ids of its threads."""
        return threads_of(self.pid)


@dataclass(frozen=True)
class Baseline:
    """The threads of a server's process at a moment, to be missed later.

    Attributes:
        pid: of the process.
        birth: of the process, see ``Portrait``.
        taken_at: the moment (seconds since the epoch).
        threads: the kernel's ids.
    """

    pid: int
    birth: float
    taken_at: float
    threads: tuple[int, ...]

    def is_of(self, process: ServerProcess) -> bool:
        """Tell whether it is of this very process."""
        return (self.pid, self.birth) == (process.pid, process.portrait.birth)


class Baselines:
    """Remembers the threads that a server had, for all who share a state directory."""

    def __init__(self, directory: Path) -> None:
        """Names the directory; creates nothing."""
        self._directory = directory

    def take(self, process: ServerProcess, port: int) -> None:
        """Note the threads of a process, unless they were noted before.

        Only the first look counts: the worker thread never comes back, so a later one could note its absence.
        """
        known = self.get(port)
        if known and known.is_of(process):
            return
        baseline = Baseline(process.pid, process.portrait.birth, time.time(), tuple(sorted(process.threads())))
        self._directory.mkdir(mode=0o700, exist_ok=True)
        records.write(str(self._path(port)), json.dumps(asdict(baseline)).encode())

    def get(self, port: int) -> Baseline | None:
        """Return what was noted of the server on a port."""
        try:
            content = json.loads(self._path(port).read_text())
            return Baseline(
                int(content["pid"]), float(content["birth"]), float(content["taken_at"]), tuple(content["threads"])
            )
        except (OSError, ValueError, KeyError, TypeError):  # none yet, or none that can be read: it is a hint only
            return None

    def _path(self, port: int) -> Path:
        return self._directory / f"threads-{port}.json"


def worker_gone(
    process: ServerProcess, baseline: Baseline | None, *, running_since: float | None, idle: bool | None
) -> bool | None:
    """Tell whether the thread that runs prompts has ended; ``None`` if that cannot be known.

    The running prompt was begun by the worker. If that was after the baseline was taken, the worker is in it; so when
    one of its threads is missing now and no other does anything, the missing one is the worker.
    """
    if baseline is None or not baseline.is_of(process):
        return None
    if running_since is None or running_since < baseline.taken_at:
        return None
    missing = set(baseline.threads) - process.threads()
    return bool(missing) and idle is not False
