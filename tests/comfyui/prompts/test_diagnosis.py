"""Missing models and nodes are recognised in what servers say, and nothing else is taken for one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_background_job.comfyui.prompts.diagnosis import Missing, missing_of_failure, missing_of_refusal
from mcp_background_job.comfyui.wire import answers
from mcp_background_job.comfyui.wire.answers import Failure, NodeError, Refused
from tests.comfyui.recordings import FOLDER, VERSIONS, load

#: What the recorded refusals lack; all others lack nothing.
LACKING = {
    "prompt_missing_ckpt": Missing(models=("sd15.safetensors",)),
    "prompt_unknown_class": Missing(nodes=("NoSuchNode",)),
}


def _refusals() -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for version in VERSIONS:
        for file in sorted((FOLDER / version / "prompt").glob("*.json")):
            response = load(version, file.stem)["response"]
            if response["status"] == 400 and "json" in response:
                found.append((version, file.stem))
    return found


@pytest.mark.requirement("comfyui.errors.missing")
@pytest.mark.parametrize(("version", "name"), _refusals())
def test_a_recorded_refusal_lacks_what_it_says(version: str, name: str) -> None:
    refused = answers.refused_of(load(version, name)["response"]["json"])

    assert missing_of_refusal(refused) == LACKING.get(name, Missing())


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["history_node_raise", "history_node_oom"])
def test_a_recorded_exception_lacks_nothing(version: str, name: str) -> None:
    [finished] = answers.history_of(load(version, name)["response"]["json"])

    assert finished.failure
    assert missing_of_failure(finished.failure) == Missing()


# -- refusals ----------------------------------------------------------------------------------------------------------


def _not_in_list(details: str) -> Refused:
    """A refusal as ComfyUI words it."""
    error: Any = {"type": "value_not_in_list", "message": "Value not in list", "details": details, "extra_info": {}}
    return answers.refused_of(
        {
            "error": {"type": "prompt_outputs_failed_validation", "message": "Prompt outputs failed validation"},
            "node_errors": {"4": {"class_type": "CheckpointLoaderSimple", "errors": [error]}},
        }
    )


@pytest.mark.requirement("comfyui.errors.missing")
@pytest.mark.parametrize(
    ("details", "models"),
    [
        ("ckpt_name: 'v1-5-pruned-emaonly-fp16.safetensors' not in []", ["v1-5-pruned-emaonly-fp16.safetensors"]),
        ("ckpt_name: 'v1-5-pruned-emaonly.ckpt' not in ['a.safetensors', 'b.ckpt']", ["v1-5-pruned-emaonly.ckpt"]),
        # More than twenty are not listed.
        ("ckpt_name: 'sd15.safetensors' not in (list of length 57)", ["sd15.safetensors"]),
        ("lora_name: 'SDXL/my style (v2).safetensors' not in []", ["SDXL/my style (v2).safetensors"]),
        ("lora_name: 'SDXL\\add_detail.SAFETENSORS' not in []", ["SDXL\\add_detail.SAFETENSORS"]),
        ("lora_name: 'it's not in style.pt' not in ['a']", ["it's not in style.pt"]),
        ("unet_name: 'flux1-dev-Q4_K_S.gguf' not in []", ["flux1-dev-Q4_K_S.gguf"]),
        ("loras: 'a.safetensors', 'b.safetensors' not in (list of length 30)", ["a.safetensors", "b.safetensors"]),
        ("sampler_name: 'eular' not in ['euler', 'x.pt']", []),
        ("ckpt_name: 'None' not in []", []),
        ("image: 'x.png' not in ['a.safetensors']", []),
    ],
)
def test_a_value_that_is_not_in_the_list_is_a_missing_model_if_it_names_one(details: str, models: list[str]) -> None:
    assert missing_of_refusal(_not_in_list(details)) == Missing(models=tuple(models))


def test_an_error_of_another_kind_names_no_missing_model() -> None:
    error = NodeError("4", "LoadImage", "custom_validation_failed", "Invalid: image: 'x.ckpt' not in []")
    assert missing_of_refusal(Refused("no", (error,))) == Missing()


def test_a_model_that_several_nodes_lack_is_told_once() -> None:
    errors = _not_in_list("ckpt_name: 'a.ckpt' not in []").node_errors * 2
    assert missing_of_refusal(Refused("no", errors)) == Missing(models=("a.ckpt",))


def _unknown_class(**extra_info: Any) -> Refused:
    title = extra_info.get("node_title")
    return answers.refused_of(
        {
            "error": {
                "type": "missing_node_type",
                "message": f"Node '{title}' not found. The custom node may not be installed.",
                "details": "Node ID '#9'",
                "extra_info": {"node_id": "9", **extra_info},
            },
            "node_errors": {},
        }
    )


@pytest.mark.requirement("comfyui.errors.missing")
def test_a_missing_node_is_named_by_its_class_and_not_by_the_title_that_somebody_gave_it() -> None:
    refused = _unknown_class(class_type="VHS_LoadVideoPath", node_title="Video")

    assert missing_of_refusal(refused) == Missing(nodes=("VHS_LoadVideoPath",))
    assert refused.message == (
        "Node 'Video' not found. The custom node may not be installed.: Node ID '#9' (its class is VHS_LoadVideoPath)"
    )
    plain = _unknown_class(class_type="RIFE VFI", node_title="RIFE VFI")
    assert missing_of_refusal(plain) == Missing(nodes=("RIFE VFI",))
    assert "its class" not in plain.message


def test_an_older_server_names_the_class_in_the_sentence() -> None:
    message = "Cannot execute because node Efficient Loader's (v2) does not exist."
    body: Any = {"error": {"type": "invalid_prompt", "message": message, "details": "Node ID '#12'", "extra_info": {}}}
    assert missing_of_refusal(answers.refused_of(body)) == Missing(nodes=("Efficient Loader's (v2)",))


@pytest.mark.parametrize(
    "message",
    [
        "Cannot execute because a node is missing the class_type property.",
        "Node 'ID #1' has no class_type. The workflow may be corrupted or a custom node is missing.",
    ],
)
def test_a_node_without_a_class_is_not_named(message: str) -> None:
    error = {"type": "missing_node_type", "message": message, "extra_info": {"class_type": None}}
    assert missing_of_refusal(answers.refused_of({"error": error})) == Missing()


# -- exceptions --------------------------------------------------------------------------------------------------------

#: Said by ComfyUI, and by libraries that its nodes load models with.
SAID: list[tuple[str, str, list[str]]] = [
    (
        "FileNotFoundError",
        "Model in folder 'checkpoints' with filename 'epicRealism.safetensors' not found.",
        ["epicRealism.safetensors"],
    ),
    (
        "FileNotFoundError",
        r"Model in folder 'checkpoints' with filename 'OfficialStableDiffusion\sd_xl_base_1.0.safetensors' not found.",
        [r"OfficialStableDiffusion\sd_xl_base_1.0.safetensors"],
    ),
    (
        "FileNotFoundError",
        "Model in folder 'loras' with filename 'SDXL/my style.safetensors' not found.",
        ["SDXL/my style.safetensors"],
    ),
    (
        "FileNotFoundError",
        "[Errno 2] No such file or directory: '/opt/ComfyUI/models/sam 2/sam_vit_h.pth'",
        ["sam_vit_h.pth"],
    ),
    (
        "FileNotFoundError",
        r"[Errno 2] No such file or directory: 'C:\\ComfyUI\\models\\vae\\ae.sft'",
        ["ae.sft"],
    ),
    (
        "OSError",
        "Error no file named diffusion_pytorch_model.safetensors found in directory /opt/models/auffusion.",
        ["diffusion_pytorch_model.safetensors"],
    ),
    (
        "OSError",
        "Error no file named pytorch_model.bin, model.safetensors, tf_model.h5 found in directory /opt/models.",
        ["pytorch_model.bin", "model.safetensors"],
    ),
    (
        "OSError",
        "stabilityai/x does not appear to have a file named model.safetensors.",
        ["model.safetensors"],
    ),
    ("Exception", 'cannot find "4x-UltraSharp.pth" in upscale_models', ["4x-UltraSharp.pth"]),
    ("FileNotFoundError", "a.ckpt, then a.ckpt and (b.onnx)", ["a.ckpt", "b.onnx"]),
    ("FileNotFoundError", "[Errno 2] No such file or directory: '/tmp/input/cat.png'", []),
    ("Exception", "IPAdapter model not found.", []),
    # There, and of no use: to fetch it is the wrong advice.
    ("safetensors_rust.SafetensorError", "Error while deserializing header: HeaderTooLarge", []),
    ("RuntimeError", "ERROR: Could not detect model type of: /opt/models/checkpoints/x.safetensors", []),
    ("RuntimeError", "could not load x.safetensors: invalid header", []),
    ("torch.OutOfMemoryError", "Allocation on device 0 while loading x.safetensors", []),
]


@pytest.mark.requirement("comfyui.errors.missing")
@pytest.mark.parametrize(("exception_type", "message", "models"), SAID)
def test_an_exception_about_a_file_that_is_not_there_names_the_model(
    exception_type: str, message: str, models: list[str]
) -> None:
    failure = Failure("4", "CheckpointLoaderSimple", exception_type, message, ())
    assert missing_of_failure(failure) == Missing(models=tuple(models))


@given(st.text(), st.text())
def test_whatever_is_said_is_read(kind: str, message: str) -> None:
    missing_of_failure(Failure("1", "A", kind, message, ()))
    missing_of_refusal(Refused(message, (NodeError("1", "A", "value_not_in_list", message),)))


@pytest.mark.parametrize("text", ["'" * 100_000, "a.pt" * 50_000, "' not in [" * 20_000, "a" * 200_000])
def test_long_messages_cost_no_more_than_their_length(text: str) -> None:
    missing_of_failure(Failure("1", "A", "FileNotFoundError", text, ()))
    missing_of_refusal(Refused(text, (NodeError("1", "A", "value_not_in_list", text),)))
