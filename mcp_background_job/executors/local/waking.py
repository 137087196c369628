"""Notices what somebody has suspended, and wakes runners: meanwhile the dead of their jobs fill the process table."""

from __future__ import annotations

import signal

from mcp_background_job.executors.local.store import LocalStore
from mcp_background_job.jobdir import runners
from mcp_background_job.kernel import tree


def wake(store: LocalStore, job_id: str, pid: int) -> bool:
    """Wake the runner of a job; returns whether it was suspended. Who is held by a debugger is not."""
    runner = tree.look_up(pid)
    if runner is None or not runner.is_suspended:
        return False
    # Looked up first and asked afterwards, so that nobody who got the pid in between can be meant.
    return runners.is_runner_of(pid, store.job(job_id)) and tree.send_to_any(runner, signal.SIGCONT)


def is_spawner_suspended(pid: int) -> bool:
    """Tell whether a spawner is suspended, or the fork that it keeps at hand, which has its name until it has a job."""
    spawner = tree.look_up(pid)
    spares = [child for child in tree.children(pid) if child.name == runners.SPAWNER_NAME]
    return any(process.is_suspended for process in spares + ([spawner] if spawner else []))
