"""Asks a job's runner, or another source, for the job's resource usage, its ports and its input."""

from __future__ import annotations

from mcp_background_job.executors import lanes, usage
from mcp_background_job.executors.local.connecting import dial
from mcp_background_job.executors.local.store import LocalStore
from mcp_background_job.executors.usage import Usage
from mcp_background_job.executors.waits import UNKNOWN, Waits
from mcp_background_job.jobdir import control
from mcp_background_job.jobdir.control import NoRunnerError, RunnerTimeoutError, UnknownRequestError
from mcp_background_job.jobdir.usage import newest


async def usage_of(store: LocalStore, job_id: str) -> Usage | None:
    """Return a job's resource usage: from its runner, else from its newest sample, or from the process table."""
    can_tell = True
    job = store.job(job_id)
    try:
        answer = await control.usage(await dial(job))
    except UnknownRequestError:
        answer, can_tell = None, False
    except (NoRunnerError, RunnerTimeoutError):
        answer = None
    if answer is not None:
        return usage.from_answer(answer)
    runner_pid = (await lanes.look(store.observe, job_id)).runner_pid
    if runner_pid is None:
        return None
    if not can_tell:
        return await lanes.scan(usage.usage_of_tree, runner_pid)
    sample = await lanes.look(newest, job.usage)
    return usage.from_sample(sample) if sample else None


async def port_is_open(store: LocalStore, job_id: str, port: int, address: str | None) -> bool:
    """Tell whether a process of the job listens on a port."""
    try:
        return await control.listens_on(await dial(store.job(job_id)), port, address)
    except (NoRunnerError, RunnerTimeoutError):
        return False
    except UnknownRequestError:  # release 1.0.0 cannot tell
        return await port_is_taken(port) and await lanes.scan(_listens, store, job_id, port)


async def waits_of(store: LocalStore, job_id: str) -> Waits | None:
    """Return what a job does about its input, ``None`` if it does not run or its runner is silent."""
    try:
        answer = await control.waits(await dial(store.job(job_id)))
    except UnknownRequestError:
        return UNKNOWN
    except (NoRunnerError, RunnerTimeoutError):
        return None
    return None if answer is None else Waits.from_answer(answer)


async def port_is_taken(port: int) -> bool:
    """Tell whether any process on this machine listens on a port."""
    return await lanes.scan(_is_taken, port)


def _is_taken(port: int) -> bool:
    from mcp_background_job.processes.listeners import is_taken  # noqa: PLC0415  psutil, see ``usage``

    return is_taken(port)


def _listens(store: LocalStore, job_id: str, port: int) -> bool:
    runner_pid = store.observe(job_id).runner_pid
    used = usage.usage_of_tree(runner_pid) if runner_pid is not None else None
    return used is not None and port in used.ports
