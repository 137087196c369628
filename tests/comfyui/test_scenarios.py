"""The scenarios of daily use: against the simulator, and against a real ComfyUI where one is named.

``COMFYUI_URL`` names a server that runs, ``COMFYUI_DIR`` a checkout that is started and stopped here, or
``COMFYUI_COMMAND`` what starts one on ``$COMFYUI_PORT``. Without a graphics card ``COMFYUI_ARGS=--cpu``. The nodes are
of ComfyUI's core and need no model. Nothing of a server that is named by its URL is restarted.
"""

from __future__ import annotations

import asyncio
import dataclasses
import math
import os
import random
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest

from mcp_background_job.app import build_comfyui
from mcp_background_job.comfyui.batches.batch_view import BatchView
from mcp_background_job.comfyui.batches.making import items_of
from mcp_background_job.comfyui.control import ComfyUI
from mcp_background_job.comfyui.outputs.preview import preview_of
from mcp_background_job.comfyui.prompts.cancel_plan import Verdict
from mcp_background_job.comfyui.prompts.graphs import workflow
from mcp_background_job.comfyui.prompts.submit import Submitted
from mcp_background_job.comfyui.wire.node_outputs import OutputFile
from mcp_background_job.config import load_comfyui_settings
from mcp_background_job.core.comfyui.batch import TERMINAL, BatchStatus
from mcp_background_job.jobs.manager import JobManager
from tests.comfyui_simulator.nodes import graphs
from tests.comfyui_simulator.process import Simulator, free_port
from tests.patience import PATIENCE_S

#: A real one loads its libraries, and a prompt of its may wait for a graphics card.
_REAL_PATIENCE_S = 50.0

#: With its libraries on a slow disk, and others at work, it takes minutes until it listens.
_START_S = PATIENCE_S * 4

#: Enough work that a cancel comes in the middle of it; a longer chain is too deep for ComfyUI's validation.
_MANY = 100

#: A step is to take about so long on the machine at hand: an interrupt is heard between two.
_STEP_S = 0.5

#: Sides of the picture by which the machine is measured, and of the largest and smallest that is blurred.
_TRIAL, _SMALLEST, _LARGEST = 512, 64, 8192

pytestmark = pytest.mark.real_process


@dataclasses.dataclass
class _Server:
    """A server under test.

    Attributes:
        control: what is tested.
        long: makes a workflow that takes long and looks at interrupts.
        may_restart: it is ours to restart.
    """

    control: ComfyUI
    long: Callable[[], dict[str, Any]]
    may_restart: bool


def _picture(prefix: str = "mcp-background-job-test") -> dict[str, Any]:
    return {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": os.getpid()}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": prefix}},
    }


def _blurs(many: int, side: int) -> dict[str, Any]:
    graph = _picture()
    graph["1"]["inputs"] |= {"width": side, "height": side}
    for number in range(many):
        source = str(number + 9) if number else "1"
        inputs = {"image": [source, 0], "blur_radius": 31, "sigma": 5.0}
        graph[str(number + 10)] = {"class_type": "ImageBlur", "inputs": inputs}
    graph["2"]["inputs"]["images"] = [str(many + 9), 0]
    return graph


async def _blurred(control: ComfyUI) -> Submitted:
    graph = _blurs(4, _TRIAL)
    graph["1"]["inputs"]["color"] = random.randrange(1 << 24)  # noqa: S311  another picture is not in the cache
    return await control.submitter.submit(workflow.of_api(graph), wait_s=_REAL_PATIENCE_S)


async def _side_for(control: ComfyUI) -> int:
    """Return how large a picture has to be for its blurring to take long enough here, and not too long."""
    await _blurred(control)  # loads what the node needs
    submitted = await _blurred(control)
    assert submitted.prompt is not None
    assert submitted.prompt.finished is not None, submitted.prompt
    finished = submitted.prompt.finished
    assert finished.started_at is not None
    assert finished.ended_at is not None
    step_s = (finished.ended_at - finished.started_at) / 4
    return min(_LARGEST, max(_SMALLEST, int(_TRIAL * math.sqrt(_STEP_S / step_s))))


