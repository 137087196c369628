"""Reads a workflow as the editor saves it: nodes with slots, links between them, subgraphs. Pure.

Both forms of a file are read: with links as lists (version 0.4, up to today), and as objects (version 1, and in the
definitions of subgraphs in every version). Parts that only affect the drawing, such as groups, colours and floating
links, are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from mcp_background_job.errors import WorkflowError

#: The ends of links within a subgraph that are the subgraph's own inputs and outputs.
INPUT_NODE, OUTPUT_NODE = "-10", "-20"

#: Modes of a node: a muted one does not run, and a bypassed one passes on its input.
MUTED, BYPASSED = 2, 4

#: Old names of nodes that editors still read.
_RENAMED = {
    "T2IAdapterLoader": "ControlNetLoader",
    "ConditioningAverage ": "ConditioningAverage",
    "SDV_img2vid_Conditioning": "SVD_img2vid_Conditioning",
}


@dataclass(frozen=True)
class Slot:
    """An input or output of a node; ``link`` leads to an input, ``widget`` tells whether it can hold a value."""

    name: str
    type: str
    link: int | None = None
    widget: bool = False


@dataclass(frozen=True)
class Node:
    """A node; ``values`` are the values of its widgets, by position or by name."""

    node_id: str
    type: str
    title: str
    mode: int
    inputs: tuple[Slot, ...]
    outputs: tuple[Slot, ...]
    values: list[Any] | Mapping[str, Any]
    properties: Mapping[str, Any]

    @property
    def is_off(self) -> bool:
        """Whether the node itself does not run."""
        return self.mode in (MUTED, BYPASSED)


@dataclass(frozen=True)
class Link:
    """A link from an output to an input."""

    origin_id: str
    origin_slot: int
    target_id: str
    target_slot: int


@dataclass(frozen=True)
class Port:
    """An input or output of a subgraph, with the links to it inside."""

    name: str
    links: tuple[int, ...]


@dataclass(frozen=True)
class Graph:
    """Nodes and links by their ids; a subgraph has inputs and outputs too."""

    nodes: Mapping[str, Node]
    links: Mapping[int, Link]
    name: str = ""
    inputs: tuple[Port, ...] = ()
    outputs: tuple[Port, ...] = ()


@dataclass(frozen=True)
class UiWorkflow:
    """A workflow; ``subgraphs`` has the definitions by the types of the nodes that stand for them."""

    graph: Graph
    subgraphs: Mapping[str, Graph] = field(default_factory=dict[str, Graph])


def is_ui_format(content: Any) -> bool:
    """Tell whether an object is a workflow of the editor."""
    return isinstance(content, dict) and isinstance(cast("dict[str, Any]", content).get("nodes"), list)


def ui_workflow_of(content: Mapping[str, Any], name: str) -> UiWorkflow:
    """Read a workflow.

    Raises:
        WorkflowError: something in it is not written by an editor; the message names ``name``.
    """
    try:
        definitions = _list(_mapping(content.get("definitions")).get("subgraphs"))
        subgraphs = {str(_mapping(one)["id"]): _graph(_mapping(one)) for one in definitions}
        return UiWorkflow(_graph(content), subgraphs)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise WorkflowError(
            f"{name} is not in the format that ComfyUI's editor saves: {type(error).__name__}: {error}"
        ) from error


def _graph(content: Mapping[str, Any]) -> Graph:
    nodes = [_node(_mapping(one)) for one in _list(content.get("nodes"))]
    return Graph(
        nodes={node.node_id: node for node in nodes},
        links=dict(_link(one) for one in _list(content.get("links")) if one is not None),
        name=str(content.get("name") or ""),
        inputs=_ports(content.get("inputs")),
        outputs=_ports(content.get("outputs")),
    )


def _ports(content: Any) -> tuple[Port, ...]:
    ports = map(_mapping, _list(content))
    return tuple(Port(str(port.get("name", "")), tuple(map(int, _list(port.get("linkIds"))))) for port in ports)


def _node(content: Mapping[str, Any]) -> Node:
    values, kind = content.get("widgets_values"), str(content["type"])
    return Node(
        node_id=str(content["id"]),
        type=_RENAMED.get(kind, kind),
        title=str(content.get("title") or ""),
        mode=int(content.get("mode") or 0),
        inputs=tuple(map(_slot, _list(content.get("inputs")))),
        outputs=tuple(map(_slot, _list(content.get("outputs")))),
        values=_mapping(cast("Any", values)) if isinstance(values, dict) else _list(values),
        properties=_mapping(content.get("properties")),
    )


def _slot(content: Any) -> Slot:
    slot = _mapping(content)
    link, kind = slot.get("link"), slot.get("type")
    return Slot(
        name=str(slot.get("name", "")),
        # Links for events have the type -1, and links for any type 0 or none.
        type="COMBO" if isinstance(kind, list) else str(kind or "*"),
        link=None if link is None else int(link),
        widget=slot.get("widget") is not None,
    )


def _link(content: Any) -> tuple[int, Link]:
    if isinstance(content, list):
        link_id, origin, origin_slot, target, target_slot = cast("list[Any]", content)[:5]
    else:
        facts = _mapping(content)
        link_id, origin, origin_slot = facts["id"], facts["origin_id"], facts["origin_slot"]
        target, target_slot = facts["target_id"], facts["target_slot"]
    return int(link_id), Link(str(origin), int(origin_slot), str(target), int(target_slot))


def _mapping(content: Any) -> Mapping[str, Any]:
    return cast("dict[str, Any]", content) if isinstance(content, dict) else {}


def _list(content: Any) -> list[Any]:
    return cast("list[Any]", content) if isinstance(content, list) else []
