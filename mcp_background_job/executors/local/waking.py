"""Finds suspended processes, and wakes runners: a suspended runner's dead children would fill the process table."""

from __future__ import annotations

import signal

from mcp_background_job.executors.local.store import LocalStore
from mcp_background_job.jobdir import runners
from mcp_background_job.kernel import tree


def wake(store: LocalStore, job_id: str, pid: int) -> bool:
    """Wake a job's runner; returns whether it was suspended. A process that a debugger holds is not woken."""
    runner = tree.look_up(pid)
    if runner is None or not runner.is_suspended:
        return False
    # The process was looked up before this check, so a later process with the same pid cannot be meant.
    return runners.is_runner_of(pid, store.job(job_id)) and tree.send_to_any(runner, signal.SIGCONT)


def is_spawner_suspended(pid: int) -> bool:
    """Tell whether a spawner is suspended, or its spare fork, which has its name until it gets a job."""
    spawner = tree.look_up(pid)
    spares = [child for child in tree.children(pid) if child.name == runners.SPAWNER_NAME]
    return any(process.is_suspended for process in spares + ([spawner] if spawner else []))
