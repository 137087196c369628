"""Converts workflows in the editor's format, with the server's own list of its node types."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mcp_background_job.comfyui.prompts.graphs.workflow import Drawn, Workflow
from mcp_background_job.comfyui.wire.client import Client
from mcp_background_job.comfyui.wire.node_types import NodeTypes
from mcp_background_job.comfyui.workflows.convert import Chance, converted
from mcp_background_job.executors import lanes


@dataclass(frozen=True)
class Converter:
    """Turns the given workflows into prompts."""

    client: Client

    async def prompts(self, given: Sequence[Workflow | Drawn], *, with_drawing: bool) -> list[Workflow]:
        """Return workflows in API format, in their order.

        With the drawing, the editor shows the workflow of a file that the prompt makes, as if it had been queued there.

        Raises:
            WorkflowError: one cannot be converted.
            UnreachableError: the server does not list its node types, and a workflow must be converted.
        """
        if not any(isinstance(one, Drawn) for one in given):
            return [one for one in given if isinstance(one, Workflow)]
        types = await self.client.node_types()
        return [
            await lanes.scan(_prompt, one, types, with_drawing=with_drawing) if isinstance(one, Drawn) else one
            for one in given
        ]


def _prompt(drawn: Drawn, types: NodeTypes, *, with_drawing: bool) -> Workflow:
    chance = Chance(datetime.now().astimezone(), random.randrange)
    extra = {"extra_pnginfo": {"workflow": drawn.content}} if with_drawing else {}
    return Workflow(converted(drawn.content, types, chance, drawn.label), extra, drawn.name, is_converted=True)
