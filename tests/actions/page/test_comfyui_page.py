"""What the page of ComfyUI is told: queue, progress, previews, what was made, and what a restart would cost."""

from __future__ import annotations

import asyncio
import contextlib
from base64 import b64decode
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mcp_background_job.actions.action import Facts
from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.opening import Opened, at_hand
from mcp_background_job.actions.page.comfyui import Look, LookAtPrompt, Prompts, Queue, RestartAgreed, Stake
from mcp_background_job.actions.page.gallery import Gallery, Pictures, Show, Watch
from mcp_background_job.actions.page.previews import Previews
from mcp_background_job.actions.page.previews import Watch as WatchPrompt
from mcp_background_job.comfyui.control import ComfyUI
from mcp_background_job.comfyui.process.process import ServerProcess
from mcp_background_job.comfyui.prompts.graphs import workflow
from mcp_background_job.comfyui.wire.endpoint import endpoint_of
from mcp_background_job.core.news import Reader
from mcp_background_job.errors import InvalidRequestError, MissingOutputError, WouldLoseError
from mcp_background_job.jobs.manager import JobManager
from tests.comfyui.lifecycle.lifecycle_support import Control, a_checkout, control_of, end_all_jobs
from tests.comfyui.pools.pool_support import settings_of
from tests.comfyui.prompts.cancel_support import QUICK
from tests.comfyui.prompts.list_support import until_over, until_runs
from tests.comfyui.talk import submit
from tests.comfyui_simulator import png
from tests.comfyui_simulator.nodes import graphs
from tests.comfyui_simulator.process import Simulator
from tests.patience import PATIENCE_S, until

pytestmark = pytest.mark.real_process

PAGE = Caller(client="page@here", directory="/here", project="/here", reader=Reader("page@here"))


@dataclass
class Pages:
    """The looks of a page at the ComfyUI of a simulator."""

    control: Control
    simulator: Simulator
    queue: Queue
    previews: Previews
    gallery: Gallery
    pictures: Pictures
    prompts: Prompts

    async def facts(self) -> Facts:
        seen = await self.queue.look(PAGE, Look(), None)
        assert seen
        return seen.facts

    async def shown(self, **asked: Any) -> Facts:
        seen = await self.gallery.look(PAGE, Watch(**asked), None)
        assert seen
        return seen.facts

    async def run(self, graph: Any, note: str = "") -> str:
        submitted = await self.control.comfyui.submitter.submit(workflow.of_api(graph), note=note, wait_s=PATIENCE_S)
        return submitted.prompt_id


@contextlib.asynccontextmanager
async def pages_of(manager: JobManager, simulator: Simulator) -> AsyncGenerator[Pages]:
    async with control_of(manager, simulator.port) as control:
        opened = at_hand(control.comfyui)
        queue = Queue(opened)
        yield Pages(
            control, simulator, queue, Previews(opened), Gallery(opened, queue), Pictures(opened), Prompts(opened)
        )


@pytest.fixture
async def pages(manager: JobManager) -> AsyncGenerator[Pages]:
    with await asyncio.to_thread(Simulator.start, *QUICK) as simulator:
        async with pages_of(manager, simulator) as made:
            yield made


