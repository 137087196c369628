"""Names the nodes of a workflow that cannot be converted, and why: each in one sentence. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from mcp_background_job.comfyui.wire.node_types import NodeTypes
from mcp_background_job.comfyui.workflows.ui_graph import Node
from mcp_background_job.core.nearest import nearest
from mcp_background_job.core.text import one_line

#: The most sentences in a refusal; one covers all nodes of a type.
_MAX_TOLD = 40

#: Characters of a type or a title in a message.
_MAX_SHOWN = 80

#: Nodes of extensions that link by name instead of by a line.
_BY_NAME = re.compile(r"(?:get|set)[ _]?node", re.IGNORECASE)

#: Group nodes, the predecessors of subgraphs.
_GROUP = re.compile(r"workflow[>/]")

_UNKNOWN = ""


@dataclass(frozen=True)
class Obstacle:
    """A node that cannot be converted; without a reason, the server does not have its type."""

    node_id: str
    type: str
    reason: str = _UNKNOWN


def unknown(node_id: str, node: Node) -> Obstacle:
    """Return the obstacle for a node whose type the server does not have."""
    kind = one_line(node.type, _MAX_SHOWN)
    if _GROUP.match(node.type):
        return Obstacle(node_id, kind, "a group node of older editors: convert it to a subgraph, or ungroup it")
    if _BY_NAME.search(node.type):
        return Obstacle(node_id, kind, "links by a name, which only its extension of the editor follows: draw the link")
    return Obstacle(node_id, kind)


def refusal_of(name: str, obstacles: Iterable[Obstacle], types: NodeTypes) -> str:
    """Return the message of a refusal: each type of node with the ids of its nodes, and similar types."""
    ordered = sorted(obstacles, key=lambda one: (one.type, one.reason))
    told = [
        _told(kind, reason, [one.node_id for one in several], types)
        for (kind, reason), several in groupby(ordered, key=lambda one: (one.type, one.reason))
    ]
    more = f"; and {len(told) - _MAX_TOLD} more kinds of nodes" if len(told) > _MAX_TOLD else ""
    return f"{name} cannot be converted for this server: " + "; ".join(told[:_MAX_TOLD]) + more


def _told(kind: str, reason: str, ids: list[str], types: NodeTypes) -> str:
    which = f"node{'s' if len(ids) > 1 else ''} {', '.join(ids)} ({kind})"
    if reason:
        return f"{which}: {reason}"
    near = nearest(kind, types)
    return f"{which}: the server has no such node" + (f"; nearest: {', '.join(near)}" if near else "")
