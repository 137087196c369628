"""Draws small workflows as the editor saves them: what a test says of a node, and what every file has besides."""

from collections.abc import Sequence
from typing import Any

#: Name, type, link; ``w`` behind them marks the input of a widget.
In = tuple[str, str, int | None] | tuple[str, str, int | None, str]
#: Id, from node and output, to node and input, type.
Line = tuple[int, int, int, int, int, str]

Json = dict[str, Any]


def node(
    node_id: int,
    kind: str,
    inputs: Sequence[In] = (),
    outputs: Sequence[tuple[str, str]] = (),
    values: Sequence[Any] | None = None,
    *,
    mode: int = 0,
    title: str = "",
    properties: Json | None = None,
) -> Json:
    drawn: Json = {
        "id": node_id,
        "type": kind,
        "pos": [100 * node_id, 100],
        "size": [200, 100],
        "flags": {},
        "order": node_id,
        "mode": mode,
        "inputs": [_input(one) for one in inputs],
        "outputs": [{"name": name, "type": kind, "links": None} for name, kind in outputs],
        "properties": properties or {},
    }
    if values is not None:
        drawn["widgets_values"] = list(values)
    if title:
        drawn["title"] = title
    return drawn


def _input(given: In) -> Json:
    slot: Json = {"name": given[0], "type": given[1], "link": given[2]}
    return slot | {"widget": {"name": given[0]}} if len(given) > 3 else slot


def workflow(nodes: Sequence[Json], lines: Sequence[Line] = (), subgraphs: Sequence[Json] = ()) -> Json:
    """Return a whole workflow, with links as lists."""
    _connect(nodes, lines)
    drawn: Json = {
        "id": "6a1b4c1e-0000-4000-8000-000000000001",
        "revision": 0,
        "last_node_id": max(one["id"] for one in nodes),
        "last_link_id": max((one[0] for one in lines), default=0),
        "nodes": list(nodes),
        "links": [list(line) for line in lines],
        "groups": [{"id": 1, "title": "a group", "bounding": [0, 0, 400, 400], "flags": {}}],
        "config": {},
        "extra": {},
        "version": 0.4,
    }
    return drawn | {"definitions": {"subgraphs": list(subgraphs)}} if subgraphs else drawn


def version_1(drawn: Json) -> Json:
    """Return the same workflow as version 1 of the format has it, with links as objects."""
    state = {
        "lastGroupId": 1,
        "lastNodeId": drawn["last_node_id"],
        "lastLinkId": drawn["last_link_id"],
        "lastRerouteId": 0,
    }
    kept = {name: drawn[name] for name in ("id", "revision", "nodes", "groups", "extra")}
    return {**kept, "version": 1, "config": {}, "state": state, "links": [_object(line) for line in drawn["links"]]}


def subgraph(
    subgraph_id: str,
    nodes: Sequence[Json],
    lines: Sequence[Line],
    inputs: Sequence[tuple[str, str]] = (),
    outputs: Sequence[tuple[str, str]] = (),
) -> Json:
    """Return the definition of a subgraph; -10 and -20 are its own inputs and outputs in its links."""
    _connect(nodes, lines)
    return {
        "id": subgraph_id,
        "version": 1,
        "revision": 0,
        "name": f"sub {subgraph_id[-1]}",
        "state": {
            "lastGroupId": 0,
            "lastNodeId": max(one["id"] for one in nodes),
            "lastLinkId": max((one[0] for one in lines), default=0),
            "lastRerouteId": 0,
        },
        "config": {},
        "inputNode": {"id": -10, "bounding": [0, 0, 100, 100]},
        "outputNode": {"id": -20, "bounding": [900, 0, 100, 100]},
        "inputs": [
            _port(subgraph_id, f"1{at}", one, [line[0] for line in lines if line[1] == -10 and line[2] == at])
            for at, one in enumerate(inputs)
        ],
        "outputs": [
            _port(subgraph_id, f"2{at}", one, [line[0] for line in lines if line[3] == -20 and line[4] == at])
            for at, one in enumerate(outputs)
        ],
        "widgets": [],
        "nodes": list(nodes),
        "groups": [],
        "links": [_object(line) for line in lines],
        "extra": {},
    }


def _port(subgraph_id: str, at: str, port: tuple[str, str], links: list[int]) -> Json:
    name, kind = port
    return {"id": f"{subgraph_id[:-2]}{at}", "name": name, "type": kind, "linkIds": links, "pos": [0, 0]}


def _object(line: Sequence[Any]) -> Json:
    names = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    return dict(zip(names, line, strict=True))


def _connect(nodes: Sequence[Json], lines: Sequence[Line]) -> None:
    by_id = {one["id"]: one for one in nodes}
    for link_id, origin, slot, *_ in lines:
        if origin in by_id:
            output = by_id[origin]["outputs"][slot]
            output["links"] = [*(output["links"] or []), link_id]
