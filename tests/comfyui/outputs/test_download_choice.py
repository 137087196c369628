"""Texts and models as well as files, what cannot be whole, what is only temporary, and what is made so far."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcp_background_job.comfyui.outputs.download import Choice
from mcp_background_job.comfyui.prompts.graphs import workflow
from mcp_background_job.comfyui.reports.output_report import of_download, status_of
from mcp_background_job.comfyui.reports.report import of_prompt
from tests.comfyui.outputs.download_support import Site, site_of
from tests.comfyui.talk import ask
from tests.comfyui_simulator import png
from tests.comfyui_simulator.nodes import graphs
from tests.patience import until

pytestmark = pytest.mark.real_process


@pytest.mark.requirement("comfyui.download.texts")
async def test_texts_and_models_are_told_and_downloaded(tmp_path: Path) -> None:
    async with site_of(tmp_path) as site:
        story = "once upon a time\n" * 100
        model = site.simulator.output_directory / "3d" / "thing.glb"
        model.parent.mkdir(parents=True)
        model.write_bytes(b"glTF\2\0\0\0\x0c\0\0\0")
        prompt_id = await site.run(graphs.text(story) | graphs.model("3d/thing.glb"), note="tale")
        known = of_prompt(await site.control.prompts.get(prompt_id))
        assert known["shown"] == [
            {
                "node": "2",
                "kind": "text",
                "text": story[:1000],
                "cut": "the first 1,000 of 1,700 characters; comfyui_download writes the whole",
            }
        ]
        assert known["outputs"] == [{"node": "7", "kind": "result", "file": "3d/thing.glb", "type": "output"}]
        assert status_of(await site.download(prompt_id)) == "downloaded"
        assert site.tree() == {"tale/3d/thing.glb": model.read_bytes(), "tale/node 2 text.txt": story.encode()}
        again = await site.download(prompt_id)
        assert [file.is_new for file in again.files] == [False, False]
        # What the journal keeps is the whole as well.
        ask(site.simulator, "POST", "/history", {"clear": True})
        assert status_of(await site.download(prompt_id)) == "downloaded"


@pytest.mark.requirement("comfyui.download.sound")
async def test_what_cannot_be_whole_is_not_taken_unless_it_is_forced(tmp_path: Path) -> None:
    async with site_of(tmp_path) as site:
        prompt_id = await _with_bad_files(site)
        downloaded = await site.download(prompt_id)
        assert status_of(downloaded) == "incomplete"
        assert {missed.name: missed.reason for missed in downloaded.missed} == {
            "empty.webm": "the server's copy is incomplete: it is empty",
            "half.png": "the server's copy is incomplete: it ends early, after 40 bytes: a PNG without its end (IEND)",
        }
        assert list(site.tree()) == ["n/whole.png"]
        assert downloaded.complete() == {}
        forced = await site.download(prompt_id, choice=Choice(force=True))
        assert status_of(forced) == "incomplete"
        assert sorted(one["file"] for one in of_download(forced)["broken"]) == ["empty.webm", "half.png"]
        assert sorted(site.tree()) == ["n/empty.webm", "n/half.png", "n/whole.png"]
        # By then the server may have the whole.
        (site.simulator.output_directory / "half.png").write_bytes(png.picture("half no more"))
        assert [missed.name for missed in (await site.download(prompt_id)).missed] == ["empty.webm"]
        assert site.tree()["n/half (2).png"] == png.picture("half no more")


async def _with_bad_files(site: Site) -> str:
    folder = site.simulator.output_directory
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "half.png").write_bytes(png.picture("half")[:40])
    (folder / "empty.webm").write_bytes(b"")
    (folder / "whole.png").write_bytes(png.picture("whole"))
    return await site.run(graphs.listing(("", "half.png"), ("", "empty.webm"), ("", "whole.png")), note="n")


async def test_temporary_previews_are_left_out_and_what_changed_on_the_server_comes_again(tmp_path: Path) -> None:
    async with site_of(tmp_path) as site:
        graph = graphs.files(graphs.file("draft.png", folder="temp"), graphs.file("a.txt", text="one"))
        prompt_id = await site.run(graph, note="n")
        downloaded = await site.download(prompt_id, choice=Choice("output"))
        assert (status_of(downloaded), list(site.tree())) == ("downloaded", ["n/a.txt"])
        (site.simulator.output_directory / "a.txt").write_text("two")
        await site.download(prompt_id, choice=Choice("output"))
        assert list(site.tree()) == ["n/a.txt"]
        await site.download(prompt_id, choice=Choice("output", force=True))
        assert site.tree() == {"n/a.txt": b"one", "n/a (2).txt": b"two"}


async def test_what_a_prompt_has_made_so_far_is_downloaded_while_it_runs(tmp_path: Path) -> None:
    async with site_of(tmp_path) as site:
        gate = tmp_path / "gate"
        graph = graphs.chain(graphs.file("a.txt", text="early"), graphs.gated(gate))
        submitted = await site.control.submitter.submit(workflow.of_api(graph), note="n")
        prompt_id = submitted.prompt_id

        async def has_made() -> bool:
            return bool((await site.control.prompts.get(prompt_id)).so_far.outputs)

        await until(has_made, "the first node has left its file")
        downloaded = await site.download(prompt_id)
        assert site.tree() == {"n/a.txt": b"early"}
        assert [(missed.prompt_id, missed.reason) for missed in downloaded.missed] == [
            (prompt_id, "in_progress: it has not ended, and may make more")
        ]
        assert not downloaded.complete()
        gate.touch()
