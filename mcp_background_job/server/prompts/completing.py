"""Completes ids and names of jobs and runs in templates of resources, and in prompts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mcp_background_job.core.job import JobChoice
from mcp_background_job.core.wire import utf8
from mcp_background_job.server.addresses import Kind
from mcp_background_job.server.fastmcp_names import (
    Completion,
    CompletionArgument,
    CompletionContext,
    PromptReference,
    ResourceTemplateReference,
)
from mcp_background_job.server.prompts.texts import JOB, TEXTS

if TYPE_CHECKING:
    from mcp_background_job.server.served import Served

#: The most that the protocol takes in one answer.
MOST = 100

#: Newest jobs, and runs, of the asker's project and of all others that are looked through.
_LOOKED_THROUGH = 500

_OF_JOBS = (Kind.JOB.template, Kind.LOG.template)


async def complete(
    served: Served,
    reference: PromptReference | ResourceTemplateReference,
    argument: CompletionArgument,
    _: CompletionContext | None,
) -> Completion:
    """Return completions for the beginning of an argument: those of the asker's project first, newest first."""
    words: list[str] = []
    if _names_job(reference, argument.name):
        words += await _jobs(served)
    if _names_run(reference, argument.name):
        words += await _runs(served)
    return completion(words, argument.value)


def completion(words: Sequence[str], begun: str) -> Completion:
    """Return the words that begin with a prefix, each once, in their order."""
    found = list(dict.fromkeys(utf8(word) for word in words if word.startswith(begun)))
    return Completion(values=found[:MOST], total=len(found), has_more=len(found) > MOST)


def _names_job(reference: PromptReference | ResourceTemplateReference, argument: str) -> bool:
    if isinstance(reference, ResourceTemplateReference):
        return reference.uri in _OF_JOBS and argument == "job_id"
    return argument == JOB and any(text.name == reference.name and text.argument for text in TEXTS)


def _names_run(reference: PromptReference | ResourceTemplateReference, argument: str) -> bool:
    if isinstance(reference, ResourceTemplateReference):
        return reference.uri == Kind.RUN.template and argument == "run_id"
    return _names_job(reference, argument)


async def _jobs(served: Served) -> list[str]:
    """Return names and ids of the jobs of whoever asks, then ids of those of other projects."""
    if "jobs" not in served.toolsets:
        return []
    project, index = (await served.caller()).project, served.house.manager.index
    own = await index.page(JobChoice(project=project), limit=_LOOKED_THROUGH, offset=0)
    others = await index.page(JobChoice(), limit=_LOOKED_THROUGH, offset=0)
    return [
        *(job.name for job in own if job.name),
        *(job.job_id for job in own),
        *(job.job_id for job in others if job.project != project),
    ]


async def _runs(served: Served) -> list[str]:
    if "runs" not in served.toolsets:
        return []
    project, runs = (await served.caller()).project, await served.house.runs()
    return [row.run_id for chosen in (project, None) for row in await runs.newest(chosen, _LOOKED_THROUGH)]
