"""Unrelated calls beside many waits: how long they take, and what the waits cost the server."""

from __future__ import annotations

import fcntl
import os
import struct
import time
from collections.abc import Callable, Sequence
from typing import Any

import psutil

from bench.client import ServerProcess, facts_of
from bench.figures import MS_PER_S, Figure, at_most, p50, p99
from bench.measurements.feeding import feeding
from bench.measurements.many import await_reports
from bench.plan import Plan
from bench.workspace import wait_until
from mcp_background_job.jobdir.layout import StateDir

_ANSWER_BAR_MS = 20.0
_CPU_BAR_PERCENT = 15.0

#: Lines a second that all jobs print together, in turns.
_LINES_PER_S = 20.0

#: A wait that lasts longer than each measurement.
_LONG_S = 50

#: Pause between two unrelated calls: a person with several agents asks as often, and it is hardly a load.
_BETWEEN_S = 0.05


def measure_load(plan: Plan) -> list[Figure]:
    """Measure calls beside each kind of wait, each kind with a server of its own."""
    return [*_crowd(plan), *_name_held(plan), *_searches(plan), *_queued(plan), *_endings(plan), *_followers(plan)]


def _crowd(plan: Plan) -> list[Figure]:
    """Measure beside 200 waits and 200 followers on 100 of 300 live jobs, which print 20 lines a second in all."""
    space, state = plan.workspace, plan.workspace.state_dir()
    jobs, watched = plan.count(300, 30), plan.count(100, 10)
    pipes = [space.file(f"pipe-{number}") for number in range(jobs)]
    figures: list[Figure] = []
    with feeding(pipes, _LINES_PER_S), space.ours(state) as server:
        job_ids = _started(server, state, [f"exec cat {pipe}" for pipe in pipes])
        figures += _beside(plan, server, job_ids[-1], f"{jobs} live jobs, 20 lines/s in all, nobody waits")
        for job_id in job_ids[:watched]:
            for until in ("exit", "no such line", "idle:40", "idle:45"):
                server.begin("wait_for_job", job_id=job_id, until=until, wait_s=_LONG_S)
        what = f"the same, {2 * watched} waits (regex, exit) and {2 * watched} followers of output on {watched} of them"
        figures += _beside(plan, server, job_ids[-1], what, bars=True)
    return figures


