"""Whether two prompts make a server do the same: the same nodes with the same inputs, behind the same outputs.

Ids of nodes mean nothing (the front end renumbers some), nor do nodes that no output needs, nor inputs that the server
does not have: the editor sends what is in its own widgets too.
"""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, cast

Prompt = Mapping[str, Mapping[str, Any]]


def executed(prompt: Prompt, object_info: Mapping[str, Any]) -> Counter[str]:
    """Return what a server would do of a prompt: each output with all that is behind it, as text."""
    known: dict[str, str] = {}
    ends = {name for name, described in object_info.items() if described.get("output_node")}
    outputs = [node_id for node_id, node in prompt.items() if node["class_type"] in ends]
    return Counter(_behind(node_id, prompt, object_info, known) for node_id in outputs)


def _behind(node_id: str, prompt: Prompt, object_info: Mapping[str, Any], known: dict[str, str]) -> str:
    if node_id not in known:
        node = prompt[node_id]
        kind = node["class_type"]
        declared = object_info.get(kind, {}).get("input", {})
        names = {*declared.get("required", {}), *declared.get("optional", {})}
        inputs: dict[str, Any] = {}
        for name, value in cast("dict[str, Any]", node["inputs"]).items():
            if _is_link(value, prompt):
                # What is behind it would be written out again and again: a number for it is enough.
                inputs[name] = [hash(_behind(value[0], prompt, object_info, known)), value[1]]
            elif value is not None and (name in names or "." in name):
                inputs[name] = _plain(value)
        known[node_id] = json.dumps([kind, inputs], sort_keys=True)
    return known[node_id]


def _is_link(value: Any, prompt: Prompt) -> bool:
    parts = cast("list[Any]", value) if isinstance(value, list) else []
    return len(parts) == 2 and str(parts[0]) in prompt


def _plain(value: Any) -> Any:
    """Return a number as the browser has it: 2 and 2.0 are one, and above 2**53 not all are told apart."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return float(value)
