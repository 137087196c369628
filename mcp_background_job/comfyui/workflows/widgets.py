"""Assigns the values that were saved with a node to its inputs, by the order of the widgets in the editor. Pure.

A file has the values of a node as a list without names. The editor makes the widgets of a node in the order in which
the server declares its inputs. Some inputs bring further widgets that only the editor uses: the control of a seed takes
a value in the list and none in the prompt.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from mcp_background_job.comfyui.wire.node_types import COMBO, Input, NodeType, inputs_of
from mcp_background_job.comfyui.workflows.ui_graph import Node

_DYNAMIC_COMBO = "COMFY_DYNAMICCOMBO_V3"

#: Types that the editor shows as widgets, and that can be linked all the same.
_WIDGET_TYPES = frozenset(
    {"INT", "FLOAT", "STRING", "BOOLEAN", COMBO, _DYNAMIC_COMBO, "MARKDOWN", "TEXTAREA", "COLOR", "COLORS", "CURVE"}
    | {"RANGE", "CHART", "GALLERIA", "IMAGECOMPARE", "TREESELECT", "MULTISELECT", "SELECTBUTTON", "BOUNDING_BOX"}
    | {"BOUNDING_BOXES", "PAINTER", "COMPOSITOR", "VIDEO_EDIT", "FILEUPLOAD", "IMAGEUPLOAD"}
)

#: Values that a browser makes while the prompt is queued: a photo, a recording, views of a scene.
_ONLY_IN_A_BROWSER = {
    "WEBCAM": "a photo that a browser takes",
    "AUDIO_RECORD": "a recording that a browser makes",
    "LOAD_3D": "views that a browser renders",
    "LOAD_3D_ANIMATION": "views that a browser renders",
    "LOAD_3D_ADVANCED": "views that a browser renders",
}

#: Inputs that have a control without declaring it: the old names of seeds.
_SEEDS = ("seed", "noise_seed")

_DEFAULTS = {"INT": 0, "FLOAT": 0, "STRING": "", "BOOLEAN": False}

#: Stands for a missing value, since ``None`` is a value.
_NONE = object()


@dataclass(frozen=True)
class Values:
    """The values of a node's widgets.

    Attributes:
        by_name: the values, by the names of the inputs.
        inputs: the inputs that have a widget, by name; including those that the choice in a dynamic combo brings.
        browser_only: inputs whose value only a browser can make, each with a description of the value.
    """

    by_name: Mapping[str, Any]
    inputs: Mapping[str, Input]
    browser_only: Mapping[str, str] = field(default_factory=dict[str, str])


def values_of(node: Node, kind: NodeType) -> Values:
    """Return the values of a node by the names of its inputs; values that were not saved have their defaults."""
    linked = {slot.name for slot in node.inputs if slot.widget}
    saved = _Saved(_without_linked_only(node, kind, linked))
    values: dict[str, Any] = {}
    inputs: dict[str, Input] = {}
    for one in _taken(kind.inputs, saved, linked):
        inputs[one.input.name] = one.input
        if one.value is not _NONE:
            values[one.input.name] = one.value
    only = {name: _ONLY_IN_A_BROWSER[one.type] for name, one in inputs.items() if one.type in _ONLY_IN_A_BROWSER}
    return Values(values, inputs, only)


def prompted(given: Input, value: Any) -> Any:
    """Return a widget's value in the form for a prompt: an upload's path; a list wrapped, unlike a link."""
    if _is_upload(given):
        folder = str(given.config.get("image_folder", "input"))
        if not isinstance(value, list):
            return _path(value, folder)
        paths = [_path(one, folder) for one in cast("list[Any]", value)]
        value = paths if given.config.get("allow_batch") else paths[0] if paths else ""
    if given.type == "CURVE" and value is not None:
        return {"__type__": "CURVE", "__value__": value}
    return {"__value__": cast("list[Any]", value)} if isinstance(value, list) else value


def has_widget(given: Input, linked: set[str]) -> bool:
    """Tell whether the editor has a widget for an input: by its type, or because the file says so."""
    if given.config.get("forceInput"):
        return False
    kind = str(given.config.get("widgetType") or given.type)
    # Extensions bring further types of widgets, and only the file shows them.
    return kind in _WIDGET_TYPES or kind in _ONLY_IN_A_BROWSER or given.name in linked


@dataclass(frozen=True)
class _Taken:
    input: Input
    value: Any


class _Saved:
    """The saved values, taken one after the other; by name if they were saved by name."""

    def __init__(self, values: list[Any] | Mapping[str, Any]) -> None:
        self._named = values if isinstance(values, Mapping) else None
        self._left = iter([] if isinstance(values, Mapping) else values)

    def take(self, name: str) -> Any:
        return next(self._left, _NONE) if self._named is None else self._named.get(name, _NONE)

    def skip(self, count: int) -> None:
        for _ in range(count):
            next(self._left, _NONE)


def _taken(inputs: tuple[Input, ...], saved: _Saved, linked: set[str]) -> Iterator[_Taken]:
    for given in inputs:
        if not has_widget(given, linked):
            continue
        value = saved.take(given.name)
        value = _default(given) if value is _NONE else value
        yield _Taken(given, value)
        saved.skip(_controls(given))
        if given.type == _DYNAMIC_COMBO:
            yield from _taken(_branch(given, value), saved, linked)


def _branch(given: Input, chosen: Any) -> tuple[Input, ...]:
    """Return the inputs that a choice of a dynamic combo brings, by their full names."""
    for option in map(_mapping, cast("list[Any]", given.config.get("options") or [])):
        if option.get("key") == chosen:
            return tuple(
                Input(f"{given.name}.{one.name}", one.type, one.choices, one.config, one.is_optional)
                for one in inputs_of(_mapping(option.get("inputs")))
            )
    return ()


def _controls(given: Input) -> int:
    """Return how many saved values after an input's own belong to its control."""
    asked = given.config.get("control_after_generate")
    if given.type == "INT":
        return int(given.name in _SEEDS if asked is None else bool(asked))
    if given.type == "FLOAT":
        return int(bool(asked))
    return 2 * bool(asked) if given.type == COMBO else 0  # a filter of the choices too


