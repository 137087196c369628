"""What real servers answered, and how an answer of the simulator is held against it."""

import json
from functools import cache
from pathlib import Path
from typing import Any, cast

from tests.comfyui.talk import Answer, ask
from tests.comfyui_simulator.process import Simulator

FOLDER = Path(__file__).parent / "recordings"
VERSIONS = ["new", "old"]

#: Parts of answers that are not imitated, and why.
NOT_IMITATED = {
    "inputs": "the nodes of the recordings and those of the simulator have other inputs",
    "current_inputs": "as above",
    "traceback": "names lines of ComfyUI's own code",
    "timestamp": "a time",
    "comfy_package_versions": "how many packages there are says nothing",
    "devices": "recorded on a CPU; the simulator has one CUDA device, as most servers have",
    "search_aliases": "a list of words",
}

#: Scalars whose very value is compared.
EXACT = {
    *("status", "status_str", "completed", "priority", "outputs_count", "previewable_outputs_count", "os"),
    *("filename", "subfolder", "type", "mediaType", "nodeId", "node_id", "exception_type", "workflow_id"),
    *("comfyui_version", "client_id", "offset", "limit", "total", "has_more", "queue_remaining"),
}

#: Recordings that are not replayed, and why. Those of the last kind are of processes and hold no request.
NOT_REPLAYED = {
    "get_extensions": "hundreds of names of scripts",
    "get_models": "a list of folders that custom nodes extend",
    "get_models_checkpoints": "empty there; the simulator has one checkpoint",
    "prompt_not_in_list": "names the modes of a node of the recordings; prompt_missing_ckpt shows the same error",
    "prompt_partial_targets": "depends on the output types of a node of the recordings; prompt_type_mismatch shows it",
    "manager_cli_session_*": "only a launcher looks at the marker",
    "api_job_after_kbint": "a KeyboardInterrupt in a node kills the worker as a SystemExit does",
    "*_summary, signal_matrix, startup, latency, races_and_misc, stuck_ws_client": "figures; told in the tests' names",
}

#: What each class of the recordings is here.
_CLASSES = {"ProbeStepped": "SimStepped", "ProbeMode": "SimRaise"}


@cache
def load(version: str, name: str) -> Any:
    about = name.partition("_")[0]
    return json.loads((FOLDER / version / about / f"{name}.json").read_text())


def translate(graph: Any) -> Any:
    """Return a recorded graph with the simulator's classes."""
    return {node_id: _translate_node(node) for node_id, node in graph.items()}


def _translate_node(node: Any) -> Any:
    name = _CLASSES.get(node["class_type"], node["class_type"])
    inputs = dict(node["inputs"])
    if name == "SimRaise":
        kind = "torch.OutOfMemoryError" if inputs["mode"] == "oom" else "RuntimeError"
        inputs = {"message": "deliberate failure", "exception_type": kind, "seed": inputs["seed"]}
        name = "SimSysExit" if node["inputs"]["mode"] == "sysexit" else name
    return node | {"class_type": name, "inputs": inputs}


#: What the tool that recorded them sent besides.
_HEADERS = {
    "prompt_foreign_origin": {"Origin": "http://example.com"},
    "manager_form_post": {"Content-Type": "application/x-www-form-urlencoded"},
}


def replay(simulator: Simulator, version: str, name: str) -> Answer:
    """Send a recorded request, and hold the answer against the recorded one."""
    recording = load(version, name)
    request = recording["request"]
    raw = request["raw_body"].encode() if "raw_body" in request else None
    answer = ask(simulator, request["method"], request["path"], request["json"], raw=raw, headers=_HEADERS.get(name))
    compare(answer, recording["response"])
    return answer


def compare(answer: Answer, expected: Any) -> None:
    assert answer.status == expected["status"], answer.text
    assert answer.content_type == expected["headers"].get("Content-Type")
    if "text" in expected:
        assert answer.text == expected["text"]
    elif "json" in expected and answer.status >= 400:
        assert _comparable(answer.json) == _comparable(expected["json"])
    elif "json" in expected:
        assert shape(answer.json) == shape(expected["json"])


def _comparable(value: Any) -> Any:
    """Return an answer without what is not imitated, and with errors in a fixed order: the real one is a set's."""
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value)
        return {key: _comparable(item) for key, item in items.items() if key not in NOT_IMITATED}
    if isinstance(value, list):
        return sorted((_comparable(item) for item in cast("list[Any]", value)), key=repr)
    return value


def shape(value: Any) -> Any:
    """Return keys and types of an answer. Ids are keys too: the tests submit under the recorded ones."""
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value)
        return {key: _shape_of_item(key, item) for key, item in items.items()}
    if isinstance(value, list):
        shapes = [shape(item) for item in cast("list[Any]", value)]
        return shapes if any(isinstance(one, dict | list) for one in shapes) else sorted(set(shapes))
    return type(value).__name__


def _shape_of_item(key: str, item: Any) -> Any:
    if key in NOT_IMITATED:
        return "free"
    return item if key in EXACT and not isinstance(item, dict | list) else shape(item)
