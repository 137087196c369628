"""Inputs that take the output of a prompt: ``{"from": PROMPT_ID, "node": "9"}`` in place of a value. Pure.

In a batch, ``"from": "previous"`` means the prompt before, and ``"#3"`` the third one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from mcp_background_job.errors import WorkflowError

_FROM, _NODE, _INDEX = "from", "node", "index"


@dataclass(frozen=True)
class Reference:
    """An input that takes the output of a prompt.

    Attributes:
        node_id: the node with the input.
        name: the name of the input.
        source: the prompt: its id, ``previous``, or ``#`` and its number in the batch.
        node: the node of that prompt; without one, all of them.
        index: which of the files, from 0.
    """

    node_id: str
    name: str
    source: str
    node: str | None = None
    index: int = 0


def references_in(graph: Mapping[str, Any]) -> Iterator[Reference]:
    """Yield the inputs of a graph that refer to the output of a prompt.

    Raises:
        WorkflowError: a reference is malformed.
    """
    for node_id, node in graph.items():
        inputs = cast("dict[str, Any]", node).get("inputs") if isinstance(node, dict) else None
        for name, value in (cast("dict[str, Any]", inputs) if isinstance(inputs, dict) else {}).items():
            if isinstance(value, dict) and _FROM in value:
                yield _reference(node_id, name, cast("dict[str, Any]", value))


def _reference(node_id: str, name: str, value: Mapping[str, Any]) -> Reference:
    source, node, index = value[_FROM], value.get(_NODE), value.get(_INDEX, 0)
    is_written = isinstance(source, str) and isinstance(node, str | int | None) and isinstance(index, int)
    if not is_written or index < 0 or value.keys() - {_FROM, _NODE, _INDEX}:
        raise WorkflowError(
            f'input {name} of node {node_id}: write {{"from": PROMPT_ID, "node": "9", "index": 0}}, or '
            f'"previous" or "#1" for a prompt of the same batch, not {value!r:.100}'
        )
    return Reference(node_id, name, source, None if node is None else str(node), index)


def check_value(path: str, value: Any) -> None:
    """Check a value that is to be put into an input.

    Raises:
        WorkflowError: it is a malformed reference to a prompt.
    """
    if isinstance(value, dict) and _FROM in value:
        node_id, _, name = path.partition(".inputs.")
        _reference(node_id, name, cast("dict[str, Any]", value))