async def test_the_queue_is_told_with_notes_ages_and_owners(pages: Pages, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    runs = await pages.control.submit(graphs.gated(gate), "a cat")
    await until_runs(pages.simulator, runs)
    waits = await pages.control.submit(graphs.output(), "a dog")
    theirs = await asyncio.to_thread(submit, pages.simulator, graphs.output())

    facts = await pages.facts()
    assert facts["reachable"]
    assert facts["paused"] is False
    [running] = facts["running"]
    assert (running["prompt_id"], running["note"], running["nodes"]) == (runs, "a cat", 1)
    assert [(row["prompt_id"], row["position"], row.get("note")) for row in facts["pending"]] == [
        (waits, 1, "a dog"),
        (theirs, 2, None),
    ]
    assert "client" not in facts["pending"][1]
    assert all(row["submitted_at"] for row in facts["pending"])

    seen = await pages.queue.look(PAGE, Look(), None)
    assert seen
    assert await pages.queue.look(PAGE, Look(), seen.cursor) is None, "nothing has changed"
    gate.touch()
    await until_over(pages.simulator, theirs)
    async with pages.queue.keep(PAGE, Look()):
        await until(lambda: _differs(pages, seen.cursor), "the queue is empty")


async def _differs(pages: Pages, cursor: Any) -> bool:
    seen = await pages.queue.look(PAGE, Look(), cursor)
    return seen is not None and seen.facts["running"] == seen.facts["pending"] == []


async def test_a_page_hears_of_a_change_of_the_queue_by_whomever(pages: Pages) -> None:
    async with pages.queue.keep(PAGE, Look()):
        seen = await pages.queue.look(PAGE, Look(), None)
        assert seen
        waiting = asyncio.create_task(pages.queue.changed(pages.queue.changes, PATIENCE_S))
        await asyncio.to_thread(submit, pages.simulator, graphs.output())
        await waiting
        assert pages.queue.changes > 1


async def test_pages_share_a_connection_which_the_last_one_closes(pages: Pages) -> None:
    async def is_heard() -> bool:
        return pages.queue.changes > 0

    async with pages.queue.keep(PAGE, Look()):
        await until(is_heard, "the queue is heard of")
        async with pages.queue.keep(PAGE, Look()):
            assert pages.queue.changes > 0
        assert pages.queue.changes > 0, "one page is left"
        seen = pages.queue.changes
        waiting = asyncio.create_task(pages.queue.changed(seen, PATIENCE_S))
        await asyncio.to_thread(submit, pages.simulator, graphs.output())
        await waiting
    assert pages.queue.changes == 0


async def test_each_node_is_told_by_name_with_the_newest_preview(pages: Pages, tmp_path: Path) -> None:
    named = {"class_type": "SimOutput", "inputs": {"text": "x", "filename_prefix": "y", "after": ["1", 0]}}
    graph = graphs.previewing(tmp_path, steps=2) | {"57:9": named | {"_meta": {"title": "Save <b>it</b>"}}}
    async with pages.previews.keep(PAGE, WatchPrompt(prompt_id="any")):
        runs = await pages.control.submit(graph)
        watch = WatchPrompt(prompt_id=runs)
        cursor: Any = None

        async def shows(step: int) -> bool:
            nonlocal cursor
            seen = await pages.previews.look(PAGE, watch, cursor)
            if seen is None:
                return False
            cursor, preview = seen.cursor, seen.facts.get("preview")
            if preview is None or b64decode(preview["image"].partition(",")[2]) != png.stage(step, 2):
                return False
            running, waits = seen.facts["nodes"]
            assert running == {"id": "1", "name": "SimPreviewing", "state": "running", "step": step, "steps": 2}
            assert waits == {"id": "57:9", "name": "Save <b>it</b>", "kind": "SimOutput", "state": "waiting"}
            return preview["node"] == "1"

        await until(lambda: shows(1), "the first preview")
        waiting = asyncio.create_task(pages.previews.wait(PAGE, watch, cursor))
        (tmp_path / "1").touch()
        await waiting
        await until(lambda: shows(2), "the second one")
        (tmp_path / "2").touch()
        await until_over(pages.simulator, runs)


async def test_what_was_made_is_shown_with_the_right_node_and_nothing_else_is(pages: Pages) -> None:
    made = await pages.run(graphs.with_output(graphs.stepped(1, 0.0)), "a cat")
    failed = await pages.run(graphs.raising("no such thing"), "a dog")
    theirs = await asyncio.to_thread(submit, pages.simulator, graphs.files(graphs.text("words"), graphs.output()))
    await until_over(pages.simulator, theirs)

    rows = {row["prompt_id"]: row for row in (await pages.shown())["prompts"]}
    [file] = rows[made]["outputs"]
    assert (file["node"], file["name"], file["file"]) == ("9", "SimOutput", "simulated_00001_.png")
    assert rows[failed]["cause"] == "node 1 SimRaise: RuntimeError: no such thing"
    assert rows[theirs]["outputs"][0]["name"] == "SimOutput"
    assert rows[theirs]["shown"][0]["text"] == "words"

    shown = await pages.pictures.comfyui_page_picture(PAGE, Show(prompt_id=made, ref=file["ref"]))
    assert shown["image"].startswith("data:image/webp;base64,")
    whole = await pages.pictures.comfyui_page_picture(PAGE, Show(prompt_id=made, ref=file["ref"], small=False))
    path = pages.simulator.output_directory / file["file"]
    assert b64decode(whole["image"].partition(",")[2]) == path.read_bytes()
    for prompt_id, ref in ((failed, file["ref"]), (made, "0" * 20), (made, "../simulated_00001_.png")):
        with pytest.raises(MissingOutputError):
            await pages.pictures.comfyui_page_picture(PAGE, Show(prompt_id=prompt_id, ref=ref))


async def test_a_session_is_shown_alone_and_none_is_begun_by_looking(pages: Pages) -> None:
    assert (await pages.shown())["sessions"] == []
    cats = await pages.control.comfyui.sessions.new("cats", "/elsewhere")
    await pages.control.comfyui.sessions.track(cats, made := await pages.run(graphs.output()))
    await pages.run(graphs.output())
    shown = await pages.shown(session=cats.session_id)
    assert [row["prompt_id"] for row in shown["prompts"]] == [made]
    [session] = shown["sessions"]
    assert (session["name"], session["prompts"], session["directory"]) == ("cats", 1, "/elsewhere")


@pytest.mark.parametrize(
    "page", ["<!doctype html><script>alert(1)</script>", "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"]
)
async def test_a_page_with_a_script_is_no_picture_whatever_its_name(pages: Pages, page: str) -> None:
    made = await pages.run(graphs.file("cat.webp", text=page))
    [file] = (await pages.shown())["prompts"][0]["outputs"]
    with pytest.raises(MissingOutputError, match="cannot be shown here"):
        await pages.pictures.comfyui_page_picture(PAGE, Show(prompt_id=made, ref=file["ref"]))


async def test_a_failure_is_told_with_node_and_traceback(pages: Pages) -> None:
    failed = await pages.run(graphs.raising("no such thing", "torch.OutOfMemoryError"), "a dog")
    detail = await pages.prompts.comfyui_page_prompt(PAGE, LookAtPrompt(prompt_id=failed))
    assert detail["note"] == "a dog"
    assert detail["error"]["type"] == "torch.OutOfMemoryError"
    assert (detail["error"]["node_id"], detail["error"]["name"]) == ("1", "SimRaise")
    assert any("_raised" in line for line in detail["error"]["traceback"])


async def test_a_restart_loses_only_what_was_agreed(pages: Pages, tmp_path: Path) -> None:
    runs = await pages.control.submit(graphs.gated(tmp_path / "gate"), "a cat")
    await until_runs(pages.simulator, runs)
    waits = await pages.control.submit(graphs.output(), "a dog")

    stake = await pages.prompts.comfyui_page_stake(PAGE, Stake(requeue="pending"))
    assert stake["lost"] == [runs]
    assert "Lost: “a cat”. Submitted again: “a dog”." in stake["question"]
    assert (await pages.prompts.comfyui_page_stake(PAGE, Stake(requeue="none")))["lost"] == [runs, waits]
    assert (await pages.prompts.comfyui_page_stake(PAGE, Stake(requeue="all")))["lost"] == []
    with pytest.raises(WouldLoseError):
        await pages.prompts.comfyui_page_restart(PAGE, RestartAgreed(requeue="pending", agreed=[]))
    assert (await pages.facts())["running"][0]["prompt_id"] == runs, "nothing was ended"


async def test_of_several_the_one_is_restarted_that_is_named(tmp_path: Path, manager: JobManager) -> None:
    places = [tmp_path / "one", tmp_path / "other"]
    with contextlib.ExitStack() as stack:
        for place in places:
            place.mkdir()
        made = await asyncio.gather(*(asyncio.to_thread(a_checkout, place) for place in places))
        one, other = (stack.enter_context(simulator) for simulator in made)
        comfyui = settings_of(manager, urls=f"{one.url} {other.url}")
        try:
            await _restart_the_other(at_hand(comfyui), one, other)
        finally:
            await comfyui.close()
            await end_all_jobs(manager)


async def _restart_the_other(opened: Opened[ComfyUI], one: Simulator, other: Simulator) -> None:
    prompts = Prompts(opened)
    runs = await asyncio.to_thread(submit, other, graphs.sleeping(300))
    await until_runs(other, runs)
    seen = await Queue(opened).look(PAGE, Look(), None)
    assert seen
    assert set(seen.facts["servers"]) == {one.url, other.url}
    assert [(row["prompt_id"], row["server"]) for row in seen.facts["running"]] == [(runs, other.url)]
    for asked in (Stake(), Stake(server="http://127.0.0.1:1")):
        with pytest.raises(InvalidRequestError, match=f"give one of .*{other.url}"):
            await prompts.comfyui_page_stake(PAGE, asked)
    assert (await prompts.comfyui_page_stake(PAGE, Stake(server=one.url)))["lost"] == []
    stake = await prompts.comfyui_page_stake(PAGE, Stake(server=other.url))
    assert stake["lost"] == [runs]
    assert f"Restart ComfyUI at {other.url}?" in stake["question"]
    before = [await asyncio.to_thread(_started_at, simulator.url) for simulator in (one, other)]
    agreed = RestartAgreed(server=other.url, agreed=stake["lost"])
    assert (await prompts.comfyui_page_restart(PAGE, agreed))["status"] == "restarted"
    after = [await asyncio.to_thread(_started_at, simulator.url) for simulator in (one, other)]
    assert [now == then for now, then in zip(after, before, strict=True)] == [True, False]


def _started_at(url: str) -> float:
    process = ServerProcess.find(endpoint_of(url, "127.0.0.1", 8188))
    assert process
    return process.started_at


async def test_a_server_that_does_not_answer_is_not_an_empty_queue(manager: JobManager) -> None:
    with await asyncio.to_thread(Simulator.start, *QUICK) as simulator:
        async with pages_of(manager, simulator) as pages:
            await until_runs(simulator, await pages.control.submit(graphs.sleeping(300)))
            simulator.stop()
            facts = await pages.facts()
            assert (facts["reachable"], facts["why"]) == (False, "refused")
            assert "another port (“Start ComfyUI”, COMFYUI_URL)" in facts["alerts"][0], "a page has no tools"
            assert "Without an end when it last answered: 1." in facts["alerts"][1]
            assert facts["running"] == [], "not that it is known to run nothing"
            assert "detail" in await pages.shown()
