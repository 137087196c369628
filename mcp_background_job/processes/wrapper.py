"""A process and its tree, identified by pid and start time, so a reused pid does not count."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from dataclasses import field

import psutil

from mcp_background_job.core.values import frozen
from mcp_background_job.jobdir import runners
from mcp_background_job.processes import census
from mcp_background_job.processes.census import Seen

#: Time between two rounds of SIGKILL; a wait for zombies that nobody reaps ends after it.
_KILL_ROUND_S = 0.05


@frozen
class TreeUsage:
    """The resources that a tree of processes uses.

    Attributes:
        processes: number of processes.
        cpu_s: CPU seconds that the living processes have used.
        memory: resident bytes; shared pages count once for each process.
        ports: TCP ports that the processes listen on.
        commands: command lines by pid.
    """

    processes: int = 0
    cpu_s: float = 0.0
    memory: int = 0
    ports: list[int] = field(default_factory=list[int])
    commands: dict[int, str] = field(default_factory=dict[int, str])


class ProcessWrapper:
    """One process. psutil compares start times before every signal, so a signal to a reused pid raises."""

    def __init__(self, pid: int) -> None:
        """Takes hold of the process that has this pid now.

        Raises:
            ProcessLookupError: there is no such process.
        """
        try:
            self._process = psutil.Process(pid)
        except psutil.NoSuchProcess as error:
            raise ProcessLookupError(f"there is no process {pid}") from error

    def __repr__(self) -> str:
        """Shows pid, name and state."""
        return f"<ProcessWrapper {self._process}>"

    @property
    def pid(self) -> int:
        """Its pid."""
        return self._process.pid

    def look(self) -> Seen | None:
        """Return this very process as the list of all shows it; ``None`` if it is gone."""
        seen = census.look_up(self.pid)
        # This comes afterwards: if the process still exists now, it was the one whose line was read.
        return seen if seen is not None and self._process.is_running() else None

    def is_alive(self) -> bool:
        """Tell whether this very process is alive; a zombie is not."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return self._process.is_running() and self._process.status() != psutil.STATUS_ZOMBIE
        return False

    def kill(self) -> None:
        """Send SIGKILL to this very process, if it still exists."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self._process.kill()

    def wait(self, timeout_s: float) -> bool:
        """Wait until it is gone; returns whether that happened in time. Blocks the thread."""
        try:
            self._process.wait(timeout_s)
        except psutil.TimeoutExpired:
            return False
        return True

    def end_descendants(self, number: int, *, grace_s: float, patience_s: float) -> list[int]:
        """Signal all processes below this one, and kill the remaining ones after the grace period; blocks the thread.

        Returns the pids of processes that SIGKILL did not end within ``patience_s``.
        """
        if grace_s > 0 and number != signal.SIGKILL:
            polite = [process for process in self._living_descendants() if not _may_become_runner(process)]
            for process in polite:
                _send(process, number)
                _send(process, signal.SIGCONT)  # a suspended process would not see the signal
            psutil.wait_procs(polite, timeout=grace_s)
        deadline = time.monotonic() + patience_s
        while (left := self._living_descendants()) and time.monotonic() < deadline:
            # A process that may become a runner gets time for that, or to end. It is killed when no other is left.
            for process in [process for process in left if not _may_become_runner(process)] or left:
                _send(process, signal.SIGKILL)
            psutil.wait_procs(left, timeout=_KILL_ROUND_S)
        return [process.pid for process in left]

    def _living_descendants(self) -> list[psutil.Process]:
        living: list[psutil.Process] = []
        for process in self._descendants():
            with contextlib.suppress(psutil.NoSuchProcess):
                if process.status() != psutil.STATUS_ZOMBIE:
                    living.append(process)
        return living

    def usage_of_descendants(self) -> TreeUsage:
        """Add up the use of the processes below this one; those that end meanwhile are left out."""
        cpu = 0.0
        memory = 0
        ports: set[int] = set()
        commands: dict[int, str] = {}
        for process in self._descendants():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied), process.oneshot():
                if process.status() == psutil.STATUS_ZOMBIE:
                    continue
                times = process.cpu_times()
                cpu += times.user + times.system
                memory += process.memory_info().rss
                commands[process.pid] = " ".join(process.cmdline()) or process.name()
                ports |= _listening_ports(process)
        return TreeUsage(len(commands), cpu, memory, sorted(ports), commands)

    def _descendants(self) -> Iterator[psutil.Process]:
        """Yield the processes below this one, without the runners of other jobs and the processes below those."""
        strangers: set[int] = set()
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in self._process.children(recursive=True):  # parents come before their children
                with contextlib.suppress(psutil.NoSuchProcess):
                    if process.ppid() in strangers or _is_runner(process):
                        strangers.add(process.pid)
                    else:
                        yield process


def _may_become_runner(process: psutil.Process) -> bool:
    return runners.is_name_of_ours(runners.name_of(process.pid))


def _is_runner(process: psutil.Process) -> bool:
    return _may_become_runner(process) and runners.job_of(process.pid) is not None


def _send(process: psutil.Process, number: int) -> None:
    if _is_runner(process):  # it became one after it was listed
        return
    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):  # gone, or shown as a survivor
        process.send_signal(number)


def _listening_ports(process: psutil.Process) -> set[int]:
    try:
        connections = process.net_connections("tcp")
    except (psutil.AccessDenied, psutil.NoSuchProcess):
        return set()
    return {connection.laddr.port for connection in connections if connection.status == psutil.CONN_LISTEN}
