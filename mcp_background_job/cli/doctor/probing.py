"""``doctor --on``: one short job that proves what jobs at a place need, step by step; each failure names its cure."""

from __future__ import annotations

import asyncio
import time

from mcp_background_job.cli.session import CLIENT
from mcp_background_job.core.job import Job
from mcp_background_job.core.states import Outcome, State
from mcp_background_job.core.text import duration
from mcp_background_job.core.values import frozen
from mcp_background_job.errors import BackgroundJobError
from mcp_background_job.executors import lanes
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.request import StartRequest

#: What a busy cluster is waited for. Who has no place there soon is told why, and the rest is not tried.
START_S = 120.0

#: What the job is given to answer and to end; and its own time limit, beyond all that.
_ANSWER_S = 15.0
_TIMEOUT_S = 60.0

#: How often to look: files of another machine.
_LOOK_AGAIN_S = 0.25

_QUESTION = b"are you there\n"
_COMMAND = 'read line; echo "heard: $line"; cat /proc/self/cgroup'
_ANSWER = b"heard: are you there\n"


#: Cures.
_NO_SRUN = "if the site forbids srun beside a job, set MCP_BG_SLURM_CONTROL=tcp"
_NOT_SHARED = "{} must be on a file system that all nodes share; set MCP_BG_SLURM_DIR to a directory there"
_OUT_OF_REACH = "let this machine connect to ports of the nodes"


@frozen
class Step:
    """What was tried.

    Attributes:
        what: it proves.
        is_proved: whether it does.
        told: how it went; if it is not proved, what to do.
    """

    what: str
    is_proved: bool
    told: str


async def probe(manager: JobManager, on: str) -> list[Step]:
    """Run the job; returns the steps up to the first that is not proved."""
    try:
        started = await manager.start(
            StartRequest(
                command=_COMMAND,
                stdin="pipe",
                is_own=True,
                timeout_s=_TIMEOUT_S,
                leftovers="kill",
                on=on,
            ),
            client=CLIENT,
        )
    except BackgroundJobError as error:
        return [Step("a job is accepted", is_proved=False, told=str(error))]
    job = started.job
    try:
        return [Step("a job is accepted", is_proved=True, told=job.job_id), *await _steps(manager, job)]
    finally:
        await manager.kill(job.job_id, by=CLIENT, why="the check is over", grace_s=0)


async def _steps(manager: JobManager, job: Job) -> list[Step]:
    began = time.monotonic()
    now = await _until(manager, job, START_S, State.QUEUED, State.STARTING)
    runs = "the runner starts on the node"
    details = await manager.details(job.job_id)
    if now.state in (State.QUEUED, State.STARTING):
        return [Step(runs, is_proved=False, told=f"not within {START_S:g} s: {details.note or 'no reason is given'}")]
    if now.state is State.EXITED:
        return [Step(runs, is_proved=False, told=now.reason)]
    where = details.seen.engine or "here"
    is_apart = manager.places.of(job.job_id).is_apart
    steps = [Step(runs, is_proved=True, told=f"{where}, after {duration(time.monotonic() - began)}")]
    began = time.monotonic()
    try:
        await manager.send_input(job, _QUESTION, eof=True)
    except BackgroundJobError as error:
        told = f"{error}; {_OUT_OF_REACH if is_apart else _NO_SRUN}"
        return [*steps, Step("its runner can be reached", is_proved=False, told=told)]
    steps.append(Step("its runner can be reached", is_proved=True, told=f"after {duration(time.monotonic() - began)}"))
    now = await _until(manager, job, _ANSWER_S, State.RUNNING)
    store = manager.places.store_of(job.job_id)
    log = (await lanes.scan(store.read_log, job.job_id, 0, 4096)).data
    shared = "its output and its end are seen here"
    if now.outcome is not Outcome.COMPLETED or not log.startswith(_ANSWER):
        cure = _OUT_OF_REACH if is_apart else _NOT_SHARED.format(store.log_path(job.job_id))
        told = f"it is {now.status} here, and has written {len(log)} bytes: {cure}"
        return [*steps, Step(shared, is_proved=False, told=told)]
    group = log[len(_ANSWER) :].decode(errors="replace").strip().rpartition(":")[2]
    return [*steps, Step(shared, is_proved=True, told=f"its cgroup is {group or 'not told'}")]


async def _until(manager: JobManager, job: Job, patience_s: float, *states: State) -> Job:
    """Wait until a job has left these states."""
    deadline = time.monotonic() + patience_s
    while True:
        now = await manager.find(job.job_id)
        if now.state not in states or time.monotonic() > deadline:
            return now
        await manager.places.tend()
        await asyncio.sleep(_LOOK_AGAIN_S)