def _default(given: Input) -> Any:
    if given.type == _DYNAMIC_COMBO:
        options = list(map(_mapping, cast("list[Any]", given.config.get("options") or [])))
        return options[0].get("key") if options else _NONE
    if given.type == COMBO:
        return given.config.get("default") or (given.choices[0] if given.choices else _NONE)
    default = given.config.get("default")
    return _DEFAULTS.get(given.type, _NONE) if default is None else default


def _without_linked_only(node: Node, kind: NodeType, linked: set[str]) -> list[Any] | Mapping[str, Any]:
    """Return the saved values without those of link-only inputs, which editors before 1.16 saved too."""
    if isinstance(node.values, Mapping) or not any(one.config.get("forceInput") for one in kind.inputs):
        return node.values
    forced: list[bool] = []
    for one in kind.inputs:
        is_forced = bool(one.config.get("forceInput"))
        if is_forced or has_widget(one, linked):
            forced += [is_forced] + [False] * _controls(one)
    if len(forced) != len(node.values):
        return node.values
    return [value for value, is_forced in zip(node.values, forced, strict=True) if not is_forced]


def _is_upload(given: Input) -> bool:
    return any(given.config.get(key) is True for key in ("image_upload", "video_upload", "animated_image_upload"))


def _path(file: Any, folder: str) -> Any:
    """Return the path of an uploaded file, with its folder if it is not the one for inputs."""
    if isinstance(file, dict):
        facts = _mapping(cast("Any", file))
        folder = str(facts.get("type") or folder)
        file = "/".join(str(part) for part in (facts.get("subfolder"), facts.get("filename")) if part)
    if not isinstance(file, str) or folder == "input" or file.endswith(("[input]", "[output]", "[temp]")):
        return file
    return f"{file} [{folder}]"


def _mapping(content: Any) -> Mapping[str, Any]:
    return cast("dict[str, Any]", content) if isinstance(content, dict) else {}
