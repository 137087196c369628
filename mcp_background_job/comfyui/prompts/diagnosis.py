"""Recognises what a failed prompt lacks: models and node types that the server does not have. Pure.

The patterns match the messages of ComfyUI's validation (``execution.py``, ``server.py``; measured on 0.3.64 and 0.33.0)
and of the exceptions that loading a model raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from mcp_background_job.comfyui.wire.answers import Failure, Refused

#: The file types that ComfyUI itself looks for, and those that well-known custom nodes load.
_ENDINGS = r"\.(?:safetensors|sft|ckpt|pth|pt2?|bin|pkl|gguf|onnx)"

_IS_MODEL = re.compile(rf"{_ENDINGS}$", re.IGNORECASE)

#: Characters of a message that are searched; a longer one is a dump of something.
_LOOKED_AT = 10_000

#: Characters of a name with its folders. Without a bound, a long message would take minutes.
_NAME = "{1,250}?"

#: A model in a sentence: in quotes, where its name may have blanks and folders, or as a bare file name.
_MODEL = re.compile(
    rf"(?P<quote>['\"`])(?P<quoted>[^'\"`\n]{_NAME}{_ENDINGS})(?P=quote)|(?P<bare>[^\s'\"`/\\:()\[\]]{_NAME}{_ENDINGS})\b",
    re.IGNORECASE,
)

#: The beginning of a path from the root; its name alone is enough.
_FROM_ROOT = re.compile(r"/|[a-z]:[\\/]|[a-z]+://", re.IGNORECASE)

#: In a message about an input with a list of values: after its own value follow all values, or their number.
_NOT_IN_LIST = re.compile(r" not in [\[(]")

#: The value of an input, or one of several.
_VALUE = re.compile(rf"'(.{_NAME}{_ENDINGS})'(?=,|$)", re.IGNORECASE)

#: An exception about a file that does not exist. A file that cannot be read is another trouble.
_NOT_THERE = re.compile(
    r"no such file|not found|does not exist|filenotfound|file named|"
    r"(?:could not|couldn't|cannot|can't|unable to) (?:find|locate)",
    re.IGNORECASE,
)

#: An older server's refusal that names a missing class; newer servers report it separately.
_NO_NODE = re.compile(r"because node (.+?) does not exist")


#: Python's words if it cannot write an object as JSON.
_NOT_JSON = re.compile(r"not JSON serializable")


@dataclass(frozen=True)
class Missing:
    """Models and node types that the server does not have."""

    models: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()


def missing_of_failure(failure: Failure) -> Missing:
    """Return what is missing according to an exception."""
    message = failure.message[:_LOOKED_AT]
    is_missing = _NOT_THERE.search(f"{failure.exception_type}: {message}")
    return Missing(models=_unique(map(_name, _MODEL.finditer(message))) if is_missing else ())


def _name(model: re.Match[str]) -> str:
    name = model["quoted"] or model["bare"]
    return re.split(r"[\\/]", name)[-1] if _FROM_ROOT.match(name) else name


def missing_of_refusal(refused: Refused) -> Missing:
    """Return what is missing according to the validation."""
    models = (
        value
        for error in refused.node_errors
        if error.kind == "value_not_in_list"
        for value in _VALUE.findall(_NOT_IN_LIST.split(error.message[:_LOOKED_AT])[0])
    )
    nodes = [refused.missing_node] if refused.missing_node else _NO_NODE.findall(refused.message[:_LOOKED_AT])
    return Missing(_unique(models), _unique(nodes))


def all_of(several: Iterable[Missing]) -> Missing:
    """Return all that is missing, each once."""
    every = list(several)
    return Missing(_unique(m for one in every for m in one.models), _unique(n for one in every for n in one.nodes))


def is_model(name: str) -> bool:
    """Tell whether a name is that of a model file."""
    return bool(_IS_MODEL.search(name))


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def advice_for(cause: str) -> str:
    """Return advice on a known fault of ComfyUI itself; empty if there is none."""
    if not _NOT_JSON.search(cause[:_LOOKED_AT]):
        return ""
    return (
        "a node has returned a ui that is not JSON. ComfyUI crashes on that if the prompt was submitted with a "
        "websocket, as from here; if it was not, /history answers 500 (comfyui_clear_history). This is a fault of "
        "ComfyUI and of that node"
    )
