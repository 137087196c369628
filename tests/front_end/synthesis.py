"""Kinds of nodes as the nodes of workflows show them, for templates that are newer than any server at hand.

Editor and conversion get the same, so that both must come to the same prompts; what a server really has is not said.
"""

from collections.abc import Iterable, Mapping
from typing import Any, cast

from mcp_background_job.comfyui.workflows.wiring import ONLY_IN_EDITOR

#: Widgets that the editor itself adds to nodes.
_OF_EDITOR = ("IMAGEUPLOAD", "AUDIOUPLOAD", "AUDIO_UI")

_CONTROLS = ("fixed", "increment", "decrement", "randomize")


def nodes_in(workflow: Mapping[str, Any]) -> list[dict[str, Any]]:
    subgraphs = workflow.get("definitions", {}).get("subgraphs", [])
    return [*workflow["nodes"], *(node for one in subgraphs for node in one["nodes"])]


def object_info_of(workflows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return kinds of nodes by their names, each as the node of its kind with the most inputs has it."""
    richest: dict[str, dict[str, Any]] = {}
    for workflow in workflows:
        own = {one["id"] for one in workflow.get("definitions", {}).get("subgraphs", [])}
        for node in nodes_in(workflow):
            kind = node["type"]
            if kind not in own and kind not in ONLY_IN_EDITOR and _size(node) > _size(richest.get(kind, {})):
                richest[kind] = node
    return {kind: _declared(kind, node) for kind, node in richest.items()}


def _size(node: Mapping[str, Any]) -> int:
    return 1 + len(node.get("inputs", [])) + len(node.get("widgets_values") or []) if node else 0


def _declared(kind: str, node: Mapping[str, Any]) -> dict[str, Any]:
    values = node.get("widgets_values")
    left: list[Any] = list(cast("list[Any]", values)) if isinstance(values, list) else []
    required: dict[str, Any] = {}
    for slot in node.get("inputs", []):
        if slot["type"] in _OF_EDITOR:
            continue
        config: dict[str, Any] = {}
        if slot.get("widget"):
            value = left.pop(0) if left else None
            if slot["type"] in ("INT", "COMBO"):
                config["control_after_generate"] = bool(left) and left[0] in _CONTROLS
            if config.get("control_after_generate"):
                del left[: 1 if slot["type"] == "INT" else 2]
            if slot["type"] == "COMBO":
                config["options"] = [value]
        required[slot["name"]] = [slot["type"], config]
    outputs = [slot["type"] for slot in node.get("outputs", [])]
    return {
        "input": {"required": required, "optional": {}},
        "input_order": {"required": list(required), "optional": []},
        "output": outputs,
        "output_is_list": [False] * len(outputs),
        "output_name": [slot["name"] for slot in node.get("outputs", [])],
        "name": kind,
        "display_name": kind,
        "description": "",
        "python_module": "nodes",
        "category": "synthesised",
        "output_node": not outputs,
    }
