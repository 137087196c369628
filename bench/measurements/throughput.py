"""A gigabyte of output: the cost of a job's log against a file that the shell redirects to."""

from __future__ import annotations

import os
import subprocess
import time

from bench.client import ServerProcess, facts_of
from bench.figures import KIB_PER_MIB, Figure, at_most, ratio
from bench.memory import memory, reset_peak
from bench.plan import Plan
from bench.workspace import await_runner_end
from mcp_background_job.jobdir import records
from mcp_background_job.jobdir.layout import StateDir
from mcp_background_job.jobdir.records import Exit

_COMMANDS = {
    "bytes": "head -c {size} /dev/zero",
    "lines": "yes 'a line of output such as a build or a training run prints it: step, loss, time' | head -c {size}",
    "two streams": (
        "(yes 'a line on the one stream, as a build prints it' | head -c {half}) & "
        "(yes 'and a line on the other' | head -c {half} >&2); wait"
    ),
}
_DEFAULT_RETENTION = 64 * 1024**2
_BAR = 1.05
#: The disk space that log and index may have beyond the limit, since blocks are whole.
_SLACK = 2**20
_MEMORY_BAR_MB = 8.0


def measure_throughput(plan: Plan) -> list[Figure]:
    """Measure from a job's start to its end as seen, for two retentions and several kinds of output; and the memory."""
    figures: list[Figure] = []
    growth: list[float] = []
    for settings, retention in (({}, "default retention"), ({"max_output_size": "2GB"}, "all kept")):
        state = plan.workspace.state_dir()
        with plan.workspace.ours(state, **settings) as server:
            run = _Run(plan, state, server, keeps_all=bool(settings))
            run.warm_up()
            for kind, command in _COMMANDS.items():
                ours: list[float] = []
                recorded: list[float] = []
                floor: list[float] = []
                for round_number in range(plan.count(5, 1)):
                    # In changing order, since the disk is still busy with what the last one has written.
                    if round_number % 2:
                        floor.append(run.redirected(command))
                    before = reset_peak(server.pid)
                    seen, noted = run.job(command)
                    ours.append(seen)
                    recorded.append(noted)
                    growth.append((memory(server.pid, "VmHWM") - before) / KIB_PER_MIB)
                    if not round_number % 2:
                        floor.append(run.redirected(command))
                what = f"{run.size // 2**20:,} MiB of {kind}, {retention}, against `> file`"
                figures.append(ratio(what, ours, floor, bar=_BAR))
                figures.append(ratio("the same, until the runner has noted the end", recorded, floor))
    what = f"memory growth of the server meanwhile, worst of {len(growth)}"
    return [*figures, at_most(what, max(growth), "MiB", bar=_MEMORY_BAR_MB, digits=1)]


class _Run:
    """Runs a command as a job and in a shell, with fresh files for each."""

    def __init__(self, plan: Plan, state: StateDir, server: ServerProcess, *, keeps_all: bool) -> None:
        self.size = plan.count(2**30, 3 * 2**25)
        self._state = state
        self._server = server
        self._keeps_all = keeps_all
        self._file = plan.workspace.file("redirected")

    def warm_up(self) -> None:
        job_id = facts_of(self._server.call("execute_command", command="echo warm", wait_s=5))["job_id"]
        self._server.call("wait_for_job", job_id=job_id)
        self._server.call("get_job_status", job_id=job_id)
        await_runner_end(self._state, job_id)

    def job(self, command: str) -> tuple[float, float]:
        """Return the seconds from the call that starts a job until its exit is seen, and until its runner noted it."""
        began_at = time.time()
        began = time.perf_counter()
        started = self._server.call("execute_command", command=self._of_size(command), wait_s=0)
        job_id = facts_of(started)["job_id"]
        waited = facts_of(self._server.call("wait_for_job", job_id=job_id, wait_s=50))
        took = time.perf_counter() - began
        assert (waited["status"], waited["exit_code"]) == ("completed", 0), waited
        noted = self._check(job_id)
        await_runner_end(self._state, job_id)
        self._remove(job_id)
        return took, noted - began_at

    def redirected(self, command: str) -> float:
        began = time.perf_counter()
        subprocess.run(["/bin/sh", "-c", f"{{ {self._of_size(command)}; }} > {self._file} 2>&1"], check=True)
        took = time.perf_counter() - began
        assert os.stat(self._file).st_size == self.size
        os.unlink(self._file)
        return took

    def _of_size(self, command: str) -> str:
        return command.format(size=self.size, half=self.size // 2)

    def _check(self, job_id: str) -> float:
        """Check that the log is whole; returns when the runner noted the end."""
        status = facts_of(self._server.call("get_job_status", job_id=job_id))
        assert status["output_bytes"] == self.size, status
        assert "lost_bytes" not in status, status
        on_disk = sum(os.stat(path).st_blocks * 512 for path in self._logs(job_id))
        dropped = status.get("dropped_bytes", 0)
        assert self.size - dropped <= on_disk, f"{on_disk} on disk, {dropped} dropped"
        assert not dropped if self._keeps_all else on_disk <= _DEFAULT_RETENTION + _SLACK, f"{on_disk} on disk"
        record = records.read(Exit, self._state.job(job_id).exit)
        assert record, f"{job_id} has no exit record"
        return record.ended_at

    def _remove(self, job_id: str) -> None:
        # Removed before the kernel writes them back: the disk must not be busy with them in the next measurement.
        for path in self._logs(job_id):
            os.unlink(path)

    def _logs(self, job_id: str) -> list[str]:
        directory = self._state.job(job_id).path
        return [os.path.join(directory, name) for name in os.listdir(directory) if name.startswith("output.")]
