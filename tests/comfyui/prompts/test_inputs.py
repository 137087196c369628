"""What one prompt has made is the input of another: by its name at the server, or by a copy where that is not taken."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from mcp_background_job.comfyui.prompts.graphs import workflow
from mcp_background_job.comfyui.prompts.graphs.overrides import expand
from mcp_background_job.comfyui.prompts.graphs.references import Reference, references_in
from mcp_background_job.errors import InputPendingError, WorkflowError
from tests.comfyui.outputs.download_support import Site, site_of
from tests.comfyui.talk import ask
from tests.comfyui_simulator.nodes import graphs
from tests.comfyui_simulator.nodes.graphs import Graph
from tests.comfyui_simulator.process import Simulator


def made_of(simulator: Simulator, content: bytes) -> int:
    """Return how many pictures were made of this one."""
    told = f"made of {sha256(content).hexdigest()}".encode()
    return sum(told in path.read_bytes() for path in simulator.output_directory.glob("made_*.png"))


async def refused(site: Site, graph: Graph) -> str:
    return (await site.control.submitter.submit(workflow.of_api(graph))).refused


@pytest.mark.real_process
@pytest.mark.requirement("comfyui.inputs.outputs")
async def test_an_output_is_an_input_by_its_name_by_a_copy_and_from_another_server(tmp_path: Path) -> None:
    async with site_of(tmp_path) as site:
        source = await site.run(
            graphs.files(
                graphs.file("draft.png", folder="temp", text="draft"),
                graphs.file("a.png", subfolder="x", text="first"),
                graphs.file("b.png", text="second"),
                graphs.showing({"text": ["words.png"]}),
            )
        )
        await site.run(graphs.from_image({"from": source}))
        await site.run(graphs.from_image({"from": source, "node": 3, "index": 0}))
        await site.run(graphs.from_image({"from": source, "node": "1"}, picked=True))
        assert [made_of(site.simulator, text) for text in (b"first", b"second", b"draft")] == [1, 1, 1]
        inputs = site.simulator.output_directory.with_name("input")
        assert [path.name for path in inputs.iterdir()] == ["draft.png"], "copied where the name alone is not taken"
        # A text is an input as well.
        (inputs / "words.png").write_bytes(b"third")
        await site.run(graphs.from_image({"from": source, "node": "4"}))
        assert made_of(site.simulator, b"third") == 1
        assert "has left 1 files of node 2" in await refused(
            site, graphs.from_image({"from": source, "node": "2", "index": 1})
        )
        assert "has left 0 files" in await refused(
            site, graphs.from_image({"from": "00000000-0000-4000-8000-000000000000"})
        )
        assert "this prompt belongs to none" in await refused(site, graphs.from_image({"from": "previous"}))
        assert len(ask(site.simulator, "GET", "/queue").json["queue_pending"]) == 0


@pytest.mark.real_process
async def test_what_has_not_ended_is_not_taken_from_and_nothing_is_submitted(tmp_path: Path) -> None:
    async with site_of(tmp_path) as site:
        source = await site.control.submit_running(graphs.gated(tmp_path / "gate"))
        with pytest.raises(InputPendingError, match=f"prompt {source}, whose output it takes, has not ended"):
            await site.control.submitter.submit(workflow.of_api(graphs.from_image({"from": source})))
        assert [one.prompt_id for one in site.control.journal.newest(site.control.client.endpoint.url, 9)] == [source]
        (tmp_path / "gate").touch()


@pytest.mark.parametrize(
    "value",
    [
        {"from": 7},
        {"from": "a", "node": 1.5},
        {"from": "a", "index": -1},
        {"from": "a", "index": "0"},
        {"from": "a", "file": "b.png"},
        {"from": None},
    ],
)
def test_a_reference_that_is_not_written_as_it_has_to_be_is_refused(value: Any) -> None:
    with pytest.raises(WorkflowError, match=r'input image of node 1: write \{"from": PROMPT_ID'):
        workflow.of_api(graphs.from_image(value))
    with pytest.raises(WorkflowError, match=r'input image of node 1: write \{"from": PROMPT_ID'):
        expand(graphs.from_image("a.png"), {"1.inputs.image": [value]}, "product", limit=9)


def test_references_are_found_and_other_objects_are_left_alone() -> None:
    graph = graphs.from_image({"from": "a", "node": 9}) | {"3": graphs.node("SimStepped", steps={"to": 1})}
    assert list(references_in(graph)) == [Reference("1", "image", "a", "9")]
