"""The time from the call that starts a job to its id, and the time of the call that asks for its status."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from bench.client import ServerProcess, facts_of
from bench.figures import Figure, ratio
from bench.plan import Plan
from bench.workspace import wait_until

#: It lasts longer than the run; every one of these jobs is killed.
_COMMAND = "sleep 1800"

#: Pause after each single start: by then, the server has done what follows its answer.
_PAUSE_S = 0.02

#: Starts in a row, back to back. A pause follows them, so that one server's late work is not charged to the other.
_BATCH = 10
_PAUSE_AFTER_BATCH_S = 0.4

_WARM_UPS = 3
_BAR_ONE_BY_ONE = 1.1
_BAR_BACK_TO_BACK = 1.3


def measure_start(plan: Plan) -> list[Figure]:
    """Measure from start to id, one by one and back to back, and the status call."""
    space = plan.workspace
    state = space.state_dir()
    with space.ours(state) as ours, space.peer(plan.peer) if plan.peer else space.floor() as other:
        sides = [_Side(ours, wait_s=0), _Side(other)]
        for side in sides:
            for _ in range(_WARM_UPS):
                side.start()
        one_by_one = _in_turns(sides, plan.count(60, 15), lambda side: [side.start()], _PAUSE_S)
        in_batches = _in_turns(sides, plan.count(8, 2), _start_batch, _PAUSE_AFTER_BATCH_S)
        for side in sides:
            side.check(len(space.sleepers_of(side.server)))
            started = len(side.job_ids)
            wait_until(
                lambda side=side, started=started: len(space.sleepers_of(side.server)) == started, "all jobs run"
            )
        statuses = _in_turns(sides, plan.count(100, 30), lambda side: [side.status()], 0.0)
        killed = ours.call_many("kill_job", [{"job_id": job_id} for job_id in sides[0].job_ids])
        assert all(facts_of(result)["status"] == "killed" for result in killed)
        for process in space.started_by(other):
            process.kill()
    against = f"peer {other.name}" if plan.peer else "the floor server"
    return [
        ratio(f"start to id, one by one, against {against}", *one_by_one, bar=_BAR_ONE_BY_ONE),
        ratio(f"start to id, back to back, against {against}", *in_batches, bar=_BAR_BACK_TO_BACK),
        ratio(f"status call, against {against}", *statuses),
    ]


class _Side:
    """One of the two servers that are measured in turns."""

    def __init__(self, server: ServerProcess, **arguments: Any) -> None:
        self.server = server
        self.job_ids: list[str] = []
        self._arguments = arguments

    def start(self) -> float:
        began = time.perf_counter()
        result = self.server.call("execute_command", command=_COMMAND, **self._arguments)
        took = time.perf_counter() - began
        self.job_ids.append(facts_of(result)["job_id"])
        return took

    def status(self) -> float:
        began = time.perf_counter()
        result = self.server.call("get_job_status", job_id=self.job_ids[-1])
        took = time.perf_counter() - began
        assert facts_of(result)["status"] == "running"
        return took

    def check(self, running: int) -> None:
        assert len(set(self.job_ids)) == len(self.job_ids), "an id was given twice"
        assert running <= len(self.job_ids), f"{running} run of {len(self.job_ids)}"


def _in_turns(
    sides: list[_Side], count: int, measure: Callable[[_Side], list[float]], pause_s: float
) -> tuple[list[float], list[float]]:
    samples: tuple[list[float], list[float]] = ([], [])
    for _ in range(count):
        for side, taken in zip(sides, samples, strict=True):
            taken.extend(measure(side))
            if pause_s:
                time.sleep(pause_s)
    return samples


def _start_batch(side: _Side) -> list[float]:
    return [side.start() for _ in range(_BATCH)]
