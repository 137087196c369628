"""Offers the prompts; they are read when a client first asks for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mcp_background_job.core.wire import utf8
from mcp_background_job.server.fastmcp_names import (
    INVALID_PARAMS,
    FastMCPComponent,
    MCPError,
    Prompt,
    PromptArgument,
    Provider,
)
from mcp_background_job.server.served import Served


class Booklet(Provider):
    """The prompts of the toolsets that this server offers."""

    def __init__(self, served: Served) -> None:
        """Takes which toolsets those are."""
        super().__init__()
        self._served = served

    async def get_tasks(self) -> Sequence[FastMCPComponent]:
        return []  # none of them; to find out FastMCP would list them before the handshake

    async def _list_prompts(self) -> Sequence[Prompt]:
        from mcp_background_job.server.prompts.texts import TEXTS  # noqa: PLC0415  the handshake does without

        toolsets = self._served.toolsets
        return [
            _Written(
                name=text.name,
                description=text.about,
                arguments=_arguments(text.argument),
                toolsets=list(toolsets),
            )
            for text in TEXTS
            if text.toolset in toolsets
        ]


class _Written(Prompt):
    """A prompt whose text fits the tools that are offered."""

    toolsets: list[str]

    async def render(self, arguments: dict[str, Any] | None = None) -> str:
        from mcp_background_job.server.prompts.texts import written  # noqa: PLC0415  see above

        given = {name: utf8(str(value)).strip() for name, value in (arguments or {}).items()}
        for argument in self.arguments or []:
            if not given.get(argument.name):
                raise MCPError(INVALID_PARAMS, f"{self.name} takes {argument.name}: {argument.description}")
        return written(self.name, given, self.toolsets)


def _arguments(named: tuple[str, str] | None) -> list[PromptArgument]:
    return [PromptArgument(name=named[0], description=named[1], required=True)] if named else []
