"""Finds the real source of an input: through reroutes and bypassed nodes, into and out of subgraphs. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from mcp_background_job.comfyui.wire.node_types import NodeType, NodeTypes
from mcp_background_job.comfyui.workflows.sites import Site, targets
from mcp_background_job.comfyui.workflows.ui_graph import BYPASSED, INPUT_NODE, MUTED, Link, Node, Port, Slot
from mcp_background_job.comfyui.workflows.widgets import Values, values_of
from mcp_background_job.errors import WorkflowError

REROUTE, PRIMITIVE = "Reroute", "PrimitiveNode"

#: Nodes of the editor itself, which a server does not have.
ONLY_IN_EDITOR = frozenset({REROUTE, PRIMITIVE, "Note", "MarkdownNote"})

#: The beginning of newer servers' types that stand for others; the file has the full type.
_STANDS_FOR_OTHERS = "COMFY_"


@dataclass(frozen=True)
class Source:
    """The output of a node that runs."""

    node_id: str
    slot: int


@dataclass(frozen=True)
class Given:
    """A value that was set elsewhere, in a primitive or where a subgraph is used."""

    value: Any
    is_primitive: bool


@dataclass(frozen=True)
class _End:
    """An input or an output, by its place; ``wanted`` is the type that an output must have."""

    site: Site
    node: Node
    slot: int
    is_input: bool
    wanted: str = ""


class Wiring:
    """The links of one workflow."""

    def __init__(self, types: NodeTypes, name: str) -> None:
        """Takes the server's node types, and the name of the workflow for messages."""
        self._types = types
        self._name = name

    def source(self, site: Site, node: Node, slot: int) -> Source | Given | None:
        """Return the source of an input, ``None`` if it has none.

        Raises:
            WorkflowError: the links form a cycle.
        """
        at: _End | Source | Given | None = _End(site, node, slot, is_input=True)
        seen: set[tuple[str, int, bool]] = set()
        while isinstance(at, _End):
            where = (at.site.id_of(at.node), at.slot, at.is_input)
            if where in seen:
                raise WorkflowError(f"{self._name}: the links at node {where[0]} ({at.node.type}) form a cycle")
            seen.add(where)
            at = self._before_input(at) if at.is_input else self._before_output(at)
        return at

    def _before_input(self, at: _End) -> _End | Given | None:
        slots = slots_of(at.node, self._types.get(at.node.type))
        if at.slot >= len(slots) or (link := at.site.graph.links.get(_or(slots[at.slot].link))) is None:
            return None
        if link.origin_id == INPUT_NODE:
            return self._outside(at.site, link)
        origin = at.site.graph.nodes.get(link.origin_id)
        if origin is None:
            return None
        slot = slots[at.slot]
        if origin.type == PRIMITIVE:
            return _of_primitive(at.site, origin) if slot.widget else None
        return _End(at.site, origin, link.origin_slot, is_input=False, wanted=at.wanted or slot.type)

    def _before_output(self, at: _End) -> _End | Source | None:
        node = at.node
        if node.mode == MUTED:
            return None
        if node.mode == BYPASSED:
            kind = self._types.get(node.type)
            bypass = bypass_of(slots_of(node, kind), _output_type(node, kind, at.slot), at.slot, at.wanted)
            return None if bypass is None else replace(at, slot=bypass, is_input=True, wanted="")
        if child := at.site.children.get(node.node_id):
            return self._inside(child, at)
        if node.type in ONLY_IN_EDITOR:
            return replace(at, is_input=True) if node.type == REROUTE else None
        return Source(at.site.id_of(node), at.slot)

    def _outside(self, site: Site, link: Link) -> _End | Given | None:
        """Go from an input of a subgraph to its source where the subgraph is used."""
        if site.parent is None or site.host is None or link.origin_slot >= len(site.graph.inputs):
            return None
        port = site.graph.inputs[link.origin_slot]
        at = next((at for at, slot in enumerate(site.host.inputs) if slot.name == port.name), None)
        if at is not None and site.host.inputs[at].link is not None:
            return _End(site.parent, site.host, at, is_input=True)
        return Given(site.given[port.name], is_primitive=False) if port.name in site.given else self._own(site, port)

    def _own(self, site: Site, port: Port) -> Given | None:
        """Return the own value of a subgraph's input: the value of the first widget to which it leads."""
        for node, slot in targets(site.graph, port.links):
            if child := site.children.get(node.node_id):
                inner = next((one for one in child.graph.inputs if one.name == slot.name), None)
                if slot.name in child.given:
                    return Given(child.given[slot.name], is_primitive=False)
                if inner and (own := self._own(child, inner)):
                    return own
            elif slot.widget and (kind := self._types.get(node.type)):
                values = values_at(site, node, kind).by_name
                return Given(values[slot.name], is_primitive=False) if slot.name in values else None
        return None

    def _inside(self, site: Site, at: _End) -> _End | None:
        """Go from an output of a subgraph to its source inside."""
        outputs = site.graph.outputs
        links = outputs[at.slot].links if at.slot < len(outputs) else ()
        link = site.graph.links.get(links[0]) if links else None
        if link is None:
            return None
        if link.origin_id == INPUT_NODE:
            outside = self._outside(site, link)
            return outside if isinstance(outside, _End) else None
        origin = site.graph.nodes.get(link.origin_id)
        return origin and _End(site, origin, link.origin_slot, is_input=False, wanted=at.wanted)


