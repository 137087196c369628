"""Calls of tools, with their answers in the form that a test looks at."""

from __future__ import annotations

from typing import Any

import pytest
from fastmcp import Client
from fastmcp.exceptions import ToolError
from mcp_types import TextContent


class Caller:
    """A client, with short ways to call tools."""

    def __init__(self, client: Client[Any]) -> None:
        self.client = client

    async def facts(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool that returns facts, whether they are what was asked for or not."""
        result = await self.client.call_tool(tool, arguments, raise_on_error=False)
        assert result.structured_content is not None, result.content
        return result.structured_content

    async def text(self, tool: str, **arguments: Any) -> str:
        """Call a tool that returns text, and nothing else."""
        result = await self.client.call_tool(tool, arguments)
        assert result.structured_content is None
        (content,) = result.content
        assert isinstance(content, TextContent)
        return content.text

    async def error(self, tool: str, **arguments: Any) -> str:
        """Call a tool that must refuse; returns what it says."""
        with pytest.raises(ToolError) as refusal:
            await self.client.call_tool(tool, arguments)
        return str(refusal.value)
