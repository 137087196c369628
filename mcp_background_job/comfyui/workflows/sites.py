"""Unfolds subgraphs: each use of a subgraph is a site with its own values, and its nodes have their own ids. Pure.

The id of a node in a prompt is the path to it: ``57:3`` is node 3 of the subgraph that node 57 stands for. The value of
an inner node can be set outside, at the node that stands for the subgraph. It is saved with that node in one of two
ways: for an input of the subgraph, or (``proxyWidgets``) for a widget of an inner node, by that node's id.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from mcp_background_job.comfyui.workflows.ui_graph import Graph, Node, Slot, UiWorkflow
from mcp_background_job.errors import WorkflowError

#: Subgraphs that use one another ten times each, five levels deep, would fill the memory; no server runs so many nodes.
_MAX_NODES = 50_000

#: Old names of widgets of deeper nodes began with the ids of these nodes.
_PREFIXES = re.compile(r"^(?:\s*\d+\s*:\s*)+")

#: Stands for an input of the subgraph, instead of the id of a node.
_OWN_INPUT = "-1"


@dataclass
class Site:
    """A graph at the place where it is used.

    Attributes:
        graph: the graph.
        path: the ids of the nodes that lead to it; empty for the whole workflow.
        parent: the site of the node that stands for it, and ``host`` that node; ``None`` for the whole workflow.
        given: values for its inputs, by name.
        overrides: values for widgets of its nodes, by node id and widget name.
        children: the sites of its subgraphs, by the ids of the nodes that stand for them.
    """

    graph: Graph
    path: tuple[str, ...] = ()
    parent: Site | None = None
    host: Node | None = None
    given: dict[str, Any] = field(default_factory=dict[str, Any])
    overrides: dict[tuple[str, str], Any] = field(default_factory=dict[tuple[str, str], Any])
    children: dict[str, Site] = field(default_factory=dict[str, "Site"])

    def id_of(self, node: Node) -> str:
        """Return the id of a node of this graph in the prompt."""
        return ":".join((*self.path, node.node_id))

    def running(self) -> Iterator[tuple[Site, Node]]:
        """Return the nodes that are to run, here and in the subgraphs, each with its site."""
        for node in self.graph.nodes.values():
            if node.is_off:
                continue
            if child := self.children.get(node.node_id):
                yield from child.running()
            else:
                yield self, node

    def all(self) -> Iterator[tuple[Site, Node]]:
        """Return all nodes, here and in the subgraphs, each with its site; also nodes that stand for subgraphs."""
        for node in self.graph.nodes.values():
            yield self, node
            if child := self.children.get(node.node_id):
                yield from child.all()


def unfold(workflow: UiWorkflow, name: str) -> Site:
    """Return the site of the whole workflow, including the sites of its subgraphs.

    Raises:
        WorkflowError: a subgraph contains itself, or there are too many nodes; the message names ``name``.
    """
    return _Unfolding(workflow.subgraphs, name).site(Site(workflow.graph), ())


class _Unfolding:
    def __init__(self, subgraphs: Mapping[str, Graph], name: str) -> None:
        self._subgraphs = subgraphs
        self._name = name
        self._nodes = 0

    def site(self, site: Site, within: tuple[str, ...]) -> Site:
        self._nodes += len(site.graph.nodes)
        if self._nodes > _MAX_NODES:
            raise WorkflowError(f"{self._name} has more than {_MAX_NODES:,} nodes, those of its subgraphs included")
        for node in site.graph.nodes.values():
            graph = self._subgraphs.get(node.type)
            if graph is None:
                continue
            if node.type in within:
                raise WorkflowError(
                    f"{self._name}: node {site.id_of(node)}: the subgraph {graph.name!r} contains itself"
                )
            child = Site(graph, (*site.path, node.node_id), site, node)
            _take_values(child, node)
            _take_overrides(child, site.overrides)
            site.children[node.node_id] = self.site(child, (*within, node.type))
        return site


def _take_values(site: Site, host: Node) -> None:
    """Give a site the values that were saved with the node that stands for it."""
    if isinstance(host.values, Mapping):
        site.given.update(host.values)
        return
    shown = [port.name for port in site.graph.inputs if _widget_behind(site.graph, port.links)]
    site.given.update(zip(shown, host.values, strict=False))
    # If an editor could not find a value's widget any more, it keeps the value apart; an input's value still counts.
    for kept in map(_mapping, reversed(_list(host.properties.get("proxyWidgetErrorQuarantine")))):
        node_id, name, *_ = [*map(str, _list(kept.get("originalEntry"))), "", ""]
        if node_id == _OWN_INPUT and "hostValue" in kept:
            site.given[name] = kept["hostValue"]
    for proxy, value in zip(_list(host.properties.get("proxyWidgets")), host.values, strict=False):
        if value is not None and len(_list(proxy)) > 1:
            node_id, widget, *deeper = map(str, _list(proxy))
            _set(site, node_id, widget, value, deeper[0] if deeper else "")


def _take_overrides(site: Site, overrides: Mapping[tuple[str, str], Any]) -> None:
    """Give a site the values for its widgets that were set further outside."""
    for (node_id, widget), value in overrides.items():
        if site.host is not None and node_id == site.host.node_id:
            deeper, _, name = widget.rpartition(":")
            _set(site, _OWN_INPUT, name, value, deeper)


def _set(site: Site, node_id: str, widget: str, value: Any, deeper: str) -> None:
    """Set the value of a widget of a node of a site, or of an input of the site itself."""
    widget = _PREFIXES.sub("", widget)
    if node_id == _OWN_INPUT:
        if port := _port_named(site.graph, widget) or _port_of(site.graph, deeper, widget):
            site.given[port] = value
        elif deeper:
            site.overrides[deeper, widget] = value
    elif port := _port_of(site.graph, node_id, widget):
        site.given[port] = value
    else:
        # For a node that stands for a subgraph, the name also says which inner node has the widget.
        site.overrides[node_id, f"{deeper}:{widget}" if deeper else widget] = value


def _port_named(graph: Graph, name: str) -> str | None:
    return next((port.name for port in graph.inputs if port.name == name), None)


def _port_of(graph: Graph, node_id: str, widget: str) -> str | None:
    """Return the input of a subgraph that leads to a widget of an inner node; of any node if none is named."""
    for port in graph.inputs:
        for target, slot in targets(graph, port.links):
            if slot.name == widget and node_id in ("", target.node_id):
                return port.name
    return None


def _widget_behind(graph: Graph, links: tuple[int, ...]) -> bool:
    return any(slot.widget for _, slot in targets(graph, links))


def targets(graph: Graph, links: tuple[int, ...]) -> Iterator[tuple[Node, Slot]]:
    """Return the nodes that an input of a subgraph leads to, each with its input."""
    for link_id in links:
        link = graph.links.get(link_id)
        target = graph.nodes.get(link.target_id) if link else None
        slot = next((slot for slot in target.inputs if slot.link == link_id), None) if target else None
        if target and slot:
            yield target, slot


def _mapping(content: Any) -> Mapping[str, Any]:
    return cast("dict[str, Any]", content) if isinstance(content, dict) else {}


def _list(content: Any) -> list[Any]:
    return cast("list[Any]", content) if isinstance(content, list) else []
