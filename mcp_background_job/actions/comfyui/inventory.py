"""Actions that search the models and nodes of a ComfyUI."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from mcp_background_job.actions.action import Facts
from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.opening import Opened

if TYPE_CHECKING:
    from mcp_background_job.comfyui.control import ComfyUI

#: The most names in an answer.
_LIMIT = 40


@dataclass(frozen=True, kw_only=True)
class Models:
    """Models to look for."""

    kind: Annotated[str | None, Field(description="a folder, samplers or schedulers")] = None
    match: Annotated[str, Field(description="words in the name")] = ""


@dataclass(frozen=True, kw_only=True)
class Nodes:
    """Kinds of nodes to look for."""

    match: Annotated[str, Field(description="words in name, title or category; an exact name: its inputs")]


class Looking:
    """``comfyui_models`` and ``comfyui_nodes``."""

    def __init__(self, opened: Opened[ComfyUI]) -> None:
        """Takes a function that opens ComfyUI's control when it is first needed."""
        self._open = opened

    async def comfyui_models(self, _caller: Caller, request: Models) -> Facts:
        """Search the models that ComfyUI has; without kind and match: the kinds."""
        from mcp_background_job.comfyui import together
        from mcp_background_job.comfyui.reports import inventory_report

        inventory = (await together.least_full(await self._open())).inventory
        if request.kind is None and not request.match:
            return {"kinds": list(await inventory.kinds())}
        return inventory_report.of_models(await inventory.models(request.kind, request.match, _LIMIT))

    async def comfyui_nodes(self, _caller: Caller, request: Nodes) -> Facts:
        """Search the kinds of nodes that ComfyUI has."""
        from mcp_background_job.comfyui import together
        from mcp_background_job.comfyui.reports import inventory_report

        found = await (await together.least_full(await self._open())).inventory.nodes(request.match, _LIMIT)
        exact = next((kind for kind in found.kinds if kind.name == request.match), None)
        return inventory_report.of_node(exact) if exact else inventory_report.of_nodes(found)
