"""Many jobs at once: the memory of each running job, and the processor time of silent ones."""

from __future__ import annotations

import contextlib
import time

import psutil

from bench.client import ServerProcess, facts_of
from bench.figures import KIB_PER_MIB, Figure, at_most
from bench.plan import Plan
from bench.workspace import Workspace, await_runner_end, runner_pid, wait_until
from mcp_background_job.jobdir import records
from mcp_background_job.jobdir.layout import StateDir
from mcp_background_job.jobdir.records import Status

_COMMAND = "sleep 1800"
_MEMORY_BAR_MIB = 1.6
#: The memory of a job that shares its interpreter only with the spawner and a spare process.
_MEMORY_BAR_ALONE_MIB = 2.5
_IDLE_BAR_PERCENT = 1.0
_IDLE_JOBS = 100
_PAGE = 200

#: By then, every runner has looked at its job's use once: at the first look it needs more memory.
_FIRST_SAMPLE_S = 1.5

#: By then, a start's housekeeping is over.
_SETTLE_S = 1.0


def measure_many(plan: Plan) -> list[Figure]:
    """Measure the memory per running job at several numbers of jobs; the largest number must start and be killed."""
    space, state = plan.workspace, plan.workspace.state_dir()
    figures: list[Figure] = []
    job_ids: list[str] = []
    with space.ours(state) as server:
        for number in (1, 100, 120 if plan.quick else 500):
            began = time.perf_counter()
            fresh = _start(server, number - len(job_ids))
            job_ids += fresh
            await_reports(state, fresh)
            took = time.perf_counter() - began
            _check_running(space, server, job_ids)
            time.sleep(_FIRST_SAMPLE_S)
            memory = [_proportional_set_size(runner_pid(state, job_id)) for job_id in job_ids]
            what = f"memory of a runner (PSS, mean) with {number} jobs at once"
            bar = _MEMORY_BAR_ALONE_MIB if number == 1 else _MEMORY_BAR_MIB
            figures.append(at_most(what, sum(memory) / number, "MiB", bar=bar))
        figures.append(at_most(f"to start {len(fresh)} of them, until all run", took, "s"))
        figures.append(at_most(f"to kill all {len(job_ids)}, until none is left", _kill(space, server, job_ids), "s"))
        for job_id in job_ids:
            await_runner_end(state, job_id)
    return figures


def measure_idle(plan: Plan) -> list[Figure]:
    """Measure the processor time of the server, its spawner and all runners while silent jobs run."""
    space, state = plan.workspace, plan.workspace.state_dir()
    with space.ours(state) as server:
        job_ids = _start(server, _IDLE_JOBS)
        await_reports(state, job_ids)
        _check_running(space, server, job_ids)
        time.sleep(_SETTLE_S)
        processes = [psutil.Process(server.pid), *_spawner_and_runners(state, job_ids)]
        window = plan.count(20, 3)
        before = sum(map(_processor_time, processes))
        began = time.perf_counter()
        time.sleep(window)
        used = sum(map(_processor_time, processes)) - before
        percent = used / (time.perf_counter() - began) * 100
        assert len(space.sleepers_of(server)) == _IDLE_JOBS, "not all jobs ran on"
        _kill(space, server, job_ids)
    what = f"processor time over {window} s with {_IDLE_JOBS} silent jobs: server, spawner and {_IDLE_JOBS} runners"
    return [at_most(what, percent, "% of a core", bar=_IDLE_BAR_PERCENT)]


def _start(server: ServerProcess, count: int) -> list[str]:
    results = server.call_many("execute_command", [{"command": _COMMAND, "wait_s": 0}] * count)
    return [facts_of(result)["job_id"] for result in results]


def await_reports(state: StateDir, job_ids: list[str]) -> None:
    """Wait until every runner has reported its job's process; looks at each file as rarely as possible."""
    for job_id in job_ids:
        wait_until(lambda job_id=job_id: _has_process(state, job_id), f"{job_id} runs", limit_s=60)


def _has_process(state: StateDir, job_id: str) -> bool:
    status = records.read(Status, state.job(job_id).status)
    return status is not None and status.pid is not None


def _check_running(space: Workspace, server: ServerProcess, job_ids: list[str]) -> None:
    assert len(set(job_ids)) == len(job_ids)
    wait_until(lambda: len(space.sleepers_of(server)) == len(job_ids), "all jobs run")
    listed: set[str] = set()
    for cursor in range(0, len(job_ids), _PAGE):
        rows = facts_of(server.call("list_jobs", status="running", limit=_PAGE, cursor=cursor))["jobs"]
        listed |= {row["job_id"] for row in rows}
    assert listed == set(job_ids), f"{len(listed)} are listed as running, of {len(job_ids)}"


def _kill(space: Workspace, server: ServerProcess, job_ids: list[str]) -> float:
    began = time.perf_counter()
    results = server.call_many("kill_job", [{"job_id": job_id} for job_id in job_ids])
    took = time.perf_counter() - began
    assert [facts_of(result)["status"] for result in results] == ["killed"] * len(job_ids)
    left = space.started_by(server)
    assert not left, f"after their jobs were reported killed there are {left}"
    return took


def _spawner_and_runners(state: StateDir, job_ids: list[str]) -> list[psutil.Process]:
    runners = [psutil.Process(pid) for job_id in job_ids if (pid := runner_pid(state, job_id))]
    assert len(runners) == len(job_ids)
    spawners = {pid for runner in runners if "--spawner" in psutil.Process(pid := runner.ppid()).cmdline()}
    assert len(spawners) == 1, f"{len(spawners)} spawners"
    spawner = psutil.Process(spawners.pop())
    # The spawner's children are the runners, and a spare process that waits to become one. The server itself started
    # the runners that the spawner had no time for.
    return list({spawner, *spawner.children(), *runners})


def _processor_time(process: psutil.Process) -> float:
    with contextlib.suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return times.user + times.system
    return 0.0


def _proportional_set_size(pid: int | None) -> float:
    """Return a process's own memory and its share of shared memory, in MiB."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return next(float(line.split()[1]) for line in file if line.startswith("Pss:")) / KIB_PER_MIB
