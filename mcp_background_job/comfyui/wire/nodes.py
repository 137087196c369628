"""The progress of each node of a prompt, from the frames of a websocket. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from mcp_background_job.comfyui.wire.previews import Preview
from mcp_background_job.comfyui.wire.progress import Frame, is_final, steps_of


@dataclass(frozen=True)
class Node:
    """The progress of one node; ``steps`` is 0 if the number of steps is unknown."""

    step: float = 0.0
    steps: float = 0.0
    is_done: bool = False


@dataclass(frozen=True)
class Live:
    """The reports on a running prompt.

    Attributes:
        nodes: the nodes that have begun, by id, in their order.
        cached: ids of the nodes whose results were cached.
        preview: the newest preview.
    """

    nodes: Mapping[str, Node] = field(default_factory=dict[str, Node])
    cached: tuple[str, ...] = ()
    preview: Preview | None = None

    @property
    def running(self) -> str:
        """The running node, the last one begun if there are several; empty between two nodes."""
        return next((node_id for node_id in reversed(list(self.nodes)) if not self.nodes[node_id].is_done), "")


def after(live: Live | None, frame: Frame) -> Live | None:
    """Return the state of a prompt after a frame about it."""
    step = _STEPS.get(frame.type)
    if step is None or is_final(frame):
        return live
    return step(live or Live(), frame.data)


def _after_start(_: Live, __: Mapping[str, Any]) -> Live:
    return Live()


def _after_cached(live: Live, data: Mapping[str, Any]) -> Live:
    nodes = data.get("nodes")
    ids = map(str, cast("list[Any]", nodes)) if isinstance(nodes, list) else ()
    return replace(live, cached=tuple(ids))


def _after_executing(live: Live, data: Mapping[str, Any]) -> Live:
    """Nodes run one after another; servers that run several at once report that by ``progress_state``, sent along."""
    node_id = str(data.get("node"))
    before = {name: node if name == node_id else replace(node, is_done=True) for name, node in live.nodes.items()}
    return replace(live, nodes={**before, node_id: live.nodes.get(node_id, Node())})


def _after_executed(live: Live, data: Mapping[str, Any]) -> Live:
    node_id = str(data.get("node"))
    done = replace(live.nodes.get(node_id, Node()), is_done=True)
    return replace(live, nodes={**live.nodes, node_id: done})


def _after_progress(live: Live, data: Mapping[str, Any]) -> Live:
    step, steps = steps_of(data)
    node_id = str(data.get("node") or live.running)
    return replace(live, nodes={**live.nodes, node_id: Node(step, steps)})


def _after_state(live: Live, data: Mapping[str, Any]) -> Live:
    told = data.get("nodes")
    states = cast("dict[str, Any]", told) if isinstance(told, dict) else {}
    nodes = {node_id: _node(cast("dict[str, Any]", one)) for node_id, one in states.items() if isinstance(one, dict)}
    return replace(live, nodes={**live.nodes, **nodes})


def _node(state: Mapping[str, Any]) -> Node:
    return Node(*steps_of(state), is_done=state.get("state") == "finished")


_STEPS: Mapping[str, Callable[[Live, Mapping[str, Any]], Live]] = {
    "execution_start": _after_start,
    "execution_cached": _after_cached,
    "executing": _after_executing,
    "executed": _after_executed,
    "progress": _after_progress,
    "progress_state": _after_state,
}
