"""Members of a pool that hang, come back, are given up, refuse what others take, or are not there at all."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from mcp_background_job.comfyui import together
from mcp_background_job.comfyui.prompts.uploads import Wish
from mcp_background_job.core.comfyui.batch import BatchStatus
from mcp_background_job.errors import ConfigError, UnreachableError
from mcp_background_job.jobs.manager import JobManager
from tests.comfyui.pools.pool_support import Pool, pool, settings_of, soon
from tests.comfyui_simulator import png
from tests.comfyui_simulator.nodes import graphs

pytestmark = [pytest.mark.real_process, pytest.mark.requirement("comfyui.pool")]


async def _both_are_full(home: Pool, gates: Path) -> tuple[str, dict[int, list[str]]]:
    """Make a batch whose prompts have gates of their own; returns which of them are at which ComfyUI."""
    await asyncio.to_thread(gates.mkdir)
    batch_id = await home.create_of([graphs.gated(gates / f"{number}") for number in range(4)])
    await soon(lambda: all(place.ledger.total("submitted") == 2 for place in home.places), "two are at each")
    return batch_id, {place.port: list(place.ledger.count("submitted")) for place in home.places}


async def test_what_a_silent_member_has_is_unknown_and_runs_nowhere_else_until_it_answers_again(
    tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    async with pool(tmp_path, state_dir, manager) as home:
        batch_id, there = await _both_are_full(home, tmp_path / "gates")
        silent, other = home.places
        os.kill(silent.simulator.pid, signal.SIGSTOP)
        try:
            for number in range(4):
                (tmp_path / "gates" / f"{number}").touch()
            view = await home.until(batch_id, lambda view: len(view.unknown) == view.counts.may_run == 2, "two unknown")
            assert sorted(one.prompt_id for one in view.unknown) == sorted(there[silent.port])
            await home.until(batch_id, lambda view: silent.simulator.url in view.trouble, "the trouble names it")
            assert other.ledger.total("began") == 2
        finally:
            os.kill(silent.simulator.pid, signal.SIGCONT)
        assert (await home.over(batch_id)).status is BatchStatus.SUCCEEDED
        assert sorted(home.events("began").values()) == [1] * 4


async def test_what_is_given_up_runs_elsewhere_and_is_taken_out_where_it_was(
    tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    gates = tmp_path / "gates"
    async with pool(tmp_path, state_dir, manager) as home:
        batch_id, there = await _both_are_full(home, gates)
        silent, other = home.places
        numbers = {row.prompt_id: row.position for row in home.rows(batch_id)}
        ran, waited = there[silent.port]
        os.kill(silent.simulator.pid, signal.SIGSTOP)
        try:
            view = await home.comfyui.batches.give_up(batch_id, by="test")
            assert all(prompt_id in view.detail for prompt_id in (ran, waited))
            for prompt_id in there[other.port]:
                (gates / f"{numbers[prompt_id]}").touch()
            await soon(lambda: other.ledger.count("submitted").keys() >= {ran, waited}, "the other has them")
        finally:
            os.kill(silent.simulator.pid, signal.SIGCONT)
        await soon(lambda: silent.ledger.count("deleted")[waited] == 1, "what waits there is taken out")
        for number in range(4):
            (gates / f"{number}").touch()
        assert (await home.over(batch_id)).status is BatchStatus.SUCCEEDED
        assert home.events("began")[waited] == 1, "only what already ran where it was given up runs twice"


async def test_what_one_member_refuses_another_takes_and_what_all_refuse_says_why_of_each(
    tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    async with pool(tmp_path, state_dir, manager) as home:
        picture = tmp_path / "only-here.png"
        picture.write_bytes(png.picture("here"))
        [uploaded] = await home.comfyui.uploads.upload([picture], Wish())
        of_it = graphs.from_image(uploaded.name)
        taken = await home.create_of([of_it, graphs.with_output(of_it)])
        view = await home.over(taken)
        assert (view.status, view.counts.succeeded) == (BatchStatus.SUCCEEDED, 2), view
        assert home.places[1].ledger.total("began") == 0
        refused = await home.create_of([graphs.from_image("nowhere.png")])
        view = await home.over(refused)
        assert view.status is BatchStatus.FAILED
        assert all(place.simulator.url in view.failures[0].reason for place in home.places)


async def test_a_member_that_is_down_from_the_start_is_named_and_the_others_do_the_work(
    tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    async with pool(tmp_path, state_dir, manager) as home:
        away, other = home.places
        await asyncio.to_thread(away.kill)
        view = await home.over(await home.create(graphs.sleeping(0.01), 3))
        assert (view.status, other.ledger.total("ended")) == (BatchStatus.SUCCEEDED, 3)
        found = {status.url: status.trouble is None for status in await together.statuses(home.comfyui)}
        assert found == {away.simulator.url: False, other.simulator.url: True}
        assert (await together.least_full(home.comfyui)).endpoint.url == other.simulator.url
        await asyncio.to_thread(other.kill)
        with pytest.raises(UnreachableError, match="none of the 2 ComfyUIs answers"):
            await together.least_full(home.comfyui)
        waiting = await home.create(graphs.sleeping(0.01), 1)
        await home.until(waiting, lambda view: "none of the 2 ComfyUIs takes prompts" in view.trouble, "all are down")
        await home.comfyui.batches.cancel(waiting, by="test")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"urls": "127.0.0.1:8188, http://localhost:8188/"}, "names http://127.0.0.1:8188 twice"),
        ({"urls": "http://a:1 http://b:2", "url": "http://a:1"}, "are both set"),
        ({"urls": "http://a:1 ftp://b"}, "ftp://b"),
        ({"url": "job:jzzzzz"}, "no job of this id is a ComfyUI on a node"),
    ],
)
def test_addresses_that_make_no_pool_are_refused_in_a_sentence(
    given: dict[str, str], told: str, state_dir: str, manager: JobManager
) -> None:
    del state_dir
    with pytest.raises(ConfigError, match=told):
        settings_of(manager, **given)


async def test_a_wedged_member_is_taken_out_and_what_it_runs_is_run_by_no_other(
    tmp_path: Path, state_dir: str, manager: JobManager
) -> None:
    async with pool(tmp_path, state_dir, manager) as home:
        several = [graphs.sys_exit(), *(graphs.sleeping(0.05 + number / 1000) for number in range(5))]
        batch_id = await home.create_of(several, prompt_timeout_s=1.0)
        view = await home.until(batch_id, lambda view: "is wedged" in view.trouble, "its verdict is told")
        wedged = next(place for place in home.places if place.simulator.url in view.trouble)
        view = await home.until(batch_id, lambda view: view.counts.succeeded == 5, "the other does the rest")
        [stuck] = [row.prompt_id for row in home.rows(batch_id) if row.position == 0]
        assert (view.counts.running, home.events("began")[stuck]) == (1, 1)
        assert wedged.ledger.count("began")[stuck] == 1
        assert sorted(home.events("ended").values()) == [1] * 5