def _name_held(plan: Plan) -> list[Figure]:
    """Measure beside starts under names while another process holds all names, as release 1.0.0 does."""
    state = plan.workspace.state_dir()
    with plan.workspace.ours(state) as server:
        (job_id,) = _started(server, state, ["sleep 600"])
        facts_of(server.call("execute_command", command="true", name="first"))
        with open(os.path.join(state.path, "names.lock"), "r+") as file:
            fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack("@hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
            for number in range(10):
                server.begin("execute_command", command="true", name=f"waiting-{number}")
            return _beside(plan, server, job_id, "10 named starts whose names another process holds", bars=True)


def _searches(plan: Plan) -> list[Figure]:
    """Measure beside regex waits that have a long log to search."""
    state = plan.workspace.state_dir()
    size = plan.count(121_000_000, 12_000_000)
    with plan.workspace.ours(state, max_output_size=str(2 * size)) as server:
        loud, quiet = _started(server, state, [f"yes 'a line of some log' | head -c {size}; sleep 600", "sleep 600"])
        wait_until(lambda: os.stat(state.job(loud).log).st_size >= size, "the log is written")
        calls = [server.begin("wait_for_job", job_id=loud, until=f"missing {n}", wait_s=20) for n in range(12)]
        what = f"12 regex waits begin to search {size // 1_000_000} MB"
        figures = _beside(plan, server, quiet, what, bars=True)
        finding = _timed(lambda: server.call("get_job_output", job_id=quiet), 20)
        figures.append(at_most(f"{what}: get_job_output of another job, worst", max(finding), "ms"))
        assert calls
    return figures


def _queued(plan: Plan) -> list[Figure]:
    """Measure beside waits for jobs that are in the queue."""
    state = plan.workspace.state_dir()
    number = plan.count(100, 10)
    with plan.workspace.ours(state, max_jobs="1") as server:
        (job_id,) = _started(server, state, ["sleep 600"])
        calls = [{"command": "true", "wait_s": 0}] * number
        for started in server.call_many("execute_command", calls):
            server.begin("wait_for_job", job_id=facts_of(started)["job_id"], wait_s=_LONG_S)
        return _beside(plan, server, job_id, f"{number} waits for queued jobs", bars=True)


def _endings(plan: Plan) -> list[Figure]:
    """Measure what the look for endings before each answer costs, if one client has started many jobs that live."""
    state = plan.workspace.state_dir()
    figures: list[Figure] = []
    with plan.workspace.ours(state, max_jobs="2000") as server:
        before = _started(server, state, ["sleep 600"])
        alone = _timed(lambda: server.call("get_job_status", job_id=before[0]), plan.count(200, 20))
        number = plan.count(1000, 30)
        _started(server, state, ["sleep 600"] * number)
        beside = _timed(lambda: server.call("get_job_status", job_id=before[0]), plan.count(200, 20))
        more = p50(beside) - p50(alone)
        figures.append(at_most(f"status with {number} live jobs of one client, more than with one, p50", more, "ms"))
    return figures


def _followers(plan: Plan) -> list[Figure]:
    """Measure beside pollers of one run that goes on printing."""
    state, pipe = plan.workspace.state_dir(), plan.workspace.file("pipe-of-run")
    number = plan.count(50, 5)
    with feeding([pipe], _LINES_PER_S), plan.workspace.ours(state) as server:
        (job_id,) = _started(server, state, ["sleep 600"])
        config = {"command": ["cat", pipe]}
        spawned = facts_of(server.call("spawn_run", backend="command", cwd="/", prompt="x", backend_config=config))
        polls: dict[int, int] = {}

        def poll(after: int) -> None:
            call = server.begin("poll_events", run_id=spawned["run_id"], after_seq=after, wait_ms=20_000)
            polls[call] = after

        def go_on(call: int, answer: dict[str, object]) -> None:
            if polls.pop(call, None) is not None:
                poll(int(facts_of(answer)["next_after_seq"]))

        for _ in range(number):
            poll(0)
        what = f"{number} followers of one run that prints 20 lines/s"
        return _beside(plan, server, job_id, what, bars=True, answered=go_on)


Answered = Callable[[int, dict[str, object]], None]


def _beside(
    plan: Plan,
    server: ServerProcess,
    job_id: str,
    what: str,
    *,
    bars: bool = False,
    answered: Answered = lambda _call, _answer: None,
) -> list[Figure]:
    """Measure unrelated calls beside the load; before them, the server's processor time without calls."""
    _wait_idly(server, plan.count(2, 1), answered)
    process, window = psutil.Process(server.pid), plan.count(10, 2)
    before = _cpu_s(process)
    _wait_idly(server, window, answered)
    percent = (_cpu_s(process) - before) / window * 100
    asked: list[tuple[str, dict[str, Any]]] = [("get_job_status", {"job_id": job_id}), ("list_jobs", {"limit": 10})]
    samples: list[float] = []
    for number in range(plan.count(200, 20)):
        _wait_idly(server, _BETWEEN_S, answered)
        began = time.perf_counter()
        tool, arguments = asked[number % 2]
        call = server.begin(tool, **arguments)
        while (answer := server.next_answer(time.monotonic() + _LONG_S)) and answer[0] != call:
            answered(*answer)
        assert answer, "an unrelated call is never answered"
        samples.append((time.perf_counter() - began) * MS_PER_S)
    count = f"n = {len(samples)}"
    return [
        at_most(f"{what}: status or list, p50 ({count})", p50(samples), "ms"),
        at_most("the same, p99", p99(samples), "ms", bar=_ANSWER_BAR_MS if bars else None),
        at_most("the server's processor time, unasked", percent, "% of a core", bar=_CPU_BAR_PERCENT if bars else None),
    ]


def _wait_idly(server: ServerProcess, seconds: float, answered: Answered) -> None:
    deadline = time.monotonic() + seconds
    while answer := server.next_answer(deadline):
        answered(*answer)


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _timed(call: Callable[[], object], count: int) -> list[float]:
    samples: list[float] = []
    for _ in range(count):
        began = time.perf_counter()
        call()
        samples.append((time.perf_counter() - began) * MS_PER_S)
    return samples


def _started(server: ServerProcess, state: StateDir, commands: Sequence[str]) -> list[str]:
    calls = [{"command": command, "wait_s": 0} for command in commands]
    job_ids = [facts_of(answer)["job_id"] for answer in server.call_many("execute_command", calls)]
    await_reports(state, job_ids)
    return job_ids
