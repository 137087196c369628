"""The first listing by a new server: after a crash of the last one, and with a long history."""

from __future__ import annotations

import os
import time
from typing import Any

from bench.client import ServerProcess, facts_of
from bench.figures import Figure, as_time, at_most, ratio
from bench.plan import Plan
from bench.workspace import Workspace, await_runner_end, wait_until
from mcp_background_job.jobdir import records
from mcp_background_job.jobdir.layout import StateDir
from mcp_background_job.jobdir.log.format import ENTRY, HEADER, MAGIC, Stream
from mcp_background_job.jobdir.records import Exit, Spec, Status

_LISTING_BAR_S = 1.0

#: The commands of a crashed server's jobs, in turns, and how the next server must list each job. The third kind ends
#: while there is no server.
_KINDS: list[tuple[str, dict[str, Any]]] = [
    ("true", {"status": "completed", "exit_code": 0}),
    ("exit 3", {"status": "failed", "exit_code": 3}),
    ("while [ ! -e {flag} ]; do sleep 0.05; done; exit 4", {"status": "failed", "exit_code": 4}),
    ("sleep 1800", {"status": "running"}),
]


def measure_crash(plan: Plan) -> list[Figure]:
    """Measure the first listing by a new server after ``kill -9`` of a server with many jobs."""
    jobs = plan.count(200, 40)
    took = [_crash(plan.workspace, jobs, number) for number in range(plan.count(3, 1))]
    what = f"first list_jobs of a new server after kill -9 of one with {jobs} jobs, worst of {len(took)}"
    return [at_most(what, max(took), "s", bar=_LISTING_BAR_S, digits=3)]


def _crash(space: Workspace, count: int, number: int) -> float:
    state = space.state_dir()
    flag = space.file(f"flag-{number}")
    expected: dict[str, dict[str, Any]] = {}
    first = space.ours(state)
    first.initialize()
    calls = [{"command": _KINDS[index % len(_KINDS)][0].format(flag=flag), "wait_s": 0} for index in range(count)]
    for index, result in enumerate(first.call_many("execute_command", calls)):
        expected[facts_of(result)["job_id"]] = _KINDS[index % len(_KINDS)][1]
    running = count // len(_KINDS)
    wait_until(lambda: _ended(state, expected) == 2 * running, "the short jobs have ended")
    first.kill()
    with open(flag, "w"):
        pass
    wait_until(lambda: _ended(state, expected) == 3 * running, "the others have ended")
    with space.ours(state) as server:
        began = time.perf_counter()
        result = server.call("list_jobs", limit=200, all_projects=True)
        took = time.perf_counter() - began
        rows = {row["job_id"]: row for row in facts_of(result)["jobs"]}
        assert rows.keys() == expected.keys(), f"{len(rows)} listed of {len(expected)}"
        for job_id, facts in expected.items():
            seen = {key: rows[job_id].get(key) for key in facts}
            assert seen == facts, f"{job_id} is listed as {seen}, and is {facts}"
        live = [job_id for job_id, facts in expected.items() if facts["status"] == "running"]
        killed = server.call_many("kill_job", [{"job_id": job_id} for job_id in live])
        assert all(facts_of(result)["status"] == "killed" for result in killed)
        for job_id in live:
            await_runner_end(state, job_id)
    return took


def _ended(state: StateDir, job_ids: dict[str, Any]) -> int:
    return sum(os.path.exists(state.job(job_id).exit) for job_id in job_ids)


def measure_history(plan: Plan) -> list[Figure]:
    """Measure a start with many ended jobs, with and without an index of them, against a start with none."""
    space = plan.workspace
    jobs = plan.count(10_000, 500)
    empty, full = space.state_dir(), space.state_dir()
    newest = write_history(full, jobs)
    first = _start_and_list(space, full, jobs, newest)
    fresh = _start_and_list(space, empty, 0, "")
    figures = [
        Figure(
            what=f"{jobs:,} ended jobs that no index knows yet: {what} (n = 1)",
            floor=as_time(floor),
            ours=as_time(ours),
            figure=f"{ours / floor:.2f}x",
        )
        for what, ours, floor in zip(("cold start", "first whole list_jobs"), first, fresh, strict=True)
    ]
    starts: tuple[list[float], list[float]] = ([], [])
    lists: tuple[list[float], list[float]] = ([], [])
    for _ in range(plan.count(7, 1)):
        for side, (state, count, last) in enumerate(((full, jobs, newest), (empty, 0, ""))):
            start, listing = _start_and_list(space, state, count, last)
            starts[side].append(start)
            lists[side].append(listing)
    return [
        *figures,
        ratio(f"{jobs:,} ended jobs: cold start, against no job", *starts),
        ratio(f"{jobs:,} ended jobs: first list_jobs, against no job", *lists),
    ]


def _start_and_list(space: Workspace, state: StateDir, jobs: int, newest: str) -> tuple[float, float]:
    began = time.perf_counter()
    server = space.ours(state)
    server.initialize()
    started = time.perf_counter()
    while "note" in (facts := facts_of(server.call("list_jobs", all_projects=True))):
        pass  # it says that the index is being filled
    listed = time.perf_counter()
    rows = facts["jobs"]
    assert len(rows) == min(jobs, 20), f"{len(rows)} listed of {jobs}"
    assert not rows or (rows[0]["job_id"], rows[0]["status"]) == (newest, "completed"), rows[0]
    _check_last(server, jobs)
    server.close()
    return started - began, listed - started


def _check_last(server: ServerProcess, jobs: int) -> None:
    for cursor, expected in ((jobs - 1, 1), (jobs, 0)):
        if cursor >= 0:
            rows = facts_of(server.call("list_jobs", cursor=cursor, all_projects=True))["jobs"]
            assert len(rows) == expected, f"{len(rows)} listed from {cursor} on, of {jobs}"


def write_history(state: StateDir, count: int) -> str:
    """Write the directories of jobs that ended in the last day, as runners leave them; returns the newest job's id."""
    for directory in (state.path, state.jobs, state.open, state.queue):
        os.makedirs(directory, mode=0o700, exist_ok=True)
    now = time.time()
    job_id = ""
    for number in range(count):
        job_id = f"j{number:05d}"
        _write_job(state, job_id, now - (count - number) * 8.0)
    return job_id


def _write_job(state: StateDir, job_id: str, created_at: float) -> None:
    job = state.job(job_id)
    os.mkdir(job.path, 0o700)
    command = f"echo {job_id}"
    spec = Spec(
        job_id=job_id,
        command=command,
        argv=["/bin/sh", "-c", command],
        cwd="/",
        env={f"VARIABLE_{number}": "a value of common length" for number in range(40)},
        created_at=created_at,
        cookie="0" * 32,
        max_output=2**26,
        max_jobs=10,
        client="bench",
    )
    output = f"{job_id}\n".encode()
    status = Status(state="running", boot_id="", runner_pid=1, pid=2, started_at=created_at)
    end = Exit(
        outcome="completed",
        ended_at=created_at + 1,
        exit_code=0,
        reason="exit code 0",
        started_at=created_at,
        duration_s=1.0,
        output_bytes=len(output),
    )
    index = HEADER.pack(MAGIC, 0, 0) + ENTRY.pack(0, created_at, len(output), Stream.STDOUT)
    files = {
        job.spec: records.encode(spec),
        job.status: records.encode(status),
        job.exit: records.encode(end),
        job.log: output,
        job.index: index,
        job.lock: b"",
    }
    for path, data in files.items():
        with open(path, "wb") as file:
            file.write(data)
