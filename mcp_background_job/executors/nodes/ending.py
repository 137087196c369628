"""Records the end of a job in its runner's place. A later record of the runner itself replaces it."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import threading

from mcp_background_job.core.states import Outcome, State
from mcp_background_job.executors.nodes import claims
from mcp_background_job.executors.nodes.store import NodeStore
from mcp_background_job.jobdir import at_end, records
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.observe import Observation
from mcp_background_job.jobdir.records import Exit


def end(store: NodeStore, job_id: str, record: Exit, *, is_certain: bool = False) -> bool:
    """Write the exit record of a job unless there is one; returns whether it was written.

    Two processes may do so at once, or the runner may. ``link`` lets only one record appear under the name. If the
    runner renames its own record to that name, it replaces ours, since the runner knows better.

    Args:
        store: the store of the job.
        job_id: the id of the job.
        record: how it ended.
        is_certain: whether the runner itself reported this end, and will not write here.

    Raises:
        OSError: the record cannot be written.
    """
    job = store.job(job_id)
    records.clear_the_way(job.exit)
    ours = f"{job.exit}.{os.getpid()}.{threading.get_ident()}"
    content = records.encode(record)
    records.write(ours, content, durable=True)
    try:
        os.link(ours, job.exit)
    except FileExistsError:
        return False
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(ours)
        store.close(job_id)
    if not is_certain and _has_runner(job):
        store.doubt(job_id, content)
    at_end.begin(job)
    return True


def as_ended(seen: Observation, record: Exit) -> Observation:
    """Return the observation of a job that is over, and whose end is not recorded yet."""
    return dataclasses.replace(
        seen, state=State.EXITED, outcome=Outcome(record.outcome), exit=record, status=None, sweep=True
    )


def _has_runner(job: JobDir) -> bool:
    claim = claims.claim_of(job)
    return claim is not None and claim.withdrawn is None
