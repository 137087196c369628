"""Converts a workflow of the editor into a prompt, as the editor itself does when it queues one. Pure.

The editor changes seeds only after it has queued a prompt, for the next one: here they stay as they are saved.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from mcp_background_job.comfyui.wire.node_types import Input, NodeType, NodeTypes
from mcp_background_job.comfyui.workflows.obstacles import Obstacle, refusal_of, unknown
from mcp_background_job.comfyui.workflows.placeholders import NAMED_BY_EDITOR, Choose, chosen, filled
from mcp_background_job.comfyui.workflows.sites import Site, unfold
from mcp_background_job.comfyui.workflows.ui_graph import Node, ui_workflow_of
from mcp_background_job.comfyui.workflows.widgets import Values, prompted
from mcp_background_job.comfyui.workflows.wiring import ONLY_IN_EDITOR, Given, Source, Wiring, slots_of, values_at
from mcp_background_job.errors import WorkflowError


@dataclass(frozen=True)
class Chance:
    """The other inputs of a conversion: the time, and random choices."""

    now: datetime
    choose: Choose


def converted(content: Mapping[str, Any], types: NodeTypes, chance: Chance, name: str) -> dict[str, Any]:
    """Return the prompt of a workflow.

    Raises:
        WorkflowError: something in it cannot be converted; the message names each such node.
    """
    root = unfold(ui_workflow_of(content, name), name)
    conversion = _Conversion(root, types, chance, name)
    prompt = dict(conversion.nodes())
    _leave_out_unneeded(prompt, conversion.browser_only)
    if obstacles := [*conversion.obstacles, *conversion.browser_only.values()]:
        raise WorkflowError(refusal_of(name, obstacles, types))
    if not prompt:
        raise WorkflowError(f"{name} has no node that would run: all are muted, bypassed, or only for the editor")
    return prompt


@dataclass
class _Conversion:
    root: Site
    types: NodeTypes
    chance: Chance
    name: str
    obstacles: list[Obstacle] = field(default_factory=list[Obstacle])
    browser_only: dict[str, Obstacle] = field(default_factory=dict[str, Obstacle])

    def nodes(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Return the nodes of the prompt, and note those that cannot be converted."""
        wiring = Wiring(self.types, self.name)
        for site, node in self.root.running():
            kind = self.types.get(node.type)
            if kind is None:
                self._note_unknown(site, node)
                continue
            inputs = self._inputs(site, node, kind, wiring)
            title = node.title or kind.display_name
            yield site.id_of(node), {"inputs": inputs, "class_type": node.type, "_meta": {"title": title}}

    def _note_unknown(self, site: Site, node: Node) -> None:
        # A node without slots only shows something, whichever extension of the editor it is from.
        if node.type not in ONLY_IN_EDITOR and (node.inputs or node.outputs):
            self.obstacles.append(unknown(site.id_of(node), node))

    def _inputs(self, site: Site, node: Node, kind: NodeType, wiring: Wiring) -> dict[str, Any]:
        values = values_at(site, node, kind)
        slots = slots_of(node, kind)
        gets = {slot.name: wiring.source(site, node, at) for at, slot in enumerate(slots) if slot.link is not None}
        typed = {**values.by_name, **_typed(gets, values)}
        inputs = {name: self._queued(values.inputs[name], value, kind) for name, value in typed.items()}
        for name, got in gets.items():
            if isinstance(got, Source):
                inputs[name] = [got.node_id, got.slot]
            elif isinstance(got, Given) and not got.is_primitive:
                inputs[name] = prompted(values.inputs.get(name, Input(name, "*")), got.value)
        for name, what in values.browser_only.items():
            if not isinstance(gets.get(name), Source):
                node_id = site.id_of(node)
                self.browser_only[node_id] = Obstacle(node_id, node.type, f"its input {name} is {what}")
        return inputs

    def _queued(self, given: Input, value: Any, kind: NodeType) -> Any:
        """Return a value with the changes that the editor makes to texts when it queues a prompt."""
        if isinstance(value, str) and given.config.get("dynamicPrompts") is True:
            return chosen(value, self.chance.choose)
        if isinstance(value, str) and given.name == "filename_prefix" and kind.name in NAMED_BY_EDITOR:
            return filled(value, self.chance.now, self._value_of)
        return prompted(given, value)

    def _value_of(self, name: str, widget: str) -> str | None:
        """Return the value of a node's widget; placeholders name the node by its property or by its title."""
        everywhere = list(self.root.all())
        named = [one for one in everywhere if one[1].properties.get("Node name for S&R") == name]
        titled = [one for one in everywhere if one[1].title == name]
        for site, node in [*(named or titled)][:1]:
            kind = self.types.get(node.type)
            values = values_at(site, node, kind).by_name if kind else dict[str, Any]()
            return _as_text(values[widget]) if widget in values else None
        return None


def _leave_out_unneeded(prompt: dict[str, Any], obstacles: dict[str, Obstacle]) -> None:
    """Remove obstacles that no node is linked to: the server would refuse them only if one were."""
    values = (value for node in prompt.values() for value in cast("dict[str, Any]", node["inputs"]).values())
    needed = {_source_of(value) for value in values}
    for node_id in [node_id for node_id in obstacles if node_id not in needed]:
        del prompt[node_id], obstacles[node_id]


def _source_of(value: Any) -> str:
    return str(cast("list[Any]", value)[0]) if isinstance(value, list) else ""


def _typed(gets: Mapping[str, Source | Given | None], values: Values) -> dict[str, Any]:
    """Return the values that primitives write into widgets."""
    return {
        name: got.value
        for name, got in gets.items()
        if isinstance(got, Given) and got.is_primitive and name in values.inputs
    }


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    whole = isinstance(value, float) and value.is_integer()
    return "" if value is None else str(int(value)) if whole else str(value)
