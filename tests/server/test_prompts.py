"""Prompts say what can be done, and what they and templates ask for is completed."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from fastmcp import Client
from hypothesis import given
from hypothesis import strategies as st
from mcp import MCPError
from mcp_types import PromptReference, ResourceTemplateReference

from mcp_background_job.config import load_settings
from mcp_background_job.core.job import Job
from mcp_background_job.core.states import State
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.server.build import build_server
from mcp_background_job.server.prompts.completing import completion
from mcp_background_job.server.prompts.texts import TEXTS

_CALL = re.compile(r"\b([a-z_]+)\(([^()]*)\)")
_NAMED = re.compile(r"\b([a-z_]+)=|^([a-z_]+)(?=$|,)")


@pytest.fixture
async def client(manager: JobManager) -> AsyncGenerator[Client[Any]]:
    async with Client(build_server(manager, load_settings(toolsets="all"))) as client:
        yield client


async def test_prompts_name_tools_and_arguments_that_there_are(client: Client[Any]) -> None:
    tools = {tool.name: set(tool.input_schema["properties"]) for tool in await client.list_tools()}
    named: set[str] = set()
    prompts = await client.list_prompts()
    assert {prompt.name for prompt in prompts} == {text.name for text in TEXTS}
    for prompt in prompts:
        arguments = {argument.name: "train" for argument in prompt.arguments or []}
        (message,) = (await client.get_prompt(prompt.name, arguments)).messages
        for tool, given_arguments in _CALL.findall(getattr(message.content, "text", "")):
            named.add(tool)
            assert {one or other for one, other in _NAMED.findall(given_arguments)} <= tools[tool], (prompt.name, tool)
    assert {"list_jobs", "get_job_status", "get_run", "comfyui_status", "restart_comfyui", "list_runs"} <= named


async def test_only_prompts_of_what_is_offered_are_offered(manager: JobManager) -> None:
    async with Client(build_server(manager, load_settings(toolsets="jobs"))) as client:
        assert [prompt.name for prompt in await client.list_prompts()] == ["what-runs", "why-failed"]
        (message,) = (await client.get_prompt("what-runs")).messages
        assert "comfyui" not in getattr(message.content, "text", "")


async def test_a_prompt_that_is_not_told_of_what_says_so(client: Client[Any]) -> None:
    with pytest.raises(MCPError, match="why-failed"):
        await client.get_prompt("why-failed", {})


@pytest.mark.parametrize(
    ("reference", "argument"),
    [
        (ResourceTemplateReference(uri="job://{job_id}"), "job_id"),
        (ResourceTemplateReference(uri="job://{job_id}/log"), "job_id"),
        (PromptReference(name="why-failed"), "job"),
    ],
)
async def test_jobs_are_completed_by_name_and_id_those_of_the_project_first(
    client: Client[Any], manager: JobManager, reference: Any, argument: str
) -> None:
    await _indexed(manager, "train", "transfer", "build")
    found = await client.complete(reference, {"name": argument, "value": "tr"})
    assert found.values == ["transfer", "train"]
    found = await client.complete(reference, {"name": argument, "value": "jaaaa"})
    assert found.values == ["jaaaa4", "jaaaa3", "jaaaa2", "jaaaa5"]


async def test_what_nobody_knows_is_completed_with_nothing(client: Client[Any], manager: JobManager) -> None:
    await _indexed(manager, "train")
    for reference, argument in (
        (ResourceTemplateReference(uri="job://{job_id}"), "other"),
        (ResourceTemplateReference(uri="other://{job_id}"), "job_id"),
        (ResourceTemplateReference(uri="run://{run_id}"), "run_id"),
        (PromptReference(name="what-runs"), "job"),
    ):
        assert (await client.complete(reference, {"name": argument, "value": ""})).values == []


async def _indexed(manager: JobManager, *names: str) -> None:
    """Put jobs into the index, one of another project after them; of such a job no directory is needed."""
    job = Job(job_id="", command="true", cwd="/", created_at=0.0, state=State.EXITED, project=manager.project)
    jobs = [
        dataclasses.replace(job, job_id=f"jaaaa{number}", name=name, created_at=float(number))
        for number, name in enumerate(names, 2)
    ]
    foreign = dataclasses.replace(job, job_id="jaaaa5", name="tricks", created_at=99.0, project="/elsewhere")
    for one in [*jobs, foreign]:
        assert manager.places.store_of(one.job_id).claim(one.job_id)
    await manager.index.put([*jobs, foreign])


@given(st.lists(st.text("ab", max_size=8), max_size=300), st.text("ab", max_size=3))
def test_a_completion_has_a_hundred_words_at_most_each_once_and_says_how_many_there_are(
    words: list[str], begun: str
) -> None:
    told = completion(words, begun)
    assert len(told.values) == len(set(told.values)) == min(100, told.total or 0)
    assert all(word.startswith(begun) for word in told.values)
    assert told.total == len({word for word in words if word.startswith(begun)})
    assert told.has_more is ((told.total or 0) > 100)