def values_at(site: Site, node: Node, kind: NodeType) -> Values:
    """Return the values of a node, with those that were set where its subgraph is used."""
    values = values_of(node, kind)
    set_outside = {
        widget: value
        for (node_id, widget), value in site.overrides.items()
        if node_id == node.node_id and widget in values.inputs
    }
    return Values({**values.by_name, **set_outside}, values.inputs, values.browser_only)


def slots_of(node: Node, kind: NodeType | None) -> list[Slot]:
    """Return a node's inputs in the server's order, with the saved links, and then other saved inputs."""
    if kind is None:
        return list(node.inputs)
    saved = {slot.name: slot for slot in node.inputs}
    slots: list[Slot] = []
    for given in kind.inputs:
        slot = saved.pop(given.name, None) or Slot(given.name, given.type)
        slots.append(slot if given.type.startswith(_STANDS_FOR_OTHERS) else replace(slot, type=given.type))
    return [*slots, *(slot for slot in node.inputs if slot.name in saved)]


def bypass_of(inputs: Sequence[Slot], given: str, slot: int, wanted: str) -> int | None:
    """Return the input that a bypassed node passes on for an output: one that fits, preferably the one beside it."""
    if wanted in ("*", ""):
        return slot if slot < len(inputs) else 0 if inputs else None
    fitting = [at for at, one in enumerate(inputs) if fits(one.type, given) and fits(one.type, wanted)]
    if slot in fitting:
        return slot
    exact = next((at for at, one in enumerate(inputs) if one.type == wanted), None)
    return exact if exact is not None else next(iter(fitting), None)


def fits(one: str, other: str) -> bool:
    """Tell whether a value of one type can be linked to another; a type may be a list, separated by commas."""
    if "*" in (one, other):
        return True
    return not {part.strip() for part in one.lower().split(",")}.isdisjoint(
        part.strip() for part in other.lower().split(",")
    )


def _output_type(node: Node, kind: NodeType | None, slot: int) -> str:
    if kind and slot < len(kind.outputs) and not kind.outputs[slot][1].startswith(_STANDS_FOR_OTHERS):
        return kind.outputs[slot][1]
    return node.outputs[slot].type if slot < len(node.outputs) else "*"


def _of_primitive(site: Site, primitive: Node) -> Given | None:
    for (node_id, _), value in site.overrides.items():
        if node_id == primitive.node_id:
            return Given(value, is_primitive=True)
    values = primitive.values
    return Given(values[0], is_primitive=True) if isinstance(values, list) and values else None


def _or(link: int | None) -> int:
    return -1 if link is None else link
