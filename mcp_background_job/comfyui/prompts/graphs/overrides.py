"""Makes many prompts from one workflow: values for inputs, by their paths, combined. Pure.

A path names an input as in the workflow itself: ``3.inputs.seed`` is the input ``seed`` of node ``3``.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, cast

from mcp_background_job.comfyui.prompts.graphs.references import check_value
from mcp_background_job.comfyui.prompts.graphs.workflow import sendable
from mcp_background_job.core.text import one_line
from mcp_background_job.errors import WorkflowError

Combine = Literal["product", "zip"]
Overrides = Mapping[str, Any]

_INPUTS = ".inputs."

#: The most names in a message.
_MAX_NAMED = 12

#: Characters of a value in a note, which stays one short line.
_MAX_SHOWN = 40


def expand(graph: Mapping[str, Any], overrides: Mapping[str, Any], combine: Combine, *, limit: int) -> list[Overrides]:
    """Return the values of each prompt by path: all combinations, the last path changing fastest, or one by one.

    Raises:
        WorkflowError: a path names no input of the graph, a list of values is empty, a value cannot be sent, lists to
            be zipped differ in length, or there are more prompts than the limit.
    """
    for path, values in overrides.items():
        _input_of(graph, path)
        if not isinstance(values, list):
            raise WorkflowError(f"overrides: {path} takes a list of values, not {values!r:.80}")
        if not values:
            raise WorkflowError(f"overrides: {path} has an empty list of values, so there is nothing to submit")
        for value in sendable(cast("list[Any]", values), f"overrides: {path}"):
            check_value(path, value)
    lengths = {path: len(values) for path, values in overrides.items()}
    if combine == "zip" and len(set(lengths.values())) > 1:
        told = ", ".join(f"{path} has {length}" for path, length in lengths.items())
        raise WorkflowError(f'overrides: lists of one length are needed to zip them, and {told}; or combine="product"')
    number = math.prod(lengths.values()) if combine == "product" else next(iter(lengths.values()), 1)
    if number > limit:
        raise WorkflowError(f"overrides: that makes {number:,} prompts, and a batch has at most {limit:,}")
    return [dict(zip(overrides, values, strict=True)) for values in _combined(list(overrides.values()), combine)]


def _combined(values: list[Sequence[Any]], combine: Combine) -> Iterator[tuple[Any, ...]]:
    return itertools.product(*values) if combine == "product" or not values else zip(*values, strict=True)


def applied(graph: Mapping[str, Any], overrides: Overrides) -> Mapping[str, Any]:
    """Return the graph with these values in place of its own.

    Raises:
        WorkflowError: a path names no input of the graph.
    """
    changed = dict(graph)
    for path, value in overrides.items():
        node_id, name = _input_of(graph, path)
        node = cast("dict[str, Any]", changed[node_id])
        changed[node_id] = {**node, "inputs": {**node["inputs"], name: value}}
    return changed


def _input_of(graph: Mapping[str, Any], path: str) -> tuple[str, str]:
    node_id, separator, name = path.partition(_INPUTS)
    if not separator:
        raise WorkflowError(f'overrides: {path!r} is not the path of an input; write it like "3.inputs.seed"')
    node = graph.get(node_id)
    if not isinstance(node, dict):
        raise WorkflowError(f"overrides: {path}: the workflow has no node {node_id!r}; it has {_named(graph)}")
    inputs = cast("dict[str, Any]", node).get("inputs")
    known = cast("dict[str, Any]", inputs) if isinstance(inputs, dict) else {}
    if name not in known:
        # ComfyUI would silently ignore the value.
        label = f"node {node_id} {cast('dict[str, Any]', node).get('class_type')}"
        raise WorkflowError(f"overrides: {path}: {label} has no input {name!r}; it has {_named(known)}")
    return node_id, name


def _named(names: Mapping[str, Any]) -> str:
    more = len(names) - _MAX_NAMED
    return ", ".join(list(names)[:_MAX_NAMED]) + (f" and {more} more" if more > 0 else "") if names else "none"


def as_note(overrides: Overrides) -> str:
    """Return in a few words how a prompt differs from its workflow: ``seed=3, cfg=7.5``."""
    return ", ".join(f"{path.partition(_INPUTS)[2]}={_shown(value)}" for path, value in overrides.items())


def _shown(value: Any) -> str:
    return one_line(value if isinstance(value, str) else json.dumps(value), _MAX_SHOWN)
