"""Kinds of nodes of a made-up server, as ``/object_info`` has them."""

from typing import Any


def _kind(
    name: str,
    required: dict[str, Any],
    outputs: tuple[str, ...] = (),
    *,
    optional: dict[str, Any] | None = None,
    category: str = "made up",
) -> dict[str, Any]:
    groups = {"required": required, "optional": optional or {}}
    return {
        "input": groups,
        "input_order": {group: list(specs) for group, specs in groups.items()},
        "output": list(outputs),
        "output_is_list": [False] * len(outputs),
        "output_name": list(outputs),
        "name": name,
        "display_name": f"The {name}",
        "description": "",
        "python_module": "nodes",
        "category": category,
        "output_node": not outputs,
    }


_SEED = ["INT", {"default": 0, "min": 0, "max": 2**63, "control_after_generate": True}]
_SIDE = ["INT", {"default": 512, "min": 16, "max": 16384, "step": 8}]
_TEXT = ["STRING", {"multiline": True, "dynamicPrompts": True}]

_SIZES: list[Any] = [
    {"key": "square", "inputs": {"required": {"side": _SIDE}}},
    {"key": "free", "inputs": {"required": {"width": _SIDE, "height": _SIDE}, "optional": {"like": ["IMAGE", {}]}}},
]

OBJECT_INFO: dict[str, Any] = {
    one["name"]: one
    for one in (
        _kind("LoadModel", {"name": [["small.safetensors", "large.safetensors"], {}]}, ("MODEL", "CLIP", "VAE")),
        _kind("Words", {"text": _TEXT, "clip": ["CLIP", {}]}, ("CONDITIONING",)),
        _kind("Blank", {"width": _SIDE, "height": _SIDE}, ("LATENT",)),
        _kind(
            "Sampler",
            {
                "model": ["MODEL", {}],
                "seed": _SEED,
                "steps": ["INT", {"default": 20, "min": 1, "max": 10000}],
                "cfg": ["FLOAT", {"default": 8.0, "min": 0.0, "max": 100.0, "step": 0.1}],
                "sampler_name": [["euler", "heun"], {}],
                "positive": ["CONDITIONING", {}],
                "latent_image": ["LATENT", {}],
            },
            ("LATENT",),
            optional={"denoise": ["FLOAT", {"default": 1.0}]},
        ),
        _kind("Decode", {"samples": ["LATENT", {}], "vae": ["VAE", {}]}, ("IMAGE",)),
        _kind("Blur", {"image": ["IMAGE", {}], "radius": ["INT", {"default": 3}]}, ("IMAGE",)),
        _kind("Mask", {"mask": ["MASK", {}], "image": ["IMAGE", {}]}, ("IMAGE", "MASK")),
        _kind("OldSeed", {"noise_seed": ["INT", {"default": 1}], "loud": ["BOOLEAN", {"default": False}]}, ("NOISE",)),
        _kind(
            "Pick",
            {"name": ["COMBO", {"options": ["a", "b", "c"], "control_after_generate": True}], "n": ["INT", {}]},
            ("STRING",),
        ),
        _kind(
            "Forced", {"a": ["INT", {"forceInput": True}], "b": ["INT", {"default": 2}], "c": ["STRING", {}]}, ("INT",)
        ),
        _kind("LoadImage", {"image": [["cat.png"], {"image_upload": True}]}, ("IMAGE", "MASK")),
        _kind("LoadMade", {"image": [["cat.png"], {"image_upload": True, "image_folder": "output"}]}, ("IMAGE",)),
        _kind(
            "Sized",
            {"size": ["COMFY_DYNAMICCOMBO_V3", {"options": _SIZES}], "after": ["INT", {"default": 7}]},
            ("IMAGE",),
        ),
        _kind("Photo", {"image": ["WEBCAM", {}], "width": ["INT", {"default": 0}]}, ("IMAGE",)),
        _kind("SaveImage", {"images": ["IMAGE", {}], "filename_prefix": ["STRING", {"default": "made"}]}),
        _kind("Tell", {"value": ["*", {}]}),
    )
}
