"""What a prompt was asked to do is shown, and asked for again: as it was, or past the cache."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from mcp_background_job.comfyui.prompts.diagnosis import advice_for
from mcp_background_job.comfyui.prompts.graphs.asked import past_the_cache, texts_in
from mcp_background_job.comfyui.prompts.graphs.workflow import Workflow
from tests.comfyui.prompts.cancel_support import controlled
from tests.comfyui.talk import submit
from tests.comfyui_simulator.nodes import graphs
from tests.patience import until

GRAPH: dict[str, Any] = {
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "a.safetensors"}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a cat", "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncodeFlux", "inputs": {"clip_l": "x", "text_g": "  ", "clip": ["4", 1]}},
    "8": {"class_type": "PrimitiveStringMultiline", "inputs": {"value": "a dog\nin rain"}},
    "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "out", "images": ["5", 0], "positive": ["6", 0]}},
    "10": {"class_type": "PrimitiveInt", "inputs": {"value": 3}},
}


def test_the_texts_are_what_people_have_written() -> None:
    assert texts_in(GRAPH) == {"6.inputs.text": "a cat", "8.inputs.value": "a dog\nin rain"}


def test_past_the_cache_every_node_is_another_one_but_those_that_read_models() -> None:
    again = past_the_cache(Workflow(GRAPH)).graph
    assert again["4"] == GRAPH["4"]
    assert all(again[node]["inputs"].items() > GRAPH[node]["inputs"].items() for node in ("6", "7", "8", "9", "10"))
    assert past_the_cache(Workflow(GRAPH)).graph != again


@pytest.mark.parametrize(
    ("cause", "is_known"),
    [("TypeError: Object of type Tensor is not JSON serializable", True), ("ValueError: not JSON", False), ("", False)],
)
def test_a_ui_that_is_no_json_is_named_as_what_it_is(cause: str, *, is_known: bool) -> None:
    assert ("a fault of ComfyUI" in advice_for(cause)) is is_known


@pytest.mark.real_process
async def test_what_others_submitted_is_shown_and_its_progress_heard_where_the_server_tells_it(tmp_path: Path) -> None:
    async with controlled(tmp_path) as (control, simulator):
        prompt_id = await asyncio.to_thread(submit, simulator, graphs.gated(tmp_path / "gate"))

        async def is_heard() -> bool:
            prompt = await control.prompts.get(prompt_id)
            return prompt.progress is not None and prompt.progress.source == "websocket"

        await until(is_heard, "the progress of a prompt without an owner is heard")
        asked = await control.prompts.asked(prompt_id)
        assert asked.graph["1"]["class_type"] == "SimGated"
        assert asked.extra_data == {}
        (tmp_path / "gate").touch()

        async def is_forgotten() -> bool:
            return control.events.progress_of(prompt_id) is None

        await until(is_forgotten, "what is over is not listened to any more")
        assert (await control.prompts.asked(prompt_id)).graph == asked.graph, "the history has it as well"