def _missing() -> str | None:
    names = ("COMFYUI_URL", "COMFYUI_DIR", "COMFYUI_COMMAND")
    return None if any(map(os.environ.get, names)) else " or ".join(names)


_live = pytest.param(
    "live",
    marks=[pytest.mark.live, pytest.mark.skipif(_missing() is not None, reason=f"no real ComfyUI: set {_missing()}")],
)


@pytest.fixture(autouse=True)
def own_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let what a real one leaves in its temporary directory go with the test's."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))


@pytest.fixture(params=["new", "old", _live])
async def server(request: pytest.FixtureRequest, manager: JobManager) -> AsyncGenerator[_Server]:
    if request.param != "live":
        with Simulator.start("--version", request.param, anew=True) as simulator:
            control = build_comfyui(manager, load_comfyui_settings(url=simulator.url, dir=None))
            yield _Server(control, lambda: graphs.stepped(1000, 0.1), may_restart=True)
            await control.lifecycle.stop(client="test", force=True)
            await control.close()
        return
    url = os.environ.get("COMFYUI_URL")
    control = build_comfyui(manager, load_comfyui_settings(**({} if url else {"port": free_port()})))
    if not url:
        assert (await control.lifecycle.start(client="test", wait_s=_START_S)).status == "started"
    try:
        side = await _side_for(control)
        yield _Server(control, lambda: _blurs(_MANY, side), may_restart=not url)
    finally:
        if not url:
            await control.lifecycle.stop(client="test", force=True)
        await control.close()


async def _submit(server: _Server, graph: dict[str, Any], wait_s: float = 0.0) -> str:
    submitted = await server.control.submitter.submit(workflow.of_api(graph), wait_s=wait_s)
    assert submitted.prompt is not None, submitted.refused
    return submitted.prompt_id


async def _status_of(server: _Server, prompt_id: str, wait_s: float = _REAL_PATIENCE_S) -> str:
    return (await server.control.submitter.wait(prompt_id, wait_s)).status


async def test_a_server_tells_what_it_is_and_that_nothing_runs(server: _Server) -> None:
    status = await server.control.status()
    assert status.trouble is None
    assert status.stats is not None
    assert status.stats.version.startswith("0.")
    assert status.running == status.pending == ()


async def test_a_render_is_submitted_and_its_output_named(server: _Server) -> None:
    submitted = await server.control.submitter.submit(workflow.of_api(_picture()), wait_s=_REAL_PATIENCE_S)
    assert submitted.prompt is not None
    assert submitted.prompt.status == "completed"
    finished = submitted.prompt.finished
    assert finished is not None
    (file,) = finished.outputs
    assert isinstance(file, OutputFile)
    assert Path(file.filename).name.startswith("mcp-background-job-test")


async def test_an_output_is_downloaded_once_and_shown(server: _Server, tmp_path: Path) -> None:
    prompt_id = await _submit(server, _picture("mcp-background-job-test/sub/picture"), wait_s=_REAL_PATIENCE_S)
    for is_new in (True, False):
        downloaded = await server.control.downloader.download([(prompt_id, "tea")], tmp_path / "out")
        [file] = downloaded.files
        assert (downloaded.missed, file.is_new) == ([], is_new)
    assert file.path.parent == tmp_path / "out/tea/mcp-background-job-test/sub"
    assert file.path.read_bytes().startswith(b"\x89PNG")
    preview = await preview_of(server.control.endpoint, [file.wanted.file])
    assert (preview.mime_type, preview.trouble) == ("image/webp", "")


async def test_a_workflow_that_cannot_run_is_refused_with_the_node_at_fault(server: _Server) -> None:
    graph = _picture()
    del graph["2"]["inputs"]["images"]
    refused = await server.control.submitter.submit(workflow.of_api(graph))
    assert refused.prompt is None
    assert [error.node_id for error in refused.node_errors] == ["2"]


