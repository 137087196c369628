"""Prompts of one batch that take what earlier ones of it have made."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from mcp_background_job.core.comfyui.batch import BatchStatus
from mcp_background_job.jobs.manager import JobManager
from tests.comfyui.batches.batch_support import house
from tests.comfyui.talk import entry
from tests.comfyui_simulator.nodes import graphs

pytestmark = pytest.mark.real_process


@pytest.mark.requirement("comfyui.inputs.outputs")
async def test_a_prompt_waits_for_the_one_it_takes_from_and_others_go_before_it(
    tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    async with house(tmp_path, state_dir, manager) as home:
        first = graphs.chain(graphs.gated(home.gate), graphs.file("first.png", text="first"))
        chain = [first, graphs.from_image({"from": "previous"}), graphs.from_image({"from": "#2", "node": "2"})]
        chained = await home.create_of(chain, max_queued=3)
        other = await home.create(3)
        rows = home.rows(chained)
        await home.until_ledger("began", 1)
        assert [row.stage for row in rows[1:]] == ["waiting", "waiting"]
        home.gate.touch()
        assert (await home.over(chained)).status is BatchStatus.SUCCEEDED
        assert (await home.over(other)).status is BatchStatus.SUCCEEDED
        folder = home.place.simulator.output_directory
        made = [entry(home.place.simulator, row.prompt_id)["outputs"]["2"]["images"][0]["filename"] for row in rows[1:]]
        assert f"made of {sha256(b'first').hexdigest()}".encode() in (folder / made[0]).read_bytes()
        second = sha256((folder / made[0]).read_bytes()).hexdigest()
        assert f"made of {second}".encode() in (folder / made[1]).read_bytes()


async def test_what_takes_from_a_prompt_that_failed_fails_with_that(
    tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    async with house(tmp_path, state_dir, manager) as home:
        chain = [graphs.raising(), graphs.from_image({"from": "previous"}), graphs.from_image({"from": "#4"})]
        batch_id = await home.create_of(chain)
        view = await home.over(batch_id)
        assert view.status is BatchStatus.FAILED
        reasons = [row.reason for row in home.rows(batch_id)]
        assert "deliberate failure" in reasons[1]
        assert "not an earlier prompt of its batch" in reasons[2]
