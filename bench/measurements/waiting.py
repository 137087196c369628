"""The time from a job's last act to the answer of the call that waits for its end."""

from __future__ import annotations

import time

from bench.client import facts_of
from bench.figures import MS_PER_S, Figure, at_most, p50, p99
from bench.plan import Plan
from bench.workspace import await_runner_end
from mcp_background_job.jobdir import records
from mcp_background_job.jobdir.records import Exit

#: The job's last act is to print the time: the shell becomes ``date``, which ends right after.
_COMMAND = "sleep 0.1; exec date +%s.%N"
_BAR_MS = 4.0


def measure_waiting(plan: Plan) -> list[Figure]:
    """Measure how long after a job's end ``wait_for_job`` answers."""
    state = plan.workspace.state_dir()
    until_answer: list[float] = []
    until_recorded: list[float] = []
    with plan.workspace.ours(state) as server:
        for _ in range(plan.count(120, 10)):
            job_id = facts_of(server.call("execute_command", command=_COMMAND, wait_s=0))["job_id"]
            waited = facts_of(server.call("wait_for_job", job_id=job_id, wait_s=30))
            answered = time.time()
            assert (waited["status"], waited["exit_code"]) == ("completed", 0), waited
            last_act = float(waited["output"])
            record = records.read(Exit, state.job(job_id).exit)
            assert record, f"{job_id} has no exit record"
            assert record.started_at
            assert record.started_at + 0.1 <= last_act <= record.ended_at <= answered, (record, last_act, answered)
            until_answer.append((answered - last_act) * MS_PER_S)
            until_recorded.append((record.ended_at - last_act) * MS_PER_S)
            await_runner_end(state, job_id)
    count = f"n = {len(until_answer)}"
    return [
        at_most(
            f"wait_for_job: last act of the job to the answer, p50 ({count})", p50(until_answer), "ms", bar=_BAR_MS
        ),
        at_most(f"the same, p99 ({count})", p99(until_answer), "ms"),
        at_most(f"of that until the runner has noted the end, p50 ({count})", p50(until_recorded), "ms"),
    ]
