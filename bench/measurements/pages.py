"""Open pages: how soon they are told, and what they cost the server and the callers of tools."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from typing import Any

import psutil

from bench.client import facts_of
from bench.figures import MS_PER_S, Figure, at_most, p50, p99
from bench.measurements.feeding import feeding
from bench.measurements.many import await_reports
from bench.pages import PageServer, serving
from bench.plan import Plan
from mcp_background_job.jobdir.layout import StateDir
from mcp_background_job.web.files import static_files

_TOLD_P50_MS, _TOLD_P99_MS = 150.0, 500.0
_CPU_PERCENT = 25.0
_TOOLS_P99_MS = 50.0
_RAW_KB, _PACKED_KB = 110.0, 45.0

#: Bytes that a flood of output writes at a time, and how often it does so in a second.
_CHUNK, _OFTEN = 20_000, 50

_BUSY = "ten open pages, 100 jobs, 5 of them print 1 MB/s"

#: Pause between two calls of tools.
_BETWEEN_S = 0.05

_FLOOD = """
import os, select, sys
pipes = [os.open(path, os.O_RDWR | os.O_NONBLOCK) for path in sys.argv[3:]]
print("open", flush=True)
chunk = (b"x" * 99 + b"\\n") * (int(sys.argv[1]) // 100)
while not select.select([0], [], [], 1 / int(sys.argv[2]))[0]:
    for pipe in pipes:
        try:
            os.write(pipe, chunk)
        except BlockingIOError:
            pass  # nobody reads as fast
"""


def measure_page_size(_plan: Plan) -> list[Figure]:
    """Measure the size of the files that a browser loads."""
    files = static_files().values()
    raw, packed = (sum(map(len, parts)) / 1000 for parts in zip(*((f.content, f.packed) for f in files), strict=True))
    return [
        at_most(f"the page: all static files ({len(files)})", raw, "kB", bar=_RAW_KB, digits=1),
        at_most("the same, gzip", packed, "kB", bar=_PACKED_KB, digits=1),
    ]


def measure_page_news(plan: Plan) -> list[Figure]:
    """Measure from a line that a job writes to the page that is told of it."""
    state, pipe = plan.workspace.state_dir(), plan.workspace.file("pipe-for-a-page")
    samples: list[float] = []

    def take(key: str, facts: Any) -> None:
        now = time.time()
        written = re.findall(r"line \d+ at ([\d.]+)", str(facts))
        if key == "log" and written:
            samples.append((now - float(written[-1])) * MS_PER_S)

    with feeding([pipe], 5.0), serving(plan, state) as server:
        (job_id,) = _started(plan, state, [f"exec cat {pipe}"])
        with server.open_page("one", {"jobs": {}, "log": {"job_id": job_id}}, take):
            time.sleep(plan.count(40, 4))
    told = samples[1:]  # the first sample is of a line that was there before
    return [
        at_most(
            f"a line written to a page that was told of it, p50 (n = {len(told)})", p50(told), "ms", bar=_TOLD_P50_MS
        ),
        at_most("the same, p99", p99(told), "ms", bar=_TOLD_P99_MS),
    ]


def measure_pages(plan: Plan) -> list[Figure]:
    """Measure ten open pages beside a hundred jobs, five of which print a megabyte a second."""
    state, count = plan.workspace.state_dir(), plan.count(100, 10)
    pipes = [plan.workspace.file(f"pipe-of-a-flood-{number}") for number in range(5)]
    commands = [*(f"exec cat {pipe}" for pipe in pipes), *(["exec sleep 600"] * (count - len(pipes)))]
    with _flooding(pipes), serving(plan, state) as server:
        job_ids = _started(plan, state, commands)
        with contextlib.ExitStack() as open_pages:
            for number in range(10):
                subjects: dict[str, dict[str, Any]] = {"server": {}, "jobs": {}, "machine": {}}
                if number % 2:
                    subjects = {
                        "server": {},
                        "job": {"job_id": job_ids[number // 2]},
                        "log": {"job_id": job_ids[number // 2]},
                    }
                open_pages.enter_context(server.open_page(f"page-{number}", subjects))
            time.sleep(plan.count(3, 1))
            percent = _busy(server, plan.count(10, 2))
            samples = _called(plan, server, job_ids[-1])
        alone = _called(plan, server, job_ids[-1])
    return [
        at_most(
            "ten open pages, 100 jobs, 5 of them print 1 MB/s: the server's processor time",
            percent,
            "% of a core",
            bar=_CPU_PERCENT,
        ),
        at_most(f"status or list meanwhile, p50 (n = {len(samples)})", p50(samples), "ms"),
        at_most("the same, p99", p99(samples), "ms", bar=_TOOLS_P99_MS),
        at_most("the same once the pages are closed, p50", p50(alone), "ms"),
        at_most("the same once the pages are closed, p99", p99(alone), "ms"),
    ]


def _busy(server: PageServer, window: float) -> float:
    """Return how busy a server is (percent of a core) for some seconds."""
    process = psutil.Process(server.pid)
    before = sum(process.cpu_times()[:2])
    time.sleep(window)
    return (sum(process.cpu_times()[:2]) - before) / window * 100


def _called(plan: Plan, server: PageServer, job_id: str) -> list[float]:
    """Return how long calls take (ms)."""
    samples: list[float] = []
    with contextlib.closing(server.connection()) as connection:
        for number in range(plan.count(200, 20)):
            time.sleep(_BETWEEN_S)
            action, args = [("get_job_status", {"job_id": job_id}), ("list_jobs", {"limit": 10})][number % 2]
            began = time.perf_counter()
            server.call(connection, action, args)
            samples.append((time.perf_counter() - began) * MS_PER_S)
    return samples


def _started(plan: Plan, state: StateDir, commands: Sequence[str]) -> list[str]:
    calls = [{"command": command, "wait_s": 0} for command in commands]
    with plan.workspace.ours(state, max_jobs=str(len(commands) + 1)) as server:
        job_ids = [facts_of(answer)["job_id"] for answer in server.call_many("execute_command", calls)]
        await_reports(state, job_ids)
    return job_ids


@contextlib.contextmanager
def _flooding(pipes: Sequence[str]) -> Generator[None]:
    for pipe in pipes:
        os.mkfifo(pipe)
    command = [sys.executable, "-c", _FLOOD, str(_CHUNK), str(_OFTEN), *pipes]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as flood:
        assert flood.stdin
        assert flood.stdout
        assert flood.stdout.readline() == b"open\n"
        try:
            yield
        finally:
            flood.stdin.close()
