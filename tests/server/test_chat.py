"""The page in a chat: for clients that show pages of servers, and for no others."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastmcp import Client
from mcp.client.extension import ClientExtension
from mcp_types import TextResourceContents

from mcp_background_job.config import load_settings
from mcp_background_job.server.build import build_server
from tests.places.in_memory import manager_in_memory
from tests.places.memory import MemoryPlace

UI = "io.modelcontextprotocol/ui"

#: Tokens that a tool may cost every conversation, and how many characters of its JSON are one.
BUDGET, CHARACTERS = 80, 4

TOOLS = ["show_jobs", "page_look", "page_act"]


class _ShowsApps(ClientExtension):
    identifier = UI

    def settings(self) -> dict[str, Any]:
        return {"mimeTypes": ["text/html;profile=mcp-app"]}


@asynccontextmanager
async def connected(mode: str, *, shows: bool, read_only: bool = False) -> AsyncGenerator[Client[Any]]:
    extensions: Sequence[ClientExtension] = [_ShowsApps()] if shows else []
    server = build_server(manager_in_memory(MemoryPlace()), load_settings(), read_only=read_only)
    async with Client(server, mode=mode, extensions=extensions) as client:
        yield client


@pytest.mark.parametrize("mode", ["2026-07-28", "legacy"])
async def test_the_page_is_offered_to_clients_that_show_it_and_to_no_others(mode: str) -> None:
    async with connected(mode, shows=False) as client:
        assert not {tool.name for tool in await client.list_tools()} & set(TOOLS)
        assert not [one for one in await client.list_resources() if str(one.uri).startswith("ui:")]

    async with connected(mode, shows=True) as client:
        offered = {tool.name: tool for tool in await client.list_tools() if tool.name in TOOLS}
        assert list(offered) == TOOLS
        meta = {name: (tool.meta or {})["ui"] for name, tool in offered.items()}
        assert [meta[name].get("visibility") for name in TOOLS] == [None, ["app"], ["app"]]
        uri = meta["show_jobs"]["resourceUri"]
        (page,) = await client.read_resource(uri)
        assert isinstance(page, TextResourceContents)
        assert page.mime_type == "text/html;profile=mcp-app"
        assert page.text.startswith("<!doctype html>")


async def test_the_tool_that_opens_it_costs_a_conversation_little() -> None:
    async with connected("2026-07-28", shows=True) as client:
        (tool,) = [one for one in await client.list_tools() if one.name == "show_jobs"]

        cost = len(json.dumps(tool.model_dump(by_alias=True, exclude_none=True), separators=(",", ":"))) / CHARACTERS
        assert cost <= BUDGET
        assert (await client.call_tool("show_jobs", {})).content


async def test_what_is_said_to_look_only_looks() -> None:
    async with connected("2026-07-28", shows=True) as client:
        kill = {"action": "kill_job", "args": {"job_id": "nobody"}}

        async def answer(tool: str, call: dict[str, Any]) -> dict[str, Any]:
            found = (await client.call_tool(tool, call)).structured_content
            assert found is not None
            return found

        assert (await answer("page_look", kill))["code"] == "read_only"
        assert (await answer("page_act", kill))["facts"]["status"] == "not_found"
        assert (await answer("page_look", {"action": "list_jobs"}))["facts"]["jobs"] == []
        assert (await answer("page_look", {"action": "execute_command"}))["code"] == "invalid_request"


async def test_a_page_that_may_only_look_has_no_tool_for_more() -> None:
    async with connected("2026-07-28", shows=True, read_only=True) as client:
        assert [tool.name for tool in await client.list_tools() if tool.name in TOOLS] == ["show_jobs", "page_look"]
        about = (await client.call_tool("page_look", {"action": "about"})).structured_content

        assert about is not None
        assert about["facts"]["read_only"] is True
        assert "kill_job" not in about["facts"]["actions"]
