"""The server's facts about itself: /system_stats and /features."""

import sys
from typing import Any

_GIB = 1024**3
MAX_UPLOAD = 104_857_600


def system_stats(*, new: bool, old_interrupt: bool = False, is_freed: bool = False) -> dict[str, Any]:
    system: dict[str, Any] = {
        "os": "linux" if new else "posix",
        "ram_total": 24 * _GIB,
        "ram_free": 20 * _GIB,
        "comfyui_version": "0.3.56" if old_interrupt else "0.33.0" if new else "0.3.64",
        "required_frontend_version": "1.49.6" if new else "1.27.10",
        "installed_templates_version": "0.11.44",
        "required_templates_version": "0.11.44" if new else "0.1.95",
    }
    if new:
        package = {"name": "comfyui-frontend-package", "installed": "1.49.6", "required": "1.49.6"}
        system["comfy_package_versions"] = [package]
    system |= {"python_version": sys.version, "pytorch_version": "2.13.0+cu130", "embedded_python": False}
    if new:
        system["deploy_environment"] = "local-git"
    return {"system": system | {"argv": sys.argv}, "devices": [_device(is_freed=is_freed)]}


def _device(*, is_freed: bool) -> dict[str, Any]:
    return {
        "name": "cuda:0 Simulated GPU : cudaMallocAsync",
        "type": "cuda",
        "index": 0,
        "vram_total": 24 * _GIB,
        "vram_free": (23 if is_freed else 22) * _GIB,
        "torch_vram_total": 2 * _GIB,
        "torch_vram_free": 1 * _GIB,
    }


def features(*, new: bool) -> dict[str, Any]:
    if not new:
        return {"supports_preview_metadata": True, "max_upload_size": MAX_UPLOAD}
    return {
        "supports_preview_metadata": True,
        "supports_model_type_tags": True,
        "max_upload_size": MAX_UPLOAD,
        "extension": {"manager": {"supports_v4": True}},
        "node_replacements": True,
        "assets": False,
    }
