"""Validates a graph before it is queued, in the words of ComfyUI's ``execution.validate_prompt``."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.comfyui_simulator.nodes.catalogue import CATALOGUE
from tests.comfyui_simulator.nodes.node_class import InputSpec

Error = dict[str, Any]
Graph = dict[str, Any]


@dataclass
class Judgement:
    """The result: `error` is None if at least one output is good; `node_errors` has the bad outputs even then."""

    error: Error | None = None
    good_outputs: list[str] = field(default_factory=list[str])
    node_errors: dict[str, Any] = field(default_factory=dict[str, Any])


def problem(kind: str, message: str, details: str, extra_info: dict[str, Any] | None = None) -> Error:
    return {"type": kind, "message": message, "details": details, "extra_info": extra_info or {}}


def judge(graph: Graph, targets: list[str] | None, directory: Path, *, new: bool) -> Judgement:
    if new:
        _replace_nodes(graph)
    for node_id, node in graph.items():
        error = _class_error_new(node_id, node) if new else _class_error_old(node_id, node)
        if error is not None:
            return Judgement(error)
    outputs = [node_id for node_id, node in graph.items() if CATALOGUE[node["class_type"]].is_output]
    if targets is not None:
        outputs = [node_id for node_id in outputs if node_id in targets]
    if not outputs:
        return Judgement(problem("prompt_no_outputs", "Prompt has no outputs", ""))
    return _judge_outputs(graph, outputs, directory)


def _replace_nodes(graph: Graph) -> None:
    """Imitate a step of the new generation: it fails (500) if the graph is in the editor's form."""
    for node in graph.values():
        node.get("class_type")


def _class_error_old(node_id: str, node: Any) -> Error | None:
    if "class_type" not in node:
        message = "Cannot execute because a node is missing the class_type property."
    elif node["class_type"] not in CATALOGUE:
        message = f"Cannot execute because node {node['class_type']} does not exist."
    else:
        return None
    return problem("invalid_prompt", message, f"Node ID '#{node_id}'")


def _class_error_new(node_id: str, node: Any) -> Error | None:
    name = node.get("class_type")
    if name is None:
        message = f"Node 'ID #{node_id}' has no class_type. The workflow may be corrupted or a custom node is missing."
        title = None
    elif name not in CATALOGUE:
        title = node.get("_meta", {}).get("title", name)
        message = f"Node '{title}' not found. The custom node may not be installed."
    else:
        return None
    extra_info = {"node_id": node_id, "class_type": name, "node_title": title}
    return problem("missing_node_type", message, f"Node ID '#{node_id}'", extra_info)


def _judge_outputs(graph: Graph, outputs: list[str], directory: Path) -> Judgement:
    validator = _Validator(graph, directory)
    judgement = Judgement()
    complaints: list[str] = []
    for output in outputs:
        if validator.is_valid_output(output):
            judgement.good_outputs.append(output)
            continue
        complaints += [f"{error['message']}: {error['details']}" for error in validator.errors[output]]
        for node_id, errors in validator.errors.items():
            if errors:
                entry = judgement.node_errors.setdefault(
                    node_id,
                    {"errors": errors, "dependent_outputs": [], "class_type": graph[node_id]["class_type"]},
                )
                entry["dependent_outputs"].append(output)
    if not judgement.good_outputs:
        details = "\n".join(complaints)
        judgement.error = problem("prompt_outputs_failed_validation", "Prompt outputs failed validation", details)
    return judgement