async def test_the_running_render_is_cancelled_and_the_next_one_runs(server: _Server) -> None:
    long = await _submit(server, server.long(), wait_s=1.0)
    following = await _submit(server, _picture("mcp-background-job-test-next"))

    cancelled = await server.control.canceller.cancel(None)

    assert (cancelled.verdict, cancelled.prompt_id) == (Verdict.CANCELLED, long)
    assert await _status_of(server, long) == "cancelled"
    assert await _status_of(server, following) == "completed"


async def test_a_pending_render_is_taken_out_and_the_running_one_left(server: _Server) -> None:
    long = await _submit(server, server.long(), wait_s=1.0)
    pending = await _submit(server, _picture("mcp-background-job-test-pending"))

    cancelled = await server.control.canceller.cancel_pending(pending)

    assert cancelled.verdict is Verdict.CANCELLED
    assert await _status_of(server, pending) == "cancelled"
    assert await _status_of(server, long, 0.0) == "in_progress"
    assert (await server.control.canceller.cancel(long)).verdict is Verdict.CANCELLED


async def test_a_restart_carries_over_what_waits_and_names_what_is_lost(server: _Server) -> None:
    if not server.may_restart:
        pytest.skip("the server is named by COMFYUI_URL, and so not ours to restart")
    long = await _submit(server, server.long(), wait_s=1.0)
    pending = await _submit(server, _picture("mcp-background-job-test-carried"))

    outcome = await server.control.lifecycle.restart(client="test", force=True, requeue="pending", wait_s=_START_S)

    assert outcome.status == "restarted"
    assert outcome.requeued == {pending: pending}
    assert outcome.lost == (long,)
    assert await _status_of(server, pending) == "completed"
    assert await _status_of(server, long) == "lost_to_restart"


async def _over(server: _Server, batch_id: str) -> BatchView:
    view = await server.control.batches.wait(batch_id, _REAL_PATIENCE_S)
    assert view.status in TERMINAL, view
    return view


async def test_a_batch_of_renders_runs_to_its_end(server: _Server) -> None:
    colors = [os.getpid() + number for number in range(1, 4)]
    items = items_of([workflow.of_api(_picture())], {"1.inputs.color": colors}, "product")
    made = await server.control.batches.create(items, note="colors", client="test")

    view = await _over(server, made.batch.batch_id)

    assert (view.status, view.counts.succeeded) == (BatchStatus.SUCCEEDED, 3)
    among = await server.control.among(None, made.batch.batch_id, "")
    listing = await server.control.catalogue.list(among=among, limit=10)
    assert [(row.prompt.status, row.outputs) for row in listing.rows] == [("completed", 1)] * 3


async def test_a_batch_is_canceled_with_the_render_that_runs(server: _Server) -> None:
    items = items_of([workflow.of_api(server.long()) for _ in range(3)], {}, "product")
    view = await server.control.batches.create(items, client="test")
    batch_id = view.batch.batch_id
    async with asyncio.timeout(_REAL_PATIENCE_S):
        while not view.running:
            await asyncio.sleep(0.1)
            view = await server.control.batches.view(batch_id)

    canceled = await server.control.batches.cancel(batch_id, by="test", interrupt=True)

    assert (canceled.mode, canceled.running, canceled.unknown) == ("immediate", (), ())
    view = await _over(server, batch_id)
    assert view.status is BatchStatus.CANCELED
    assert view.counts.canceled == 3
    assert canceled.pending == 2


async def test_a_session_remembers_what_was_rendered_in_it(server: _Server) -> None:
    session = await server.control.sessions.new("test", "/test")
    submitted = await server.control.submitter.submit(
        workflow.of_api(_picture()), note="one", wait_s=_REAL_PATIENCE_S, session_id=session.session_id
    )
    items = items_of([workflow.of_api(_picture())], {"1.inputs.color": [7, 8]}, "product")
    made = await server.control.batches.create(items, client="test", session_id=session.session_id)
    await _over(server, made.batch.batch_id)

    among = await server.control.among("test", None, "/test")
    listing = await server.control.catalogue.list(among=among, limit=10)

    assert submitted.prompt_id in {row.prompt.prompt_id for row in listing.rows}
    assert [row.prompt.status for row in listing.rows] == ["completed"] * 3
