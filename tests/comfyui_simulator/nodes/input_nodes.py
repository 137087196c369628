"""Nodes that read files of the server: inputs, and by a name like ``a.png [output]`` outputs too."""

import hashlib
from pathlib import Path
from typing import Any

from tests.comfyui_simulator import png
from tests.comfyui_simulator.nodes.node_class import Context, NodeClass, Result

_FOLDERS = ("input", "output", "temp")


def file_of(output_directory: Path, name: str) -> Path:
    """Return the file that a name means: an input, unless the name ends with another folder in brackets."""
    for folder in _FOLDERS:
        if name.endswith(f" [{folder}]"):
            plain = name.removesuffix(f" [{folder}]")
            return output_directory / plain if folder == "output" else output_directory.with_name(folder) / plain
    return output_directory.with_name("input") / name


def _is_there(output_directory: Path, inputs: dict[str, Any]) -> tuple[str, str, str] | None:
    name = inputs["image"]
    if file_of(output_directory, name).is_file():
        return None
    return "image", "custom_validation_failed", f"Invalid image file: {name}"


def _is_listed(output_directory: Path, inputs: dict[str, Any]) -> tuple[str, str, str] | None:
    """Look for the name in the list of inputs, in which no name ends with a folder; returns the error, if any."""
    folder = output_directory.with_name("input")
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    return None if inputs["image"] in names else ("image", "value_not_in_list", f"'{inputs['image']}' not in {names}")


def _load(context: Context, inputs: dict[str, Any]) -> Result:
    content = file_of(context.output_directory, inputs["image"]).read_bytes()
    return Result((hashlib.sha256(content).hexdigest(), 0))


def _from_image(context: Context, inputs: dict[str, Any]) -> Result:
    """Write a picture that names the picture it was made of."""
    return Result((0,), {"images": [png.save(context.output_directory, "made", f"made of {inputs['image']}")]})


_IMAGE_NAME: dict[str, list[Any]] = {"image": ["STRING", {}]}

INPUT_NODES = [
    NodeClass("LoadImage", _load, required=_IMAGE_NAME, returns=("IMAGE", "MASK"), is_output=False, check=_is_there),
    NodeClass("SimPickImage", _load, required=_IMAGE_NAME, returns=("IMAGE",), is_output=False, check=_is_listed),
    NodeClass("SimFromImage", _from_image, required={"image": ["IMAGE", {}]}, returns=("INT",)),
]