class _Validator:
    def __init__(self, graph: Graph, directory: Path) -> None:
        self._graph = graph
        self._directory = directory
        self._valid: dict[str, bool] = {}
        self.errors: dict[str, list[Error]] = {}

    def is_valid_output(self, node_id: str) -> bool:
        try:
            return self._is_valid(node_id)
        except Exception as exception:  # noqa: BLE001  a graph may be wrong in any way; the answer names the exception
            extra_info = {
                "exception_type": type(exception).__name__,
                "traceback": traceback.format_tb(exception.__traceback__),
            }
            message = "Exception when validating node"
            self.errors[node_id] = [
                problem("exception_during_validation", message, str(exception), extra_info),
            ]
            self._valid[node_id] = False
            return False

    def _is_valid(self, node_id: str) -> bool:
        if node_id not in self._valid:
            node = self._graph[node_id]
            errors: list[Error] = []
            valid = True
            node_class = CATALOGUE[node["class_type"]]
            for name, spec in node_class.inputs.items():
                if name in node["inputs"]:
                    valid &= self._check_input(node["inputs"], name, spec, errors)
                elif name in node_class.required:
                    errors.append(
                        problem("required_input_missing", "Required input is missing", name, {"input_name": name})
                    )
            if node_class.check and not errors and (found := node_class.check(self._directory, node["inputs"])):
                errors.append(_complaint(*found, node["inputs"]))
            self.errors[node_id] = errors
            self._valid[node_id] = valid and not errors
        return self._valid[node_id]

    def _check_input(self, inputs: dict[str, Any], name: str, spec: InputSpec, errors: list[Error]) -> bool:
        """Note the errors of an input; returns whether the node that it is linked to is valid."""
        value = inputs[name]
        if isinstance(value, list):
            return self._check_link(value, name, spec, errors)  # pyright: ignore[reportUnknownArgumentType]
        error = _value_error(inputs, name, spec)
        if error is not None:
            errors.append(error)
        return True

    def _check_link(self, link: list[Any], name: str, spec: InputSpec, errors: list[Error]) -> bool:
        if len(link) != 2:
            extra_info = {"input_name": name, "input_config": spec, "received_value": link}
            message = "Bad linked input, must be a length-2 list of [node_id, slot_index]"
            errors.append(problem("bad_linked_input", message, name, extra_info))
            return True
        source, slot = link
        returns: tuple[str, ...] = CATALOGUE[self._graph[source]["class_type"]].returns
        received = returns[int(slot)]
        if "*" not in {spec[0], received} and received != spec[0]:
            details = f"{name}, received_type({received}) mismatch input_type({spec[0]})"
            extra_info: dict[str, Any] = {
                "input_name": name,
                "input_config": spec,
                "received_type": received,
                "linked_node": link,
            }
            message = "Return type mismatch between linked nodes"
            errors.append(problem("return_type_mismatch", message, details, extra_info))
            return True
        return self._is_valid(link[0])


def _complaint(name: str, kind: str, details: str, inputs: dict[str, Any]) -> Error:
    is_custom = kind == "custom_validation_failed"
    message = "Custom validation failed for node" if is_custom else "Value not in list"
    extra_info = {"input_name": name, "received_value": inputs[name]}
    return problem(kind, message, f"{name} - {details}", extra_info)


_CONVERSIONS: dict[str, Callable[[Any], Any]] = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}


def _same(value: Any) -> Any:
    return value


def _value_error(inputs: dict[str, Any], name: str, spec: InputSpec) -> Error | None:
    """Convert a value in its place, as ComfyUI does; returns its error, if any."""
    value, kind, options = inputs[name], spec[0], spec[1]
    extra_info = {"input_name": name, "input_config": spec, "received_value": value}
    if isinstance(kind, list):
        if value in kind:
            return None
        return problem("value_not_in_list", "Value not in list", f"{name}: '{value}' not in {kind}", extra_info)
    try:
        value = inputs[name] = _CONVERSIONS.get(kind, _same)(value)
    except (TypeError, ValueError) as exception:
        message = f"Failed to convert an input value to a {kind} value"
        extra_info["exception_message"] = str(exception)
        return problem("invalid_input_type", message, f"{name}, {value}, {exception}", extra_info)
    if "min" in options and value < options["min"]:
        message = f"Value {value} smaller than min of {options['min']}"
        return problem("value_smaller_than_min", message, name, extra_info)
    if "max" in options and value > options["max"]:
        return problem("value_bigger_than_max", f"Value {value} bigger than max of {options['max']}", name, extra_info)
    return None
