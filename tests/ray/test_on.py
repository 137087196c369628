"""Ray is a place where its address is set, and nowhere else is anything of it loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mcp_background_job.app import build
from mcp_background_job.config import load_settings
from mcp_background_job.core.states import State
from mcp_background_job.errors import ConfigError, EngineUnreachableError, InvalidRequestError
from mcp_background_job.jobs.request import Changes, StartRequest
from tests.ray.conftest import SpecOf
from tests.ray.fake import TOKEN, FakeRay

_LOADED = """\
import sys
from mcp_background_job.app import build
from mcp_background_job.config import load_settings
build(load_settings()).close()
print([name for name in sys.modules if "executors.ray" in name or "executors.nodes" in name or name == "httpx2"])
"""


@pytest.fixture(autouse=True)
def auto(state_dir: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take what there is for a place, as on a machine that nobody has set up otherwise; without Slurm."""
    del state_dir
    monkeypatch.setenv("MCP_BG_PLACES", "auto")
    monkeypatch.setenv("PATH", "/nowhere")


def test_a_machine_without_ray_loads_nothing_of_it(state_dir: str) -> None:
    del state_dir
    done = subprocess.run([sys.executable, "-c", _LOADED], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_jobs_on_ray_are_seen_although_its_address_is_not_set_any_more(state_dir: str) -> None:
    (Path(state_dir) / "ray").mkdir(parents=True)
    manager = build(load_settings())
    assert manager.places.names == ["local", "ray"]
    manager.close()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"ray_options": "gpu=1"}, "MCP_BG_RAY_OPTIONS"),
        ({"ray_address": "head"}, "MCP_BG_RAY_ADDRESS"),
        ({"ray_address": "http://me:secret@head"}, "MCP_BG_RAY_ADDRESS"),
        ({"places": "rey"}, "MCP_BG_PLACES"),
    ],
)
def test_settings_that_nobody_can_use_are_told_at_once(state_dir: str, settings: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        build(load_settings(**{"state_dir": state_dir, "ray_address": "http://head:8265", **settings}))


async def test_a_place_whose_address_nobody_knows_says_so(state_dir: str) -> None:
    manager = build(load_settings(state_dir=state_dir, places="ray"))
    with pytest.raises(EngineUnreachableError, match="MCP_BG_RAY_ADDRESS"):
        await manager.start(StartRequest(command="true", on="ray"), client="test")
    await manager.places.finish()
    manager.close()


async def test_a_job_has_nothing_of_this_machine_and_a_restart_keeps_its_wishes(
    state_dir: str, ray: FakeRay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONLY_HERE", "yes")
    manager = build(load_settings(state_dir=state_dir, ray_address=ray.address, ray_token=TOKEN))
    with pytest.raises(InvalidRequestError, match="cwd data is relative"):
        await manager.start(StartRequest(command="true", on="ray", cwd="data"), client="test")
    with pytest.raises(InvalidRequestError, match="'nodes=2' cannot be asked of Ray"):
        await manager.start(StartRequest(command="true", on="ray nodes=2"), client="test")
    assert manager.places.discover() == set()
    request = StartRequest(command="true", on="ray  gpus=1", name="a", cwd="/only/there", env={"ASKED": "for"})
    job = (await manager.start(request, client="test")).job
    spec = manager.places.store_of(job.job_id).spec(job.job_id)
    assert spec is not None
    assert (spec.cwd, spec.on) == ("/only/there", "ray gpus=1")
    assert spec.env["ASKED"] == "for"
    assert "ONLY_HERE" not in spec.env
    assert "PATH" not in spec.env
    again = (await manager.restart(job.job_id, Changes(grace_s=0), client="test", reader="")).job
    spec = manager.places.store_of(again.job_id).spec(again.job_id)
    assert spec is not None
    assert (spec.cwd, spec.on, spec.env["ASKED"]) == ("/only/there", "ray gpus=1", "for")
    assert len(ray.submissions) == 2
    assert ray.jobs[ray.submissions[0]]["status"] == "FAILED"  # it waited, and was withdrawn
    assert (await manager.find(again.job_id)).state is State.QUEUED
    with pytest.raises(InvalidRequestError, match="this one would be at local"):
        await manager.start(StartRequest(command="true", after=(again.job_id,)), client="test")
    await manager.places.finish()
    manager.close()


async def test_what_ray_has_no_words_for_is_refused(spec_of: SpecOf, state_dir: str, ray: FakeRay) -> None:
    del spec_of
    manager = build(load_settings(state_dir=state_dir, ray_address=ray.address, ray_token=TOKEN))
    with pytest.raises(InvalidRequestError, match="restart"):
        await manager.start(StartRequest(command="true", on="ray", restart="on-failure"), client="test")
    assert ray.submissions == []
    await manager.places.finish()
    manager.close()
