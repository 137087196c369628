"""What a server has is found by words, and what is missing has its nearest named."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_background_job.comfyui.prompts.diagnosis import Missing
from mcp_background_job.comfyui.prompts.inventory import Inventory, near_in
from mcp_background_job.comfyui.reports import inventory_report
from mcp_background_job.comfyui.wire.node_types import NodeTypes
from mcp_background_job.comfyui.wire.trouble import Trouble
from mcp_background_job.errors import InvalidRequestError, UnreachableError
from tests.comfyui.workflows.kinds import OBJECT_INFO

FOLDERS = {"checkpoints": ["sdxl/base_1.0.safetensors", "flux.safetensors"], "loras": ["Ink.safetensors"]}
SAMPLER: dict[str, Any] = {
    "input": {"required": {"sampler_name": [["euler", "euler_ancestral", "heun"]], "scheduler": [["simple", "karras"]]}}
}
TYPES = NodeTypes({**OBJECT_INFO, "KSampler": SAMPLER})


class Server:
    """Answers as a client of a server does that has these."""

    async def model_folders(self) -> list[str]:
        return list(FOLDERS)

    async def models(self, folder: str) -> list[str]:
        return FOLDERS[folder]

    async def node_types(self, _name: str = "") -> NodeTypes:
        return TYPES


class Silent(Server):
    async def node_types(self, _name: str = "") -> NodeTypes:
        raise UnreachableError("nobody", trouble=Trouble.SILENT)


def inventory(server: Server | None = None) -> Inventory:
    return Inventory(server or Server())  # pyright: ignore[reportArgumentType]  it has what is called


async def test_models_of_all_folders_are_found_with_their_folders() -> None:
    found = await inventory().models(None, "SAFE ink", 40)
    assert found.names == ("loras/Ink.safetensors",)


async def test_models_of_a_folder_are_named_as_workflows_name_them() -> None:
    assert (await inventory().models("checkpoints", "base", 40)).names == ("sdxl/base_1.0.safetensors",)


@pytest.mark.parametrize(("kind", "names"), [("samplers", ("euler", "euler_ancestral")), ("schedulers", ())])
async def test_samplers_and_schedulers_are_kinds(kind: str, names: tuple[str, ...]) -> None:
    assert (await inventory().models(kind, "eule", 40)).names == names


async def test_what_is_not_found_has_its_nearest() -> None:
    found = await inventory().models(None, "flox", 40)
    assert (found.names, found.near) == ((), ("checkpoints/flux.safetensors",))


async def test_of_many_only_some_are_told_and_how_many_more() -> None:
    found = await inventory().models("samplers", "", 2)
    assert inventory_report.of_models(found) == {"models": ["euler", "euler_ancestral"], "more": 1}


async def test_a_kind_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(InvalidRequestError, match="checkpoints, loras, samplers, schedulers"):
        await inventory().models("lora", "", 40)


async def test_nodes_are_found_by_name_title_and_category_the_best_name_first() -> None:
    assert (await inventory().nodes("loadmodel", 40)).kinds[0].name == "LoadModel"
    assert [kind.name for kind in (await inventory().nodes("the mask", 40)).kinds] == ["Mask"]
    assert len((await inventory().nodes("made up", 3)).kinds) == 3


async def test_a_node_that_is_not_there_has_its_nearest() -> None:
    assert (await inventory().nodes("LoadModle", 40)).near[0] == "LoadModel"


def test_a_node_is_told_with_what_its_inputs_take() -> None:
    kind = TYPES.get("Sampler")
    assert kind is not None
    told = inventory_report.of_node(kind)
    assert told["inputs"]["sampler_name"] == "one of euler, heun"
    assert told["inputs"]["steps"] == "INT, from 1, to 10000, default 20"
    assert told["inputs"]["denoise"] == "FLOAT, default 1.0, optional"
    assert told["outputs"] == ["LATENT"]


def test_what_is_missing_has_its_nearest_whatever_folder_it_is_in() -> None:
    near = near_in(TYPES, Missing(models=("sd/Smal.safetensors", "zzz.gguf"), nodes=("Samplr",)))
    assert {name: names[0] for name, names in near.names.items()} == {
        "Samplr": "Sampler",
        "sd/Smal.safetensors": "small.safetensors",
    }


async def test_what_is_missing_is_told_without_its_nearest_where_the_server_is_silent() -> None:
    assert (await inventory(Silent()).near(Missing(nodes=("Samplr",)))).names == {}
