"""What prompts have made, as a browser loads it: what is a picture, and nothing that could run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from mcp_background_job.actions.house import House
from mcp_background_job.actions.opening import at_hand
from mcp_background_job.comfyui.outputs.pictures import reference_of
from mcp_background_job.comfyui.prompts.graphs import workflow
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.web.parts import page_app
from tests.comfyui.lifecycle.lifecycle_support import Control, control_of
from tests.comfyui_simulator.nodes import graphs
from tests.comfyui_simulator.process import Simulator
from tests.patience import PATIENCE_S
from tests.web.requests import ORIGIN, PORT

pytestmark = pytest.mark.real_process

PAGE = "<!doctype html><script>alert(1)</script>"
DRAWING = "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"


@dataclass
class Pictures:
    """A browser that was let in, and the ComfyUI whose files it asks for."""

    client: httpx2.AsyncClient
    control: Control
    simulator: Simulator

    async def make(self, graph: graphs.Graph) -> tuple[str, str]:
        """Render; returns the id of the prompt, and what the page calls its first file."""
        submitted = await self.control.comfyui.submitter.submit(workflow.of_api(graph), wait_s=PATIENCE_S)
        made = await self.control.comfyui.pictures.made_by(submitted.prompt_id)
        return submitted.prompt_id, reference_of(made.outputs[0])

    async def get(self, prompt_id: str, ref: str, **more: Any) -> httpx2.Response:
        return await self.client.get("/api/picture", params={"prompt": prompt_id, "ref": ref, **more})


@pytest.fixture
async def pictures(manager: JobManager) -> AsyncGenerator[Pictures]:
    with await asyncio.to_thread(Simulator.start, "--startup-delay", "0") as simulator:
        async with control_of(manager, simulator.port) as control:
            house = House(manager, at_hand(control.comfyui), _no_runs)
            app, _, sessions = page_app(house, "secret", PORT, read_only=True)
            async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=ORIGIN) as client:
                await client.get("/enter", params={"code": sessions.new_code()})
                yield Pictures(client, control, simulator)


async def _no_runs() -> Any:
    raise AssertionError("no run is looked at")


async def test_a_picture_comes_as_it_is_and_small_as_the_server_shrinks_it(pictures: Pictures) -> None:
    made = await pictures.make(graphs.output())
    whole, small = await pictures.get(*made), await pictures.get(*made, small=1)
    assert whole.content == (pictures.simulator.output_directory / "simulated_00001_.png").read_bytes()
    assert (whole.headers["content-type"], small.headers["content-type"]) == ("image/png", "image/webp")
    for answer in (whole, small):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in answer.headers["content-security-policy"]
        assert "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.requirement("page.files")
@pytest.mark.parametrize("content", [PAGE, DRAWING, "%PDF-1.7", ""])
@pytest.mark.parametrize("name", ["cat.webp", "cat.svg"])
async def test_what_is_no_picture_is_not_shown_whatever_its_name(pictures: Pictures, content: str, name: str) -> None:
    made = await pictures.make(graphs.file(name, text=content))
    answer = await pictures.get(*made)
    assert answer.status_code == 415
    assert answer.headers["content-type"].startswith("text/plain")
    assert content == "" or content not in answer.text


@pytest.mark.requirement("page.files")
async def test_only_what_a_prompt_has_made_is_given_out(pictures: Pictures) -> None:
    made, ref = await pictures.make(graphs.output())
    other, _ = await pictures.make(graphs.output(text="other", filename_prefix="other"))
    (pictures.simulator.output_directory / "secret.png").write_bytes(b"\x89PNG\r\n\x1a\nsecret")
    for asked in ((other, ref), (made, ""), (made, "secret.png"), (made, "../secret.png"), ("", ref), ("nobody", ref)):
        answer = await pictures.get(*asked)
        assert answer.status_code in (404, 502), asked
        assert "secret" not in answer.headers.get("content-type", "")
        assert answer.headers["content-type"].startswith("text/plain")


async def test_a_file_that_is_gone_is_said_to_be(pictures: Pictures) -> None:
    made = await pictures.make(graphs.output())
    (pictures.simulator.output_directory / "simulated_00001_.png").unlink()
    assert (await pictures.get(*made)).status_code == 404
    within = await pictures.client.get(
        "/api/picture", params=dict(zip(("prompt", "ref"), made, strict=True)), headers={"sec-fetch-dest": "image"}
    )
    assert (within.status_code, within.content) == (204, b"")


async def test_any_file_is_saved_and_none_is_opened(pictures: Pictures) -> None:
    made, ref = await pictures.make(graphs.file("page.html", text=PAGE))
    headers = {"mcp-bg-page": "1", "origin": ORIGIN}
    call = {"action": "download", "args": {"name": "comfyui_file", "args": {"prompt_id": made, "ref": ref}}}
    found = (await pictures.client.post("/api/call", json=call, headers=headers)).json()["facts"]
    assert found["name"] == "page.html"
    answer = await pictures.client.get(found["path"])
    assert answer.text == PAGE
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["content-type"] == "application/octet-stream"
