"""Unrelated calls beside many subscribers to jobs that print: how long they take, and what subscribers cost."""

from __future__ import annotations

import time

import psutil

from bench.client import ServerProcess, facts_of
from bench.figures import MS_PER_S, Figure, at_most, p50, p99
from bench.measurements.feeding import feeding
from bench.measurements.many import await_reports
from bench.plan import Plan

_ANSWER_BAR_MS = 20.0
_CPU_BAR_PERCENT = 15.0

#: Lines a second that each job prints: more often than updates come.
_LINES_PER_S = 2.0

#: Pause between two unrelated calls.
_BETWEEN_S = 0.05


def measure_subscribers(plan: Plan) -> list[Figure]:
    """Measure beside 200 subscriptions to the output and the life of 100 jobs that each print twice a second."""
    state, count = plan.workspace.state_dir(), plan.count(100, 10)
    pipes = [plan.workspace.file(f"pipe-to-follow-{number}") for number in range(count)]
    with feeding(pipes, count * _LINES_PER_S), plan.workspace.ours(state, max_jobs=str(count + 1)) as server:
        commands = [*(f"exec cat {pipe}" for pipe in pipes), "sleep 600"]
        calls = [{"command": command, "wait_s": 0} for command in commands]
        job_ids = [facts_of(answer)["job_id"] for answer in server.call_many("execute_command", calls)]
        await_reports(state, job_ids)
        *printing, quiet = job_ids
        for job_id in printing:
            for uri in (f"job://{job_id}/log", f"job://{job_id}"):
                server.request("resources/subscribe", {"uri": uri})
        return _beside(plan, server, quiet, f"{2 * count} subscribers, {count} jobs that print 2 lines/s each")


def _beside(plan: Plan, server: ServerProcess, job_id: str, what: str) -> list[Figure]:
    _wait(server, plan.count(3, 1))
    process, window = psutil.Process(server.pid), plan.count(10, 2)
    before, told = _cpu_s(process), server.notified
    _wait(server, window)
    percent, updates = (_cpu_s(process) - before) / window * 100, (server.notified - told) / window
    samples: list[float] = []
    for number in range(plan.count(200, 20)):
        _wait(server, _BETWEEN_S)
        tool, arguments = [("get_job_status", {"job_id": job_id}), ("list_jobs", {"limit": 10})][number % 2]
        began = time.perf_counter()
        server.call(tool, **arguments)
        samples.append((time.perf_counter() - began) * MS_PER_S)
    count = f"n = {len(samples)}"
    return [
        at_most(f"{what}: status or list, p50 ({count})", p50(samples), "ms"),
        at_most("the same, p99", p99(samples), "ms", bar=_ANSWER_BAR_MS),
        at_most("the server's processor time, unasked", percent, "% of a core", bar=_CPU_BAR_PERCENT),
        at_most("updates that the client is sent", updates, "per second"),
    ]


def _wait(server: ServerProcess, seconds: float) -> None:
    """Read everything that comes, as a client does."""
    assert server.next_answer(time.monotonic() + seconds) is None


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system
