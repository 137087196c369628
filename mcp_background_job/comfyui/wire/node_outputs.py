"""Reads the outputs of a prompt's nodes: files, and other values that they show. Pure.

A node returns any value as its ``ui``: lists of files by kind (``images``, ``gifs``, ``audio`` …), texts
(``PreviewAny``), the path of a model in ``result`` (``Preview3D``), numbers, objects.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

#: The most characters of a shown text: a long story fits, and a picture in base64 does not fill the journal.
MAX_TEXT = 1_000_000

#: The kind under which ``Preview3D`` gives the path of its model, and the file types of models.
_MODEL_KIND = "result"
_MODELS = (".glb", ".gltf", ".obj", ".fbx", ".stl", ".ply", ".usdz", ".splat", ".spz", ".ksplat")

#: A kind that says that the images beside it are animated.
_REMARK = "animated"

#: The server's folder for files that it keeps only until it ends.
TEMPORARY = "temp"


@dataclass(frozen=True)
class OutputFile:
    """A file that a prompt made, as ``/view`` names it."""

    node_id: str
    kind: str
    filename: str
    subfolder: str
    type: str


@dataclass(frozen=True)
class Shown:
    """A value that a node shows and that is not a file.

    Attributes:
        node_id: the node.
        kind: its key, such as ``text``.
        text: the value as text; at most its first ``MAX_TEXT`` characters.
        length: the number of characters of the whole.
        is_text: whether it was a text; other values are shown as JSON.
    """

    node_id: str
    kind: str
    text: str
    length: int
    is_text: bool = True

    @property
    def is_whole(self) -> bool:
        """Whether nothing was cut off."""
        return self.length == len(self.text)


@dataclass(frozen=True)
class Made:
    """The outputs of nodes: files, and other values that they show."""

    outputs: tuple[OutputFile, ...] = ()
    shown: tuple[Shown, ...] = ()


NOTHING = Made()


def read(outputs: Any) -> Made:
    """Return the outputs of nodes, from an entry of the history."""
    files: list[OutputFile] = []
    shown: list[Shown] = []
    for node_id, kinds in _mapping(outputs).items():
        for kind, values in _mapping(kinds).items():
            rest: list[Any] = []
            for value in _each(values):
                file = _file_of(node_id, kind, value)
                files += [file] if file else []
                rest += [value] if file is None and value is not None else []
            if rest and kind != _REMARK:
                shown.append(_shown(node_id, kind, rest))
    return Made(tuple(files), tuple(shown))


def _file_of(node_id: str, kind: str, value: Any) -> OutputFile | None:
    if kind == _MODEL_KIND and isinstance(value, str):
        return _model_of(node_id, value)
    facts = _mapping(value)
    if not facts.get("filename"):
        return None
    return OutputFile(
        node_id=node_id,
        kind=kind,
        filename=str(facts["filename"]),
        subfolder=str(facts.get("subfolder") or ""),
        type=str(facts.get("type") or "output"),
    )


def _model_of(node_id: str, path: str) -> OutputFile | None:
    """Return the model of a preview, or its background picture, which lies in the folder for temporary files."""
    folder, _, filename = path.replace("\\", "/").rpartition("/")
    is_model = filename.lower().endswith(_MODELS)
    if not is_model and folder != TEMPORARY:
        return None
    subfolder, place = (folder, "output") if is_model else ("", TEMPORARY)
    return OutputFile(node_id, _MODEL_KIND, filename, subfolder, place)


def _shown(node_id: str, kind: str, values: list[Any]) -> Shown:
    # Texts are joined line by line; other values are shown as JSON.
    is_text = all(isinstance(value, str) for value in values)
    text = "\n".join(values) if is_text else _as_json(values[0] if len(values) == 1 else values)
    return Shown(node_id, kind, text[:MAX_TEXT], len(text), is_text)


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _each(values: Any) -> Iterator[Any]:
    """Yield the values of a kind: nodes wrap them in a list, some in two, and some not at all."""
    if not isinstance(values, list):
        yield values
        return
    for value in cast("list[Any]", values):
        if isinstance(value, list):
            yield from cast("list[Any]", value)
        else:
            yield value


def _mapping(value: Any) -> Mapping[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
