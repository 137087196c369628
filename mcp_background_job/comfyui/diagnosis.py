"""Recognises what a failed prompt lacks: models and kinds of nodes that the server does not have. Pure.

The forms are those of ComfyUI's validation (``execution.py``, ``server.py``; measured on 0.3.64 and 0.33.0) and of the
exceptions that loading a model raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from mcp_background_job.comfyui.answers import Failure, Refused

_ENDINGS = r"\.(?:safetensors|sft|ckpt|pth|pt|bin|gguf|onnx)"

#: The file name of a model in a sentence.
_MODEL = re.compile(rf"[^\s'\"`/\\:()\[\]]+{_ENDINGS}\b", re.IGNORECASE)

#: The value of an input that may be one of some names only, and is none of them.
_NOT_IN_LIST = re.compile(r"'([^']*)' not in \[")

#: An exception that speaks of a file that is not there.
_NOT_THERE = re.compile(
    r"no such file|not found|does not exist|filenotfound|could not (?:find|load|open)", re.IGNORECASE
)

#: A refusal that names a class which the server does not have: in newer servers, and in older ones.
_NO_NODE = re.compile(r"Node '([^']+)' not found|because node (.+?) does not exist")


@dataclass(frozen=True)
class Missing:
    """What the server does not have."""

    models: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()


def missing_of_failure(failure: Failure) -> Missing:
    """Return what an exception says that is not there."""
    text = f"{failure.exception_type}: {failure.message}"
    return Missing(models=_unique(_MODEL.findall(failure.message)) if _NOT_THERE.search(text) else ())


def missing_of_refusal(refused: Refused) -> Missing:
    """Return what validation says that is not there."""
    asked = (
        value
        for error in refused.node_errors
        if error.kind == "value_not_in_list"
        for value in _NOT_IN_LIST.findall(error.message)
    )
    nodes = (newer or older for newer, older in _NO_NODE.findall(refused.message))
    return Missing(_unique(value for value in asked if _IS_MODEL.search(value)), _unique(nodes))


_IS_MODEL = re.compile(rf"{_ENDINGS}$", re.IGNORECASE)


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
