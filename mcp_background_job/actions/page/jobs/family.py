"""The tree of jobs and runs around a job: its ancestors, and the jobs that were started within it."""

from __future__ import annotations

from collections.abc import Iterator

from mcp_background_job.actions.action import Facts
from mcp_background_job.core.job import Job
from mcp_background_job.core.text import command_on_one_line
from mcp_background_job.executors import lanes
from mcp_background_job.jobs.lineage import run_of
from mcp_background_job.jobs.manager import JobManager

#: The most jobs below a job in the tree; the most generations of them; and the most ancestors.
_MAX_SHOWN = 100
_MAX_DEPTH = 12
_MAX_ANCESTORS = 12

_COMMAND = 80


async def family(manager: JobManager, job: Job) -> list[Facts]:
    """Return a job with its family, each behind the one it was started within; ``depth`` is its place in the tree."""
    ancestors = await _ancestors(manager, job)
    children: dict[str, list[Job]] = {}
    generation, count = [job.job_id], 0
    for _ in range(_MAX_DEPTH):
        found = await manager.index.children(generation, limit=_MAX_SHOWN - count) if generation else []
        for child in found:
            children.setdefault(child.parent or "", []).append(child)
        generation, count = [child.job_id for child in found], count + len(found)
    tree = [*enumerate(ancestors), *_below(job, children, len(ancestors))]
    runs = await lanes.look(lambda: [run_of(manager.places, [one.job_id]) for _, one in tree])
    return [_facts(one, depth, run_id) for (depth, one), run_id in zip(tree, runs, strict=True)]


async def _ancestors(manager: JobManager, job: Job) -> list[Job]:
    """Return the ancestors of a job, the farthest first; a removed one ends the line."""
    found: list[Job] = []
    above = job
    while above.parent and len(found) < _MAX_ANCESTORS:
        parent = await manager.index.find(above.parent)
        if parent is None:
            break
        found.insert(0, parent)
        above = parent
    return found


def _below(job: Job, children: dict[str, list[Job]], depth: int) -> Iterator[tuple[int, Job]]:
    yield depth, job
    for child in children.get(job.job_id, ()):
        yield from _below(child, children, depth + 1)


def _facts(job: Job, depth: int, run_id: str | None) -> Facts:
    return {
        "job_id": job.job_id,
        "run_id": run_id,
        "name": job.name,
        "status": job.status,
        "command": command_on_one_line(job.command, _COMMAND),
        "depth": depth,
    }
