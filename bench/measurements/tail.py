"""The last lines of a large log against those of a small one: reading must not cost more in a large log."""

from __future__ import annotations

import time

from bench.client import ServerProcess, facts_of, text_of
from bench.figures import Figure, ratio
from bench.plan import Plan

#: Lines of nine digits, each one more than the last: no line folds into another, and a gap would show.
_COMMAND = "seq 100000000 999999999 | head -c {size}"
_LINE_LENGTH = 10
_SMALL = 10**6
_LINES = 50
_BAR = 1.5


def measure_tail(plan: Plan) -> list[Figure]:
    """Measure ``tail_job_output`` of 50 lines."""
    large = plan.count(10**9, 2 * 10**7)
    with plan.workspace.ours(plan.workspace.state_dir(), max_output_size="2GB") as server:
        logs = {size: job_with_log(server, size) for size in (large, _SMALL)}
        samples: dict[int, list[float]] = {size: [] for size in logs}
        for _ in range(plan.count(60, 20)):
            for size, job_id in logs.items():
                samples[size].append(_tail(server, job_id, size))
    what = f"tail of {_LINES} lines, log of {large / 1e9:g} GB against {_SMALL / 1e6:g} MB"
    return [ratio(what, samples[large], samples[_SMALL], bar=_BAR)]


def job_with_log(server: ServerProcess, size: int) -> str:
    """Run a job that writes so many bytes, all of which are kept; returns its id."""
    job_id = facts_of(server.call("execute_command", command=_COMMAND.format(size=size), wait_s=0))["job_id"]
    ended = facts_of(server.call("wait_for_job", job_id=job_id, wait_s=50))
    assert ended["status"] == "completed", ended
    status = facts_of(server.call("get_job_status", job_id=job_id))
    assert (status["output_bytes"], status.get("dropped_bytes", 0)) == (size, 0), status
    return job_id


def _tail(server: ServerProcess, job_id: str, size: int) -> float:
    began = time.perf_counter()
    result = server.call("tail_job_output", job_id=job_id, lines=_LINES)
    took = time.perf_counter() - began
    after_last = 100_000_000 + size // _LINE_LENGTH
    expected = [str(number) for number in range(after_last - _LINES, after_last)]
    assert text_of(result).splitlines()[1:] == expected, text_of(result)
    return took
