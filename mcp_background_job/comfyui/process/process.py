"""The process behind a server on this machine, and the traces of a worker thread that died."""

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
        """Takes the process, which is held by its identity."""
        self.process = process
        self.pid = process.pid
        self.portrait = portrait_of(process)
        self.started_at = self.portrait.started_at

    @classmethod
    def find(cls, endpoint: Endpoint) -> ServerProcess | None:
        """Return the process; ``None`` if it is on another machine, is not ours to inspect, or does not exist."""
        if not endpoint.is_local:
            return None
        listener = listener_on(endpoint.port)
        if listener is None or listener.pid is None:
            return None
        try:
            held = cls(ProcessWrapper(listener.pid))
        except ProcessLookupError:
            return None
        # Asked again once held: otherwise the pid might have become another process's in between.
        return held if listener_on(endpoint.port) == listener else None

    def is_alive(self) -> bool:
        """Tell whether this very process still runs."""
        return self.process.is_alive()

    def activity(self) -> Activity:
        """Return the present activity of its threads; without threads if that cannot be read."""
        return activity_of(self.pid)

    def threads(self) -> frozenset[int]:
        """Return the kernel's ids of its threads."""
        return threads_of(self.pid)


@dataclass(frozen=True)
class Baseline:
    """The threads of a server's process at one moment, to find out later which are missing.

    Attributes:
        pid: pid of the process.
        birth: birth of the process, see ``Portrait``.
        taken_at: the moment (seconds since the epoch).
        threads: the kernel's ids of the threads.
    """

    pid: int
    birth: float
    taken_at: float
    threads: tuple[int, ...]

    def is_of(self, process: ServerProcess) -> bool:
        """Tell whether the baseline belongs to this very process."""
        return (self.pid, self.birth) == (process.pid, process.portrait.birth)


class Baselines:
    """Remembers the threads that a server had, for all processes that share a state directory."""

    def __init__(self, directory: Path) -> None:
        """Takes the directory; creates nothing."""
        self._directory = directory

    def take(self, process: ServerProcess, port: int) -> None:
        """Record the threads of a process, unless they are on record.

        Only the first look counts: a dead worker thread never comes back, so a later look could record its absence.
        """
        known = self.get(port)
        if known and known.is_of(process):
            return
        baseline = Baseline(process.pid, process.portrait.birth, time.time(), tuple(sorted(process.threads())))
        self._directory.mkdir(mode=0o700, exist_ok=True)
        records.write(str(self._path(port)), json.dumps(asdict(baseline)).encode())

    def get(self, port: int) -> Baseline | None:
        """Return the record for the server on a port."""
        try:
            content = json.loads(self._path(port).read_text())
            return Baseline(
                int(content["pid"]), float(content["birth"]), float(content["taken_at"]), tuple(content["threads"])
            )
        except (OSError, ValueError, KeyError, TypeError):  # there is none, or it is unreadable: it is only a hint
            return None

    def _path(self, port: int) -> Path:
        return self._directory / f"threads-{port}.json"


def worker_gone(
    process: ServerProcess, baseline: Baseline | None, *, running_since: float | None, idle: bool | None
) -> bool | None:
    """Tell whether the thread that runs prompts has ended; ``None`` if that is unknown.

    The worker thread began the running prompt. If that was after the baseline was taken, the baseline includes the
    worker. So if one of its threads is missing now and no other thread does anything, the missing one is the worker.
    """
    if baseline is None or not baseline.is_of(process):
        return None
    if running_since is None or running_since < baseline.taken_at:
        return None
    missing = set(baseline.threads) - process.threads()
    return bool(missing) and idle is not False
