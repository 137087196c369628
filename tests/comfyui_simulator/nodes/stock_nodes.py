"""The few stock nodes that the recordings use, with their declared inputs; they compute nothing."""

import json
from typing import Any

from tests.comfyui_simulator import png
from tests.comfyui_simulator.nodes.node_class import Context, InputSpec, NodeClass, Result


def _nothing(_context: Context, _inputs: dict[str, Any]) -> Result:
    return Result((0, 0, 0))


def _save_image(context: Context, inputs: dict[str, Any]) -> Result:
    return Result((0,), {"images": [png.save(context.output_directory, inputs["filename_prefix"], "image")]})


def _primitive(_context: Context, inputs: dict[str, Any]) -> Result:
    return Result((inputs["value"],))


def _preview_any(_context: Context, inputs: dict[str, Any]) -> Result:
    source = inputs["source"]
    return Result((), {"text": [source if isinstance(source, str) else json.dumps(source)]})


def _preview_3d(_context: Context, inputs: dict[str, Any]) -> Result:
    """Return a model's path below the folder for outputs, and no camera."""
    return Result((), {"result": [inputs["model_file"], None]})


def _whole(default: int, least: int, most: int) -> InputSpec:
    return ["INT", {"default": default, "min": least, "max": most, "step": 1}]


def _stock(name: str, required: dict[str, InputSpec], *returns: str) -> NodeClass:
    return NodeClass(name, _nothing, required=required, returns=returns, is_output=False)


_SIDE = _whole(512, 1, 16384)
_BATCH = _whole(1, 1, 4096)
_PREFIX_HELP = (
    "The prefix for the file to save. This may include formatting information such as %date:yyyy-MM-dd% or "
    "%Empty Latent Image.width% to include values from nodes."
)

STOCK_NODES = [
    _stock("EmptyImage", {"width": _SIDE, "height": _SIDE, "batch_size": _BATCH, "color": ["INT", {}]}, "IMAGE"),
    _stock(
        "ImageBlur",
        {"image": ["IMAGE", {}], "blur_radius": _whole(1, 1, 31), "sigma": ["FLOAT", {"default": 1.0}]},
        "IMAGE",
    ),
    _stock(
        "ImageScale",
        {
            "image": ["IMAGE", {}],
            "upscale_method": [["nearest-exact", "bilinear", "area", "bicubic", "lanczos"], {}],
            "width": _whole(512, 0, 16384),
            "height": _whole(512, 0, 16384),
            "crop": [["disabled", "center"], {}],
        },
        "IMAGE",
    ),
    _stock("EmptyLatentImage", {"width": _SIDE, "height": _SIDE, "batch_size": _BATCH}, "LATENT"),
    _stock("VAEDecode", {"samples": ["LATENT", {}], "vae": ["VAE", {}]}, "IMAGE"),
    _stock(
        "CheckpointLoaderSimple",
        {"ckpt_name": [[], {"tooltip": "The name of the checkpoint (model) to load."}]},
        "MODEL",
        "CLIP",
        "VAE",
    ),
    NodeClass(
        "PrimitiveString",
        _primitive,
        required={"value": ["STRING", {}]},
        returns=("STRING",),
        is_output=False,
    ),
    NodeClass("PreviewAny", _preview_any, required={"source": ["*", {}]}),
    NodeClass("Preview3D", _preview_3d, required={"model_file": ["STRING", {"default": ""}]}),
    NodeClass(
        "SaveImage",
        _save_image,
        required={
            "images": ["IMAGE", {"tooltip": "The images to save."}],
            "filename_prefix": ["STRING", {"default": "ComfyUI", "tooltip": _PREFIX_HELP}],
        },
        returns=("IMAGE",),
        description="Saves the input images to your ComfyUI output directory.",
    ),
]
