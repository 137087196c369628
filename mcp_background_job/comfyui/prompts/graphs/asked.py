"""The request of a prompt: its graph and its texts, and how to ask for the same again. Pure."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from mcp_background_job.comfyui.prompts.graphs.workflow import Workflow

#: Inputs in which people describe the picture.
_TEXTS = re.compile(r"text|prompt|positive|negative|caption|string|lyrics|tags", re.IGNORECASE)

#: Nodes that only hold a text for others.
_HOLDERS = re.compile(r"string|text", re.IGNORECASE)

#: An input that no node has. It changes the node for the cache, and unknown inputs are not passed to the node.
_MARK = "_again"

#: Nodes that read models: the result is the same, and reading takes long.
_LOADERS = re.compile(r"loader", re.IGNORECASE)

#: Keys that a server adds itself.
_OF_SERVER = ("client_id", "create_time")


def texts_in(graph: Mapping[str, Any]) -> dict[str, str]:
    """Return the texts that people have written into a graph, by the paths of the inputs."""
    return {
        f"{node_id}.inputs.{name}": value
        for node_id, node in graph.items()
        for name, value in _inputs_of(node).items()
        if isinstance(value, str) and value.strip() and _is_text(str(_class_of(node)), name)
    }


def _is_text(class_type: str, name: str) -> bool:
    return bool(_TEXTS.search(name) or (name == "value" and _HOLDERS.search(class_type)))


def past_the_cache(workflow: Workflow) -> Workflow:
    """Return a workflow of which every node runs again, except those that only read models."""
    mark = secrets.token_hex(4)
    graph = {
        node_id: node if _LOADERS.search(str(_class_of(node))) else _marked(node, mark)
        for node_id, node in workflow.graph.items()
    }
    return replace(workflow, graph=graph)


def _marked(node: Any, mark: str) -> dict[str, Any]:
    return {**node, "inputs": {**_inputs_of(node), _MARK: mark}}


def without_what_the_server_added(extra_data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data that was sent beside a graph, in a form that can be sent again."""
    return {name: value for name, value in extra_data.items() if name not in _OF_SERVER}


def _inputs_of(node: Any) -> dict[str, Any]:
    inputs = cast("dict[str, Any]", node).get("inputs") if isinstance(node, dict) else None
    return cast("dict[str, Any]", inputs) if isinstance(inputs, dict) else {}


def _class_of(node: Any) -> Any:
    return cast("dict[str, Any]", node).get("class_type") if isinstance(node, dict) else ""
