"""Memory is let go of when nothing runs, and else behind what does."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcp_background_job.comfyui.prompts import freeing
from mcp_background_job.comfyui.reports.report import of_freed
from tests.comfyui.prompts.cancel_support import VERSIONS, controlled
from tests.comfyui_simulator.nodes import graphs
from tests.patience import WAIT_S

pytestmark = pytest.mark.real_process


@pytest.mark.parametrize("version", VERSIONS)
async def test_what_is_held_between_prompts_is_let_go_of(version: str, tmp_path: Path) -> None:
    async with controlled(tmp_path, "--version", version) as (control, _):
        await control.submit(graphs.output(), wait_s=WAIT_S)
        freed = of_freed(await freeing.free(control.client))
        assert freed["status"] == "freed"
        assert freed["vram"] > freed["vram_before"]


async def test_behind_a_prompt_that_runs_it_is_only_noted(tmp_path: Path) -> None:
    async with controlled(tmp_path) as (control, _):
        prompt_id = await control.submit_running(graphs.stepped(600, 0.1))
        freed = of_freed(await freeing.free(control.client))
        assert freed["status"] == "noted"
        assert prompt_id in freed["detail"]
        await control.cancel(prompt_id)
