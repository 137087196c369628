"""Reads a workflow that is to be submitted, and reports errors in it before a server does."""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar, cast

from mcp_background_job.comfyui.prompts.graphs.references import references_in
from mcp_background_job.comfyui.workflows.metadata.embedded import embedded
from mcp_background_job.comfyui.workflows.metadata.limits import MAX_TEXT
from mcp_background_job.comfyui.workflows.ui_graph import is_ui_format
from mcp_background_job.core.text import expanded
from mcp_background_job.errors import WorkflowError

Content = TypeVar("Content")


@dataclass(frozen=True)
class Workflow:
    """A workflow in API format, its extra data, and the name of its file.

    ``is_converted`` says whether it was in the editor's format.
    """

    graph: Mapping[str, Any]
    extra_data: Mapping[str, Any] = field(default_factory=dict[str, Any])
    name: str = ""
    is_converted: bool = False


@dataclass(frozen=True)
class Drawn:
    """A workflow in the editor's format, to be converted; messages call it ``label``."""

    content: Mapping[str, Any]
    label: str
    name: str = ""


def load(path: str, working_dir: str = ".") -> Workflow | Drawn:
    """Read a workflow from a file, or from an image or video that ComfyUI made of it.

    A relative path is relative to the working directory.

    Raises:
        WorkflowError: there is no such file, or no workflow in it.
    """
    file = Path(working_dir, expanded(path))
    try:
        facts = file.stat()
        if not stat.S_ISREG(facts.st_mode):  # reading a pipe or a device would never end
            raise WorkflowError(f"the workflow {file} cannot be read: it is not a regular file")
        text = _text_of(file, facts.st_size)
    except OSError as error:
        raise WorkflowError(f"the workflow {file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise WorkflowError(f"{file} is binary, and not an image or video that ComfyUI makes") from error
    except ValueError as error:  # a path with a null byte
        raise WorkflowError(f"the workflow {str(file)!r} cannot be read: {error}") from error
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WorkflowError(f"{file} is not JSON: {error}") from error
    return replace(check(content, str(file)), name=file.stem)


def _text_of(file: Path, size: int) -> str:
    """Return the text of a file, or the text that ComfyUI embedded: its prompt rather than its workflow."""
    with file.open("rb") as content:
        if (texts := embedded(content)) is not None:
            if not texts:
                raise WorkflowError(
                    f"{file} has no prompt and no workflow in it: ComfyUI did not make it, or saved none in it"
                )
            return texts.get("prompt") or texts["workflow"]
        if size > MAX_TEXT:
            raise WorkflowError(f"{file} has {size:,} bytes; a workflow has at most {MAX_TEXT:,}")
        content.seek(0)
        return content.read().decode("utf-8-sig")


def check(content: Any, name: str = "workflow") -> Workflow | Drawn:
    """Return a workflow given as an object.

    It is a graph in API format, alone or as the body of a request to ``/prompt``, or a workflow of the editor.

    Raises:
        WorkflowError: it is none of these; the message says what it is and how to get one.
    """
    if not isinstance(content, dict):
        raise WorkflowError(f"{name} is not a JSON object but {type(content).__name__}: give nodes by their ids")
    body = cast("dict[str, Any]", content)
    if is_ui_format(body):
        if not body["nodes"]:
            raise WorkflowError(f"{name} has no nodes")
        return Drawn(sendable(body, name), name)
    return of_api(body, name)


def of_api(body: Mapping[str, Any], name: str = "workflow") -> Workflow:
    """Return a workflow from a graph in API format, alone or as the body of a request to ``/prompt``.

    Raises:
        WorkflowError: it is not such a graph.
    """
    prompt = body.get("prompt")
    if isinstance(prompt, dict) and "class_type" not in prompt:
        return Workflow(_graph(cast("dict[str, Any]", prompt), name), _extra(body.get("extra_data"), name))
    return Workflow(_graph(body, name))


def _extra(extra: Any, name: str) -> Mapping[str, Any]:
    return sendable(cast("dict[str, Any]", extra), name) if isinstance(extra, dict) else {}


def _graph(graph: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    if not graph:
        raise WorkflowError(f"{name} has no nodes")
    for node_id, node in graph.items():
        if not isinstance(node, dict) or not isinstance(node.get("class_type"), str):  # pyright: ignore[reportUnknownMemberType]
            raise WorkflowError(
                f"{name}: node {node_id!r} has no class_type, so this is not a workflow in API format "
                '(like {"3": {"class_type": "KSampler", "inputs": {…}}, …})'
            )
    for _ in references_in(graph):
        pass  # checks each reference
    return sendable(graph, name)


def sendable(content: Content, name: str) -> Content:
    """Return content that a request can hold unchanged.

    Raises:
        WorkflowError: a number or text in it cannot be written as JSON; the message names ``name``.
    """
    try:
        json.dumps(content, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise WorkflowError(f"{name} cannot be sent as JSON: {error}") from error
    return content


def class_of(graph: Mapping[str, Any], node_id: str) -> str:
    """Return the class of a node, empty if the graph does not have the node."""
    # if a node expands into others, their ids begin with its own
    node = graph.get(node_id) or graph.get(node_id.split(".", maxsplit=1)[0])
    return str(cast("dict[str, Any]", node).get("class_type", "")) if isinstance(node, dict) else ""
