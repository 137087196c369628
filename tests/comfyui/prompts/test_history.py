"""The history is cleared down to its newest entries, after what it says of our prompts was journalled."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

import pytest

from mcp_background_job.comfyui.prompts.catalogue import Among
from mcp_background_job.comfyui.prompts.history import Cleared
from mcp_background_job.comfyui.reports import queue_report
from mcp_background_job.comfyui.wire.trouble import Trouble
from mcp_background_job.core.comfyui.submission import End
from mcp_background_job.errors import InvalidRequestError, UnreachableError
from tests.comfyui.prompts.cancel_support import VERSIONS, queued
from tests.comfyui.prompts.list_support import Lists, listed, until_over
from tests.comfyui.talk import ask, submit
from tests.comfyui_simulator.nodes import graphs
from tests.comfyui_simulator.process import Simulator
from tests.patience import until

pytestmark = pytest.mark.real_process


def _there(simulator: Simulator) -> set[str]:
    """Return what the server itself has in its history."""
    return set(ask(simulator, "GET", "/history").json)


async def _fill(lists: Lists, simulator: Simulator) -> list[str]:
    """Let prompts of ours and of others end; returns their ids, oldest first."""
    theirs = await asyncio.to_thread(submit, simulator, graphs.output())
    await until_over(simulator, theirs)
    failed = await lists.run(graphs.with_output(graphs.raising("no such thing")))
    done = await lists.run(graphs.output(), note="a cat")
    newest = await lists.run(graphs.output())
    assert _there(simulator) == {theirs, failed, done, newest}
    return [theirs, failed, done, newest]


@pytest.mark.requirement("comfyui.history.cleared")
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("keep", "cleared"),
    [
        (0, Cleared(removed=4, kept=0, journalled=3)),
        (1, Cleared(removed=3, kept=1, journalled=2)),
        (3, Cleared(removed=1, kept=3, journalled=0)),
        (4, Cleared(removed=0, kept=4, journalled=0)),
        (50, Cleared(removed=0, kept=4, journalled=0)),
    ],
)
async def test_the_newest_entries_stay_and_the_rest_is_gone(
    tmp_path: Path, version: str, keep: int, cleared: Cleared
) -> None:
    async with listed(tmp_path, "--version", version) as (lists, simulator):
        prompts = await _fill(lists, simulator)

        assert await lists.history.clear(keep=keep) == cleared
        assert _there(simulator) == set(prompts[max(0, len(prompts) - keep) :])


@pytest.mark.requirement("comfyui.history.cleared")
@pytest.mark.requirement("comfyui.journal.results")
@pytest.mark.parametrize("version", VERSIONS)
async def test_what_is_ours_stays_known_with_outputs_and_errors(tmp_path: Path, version: str) -> None:
    async with listed(tmp_path, "--version", version) as (lists, simulator):
        theirs, failed, done, _ = await _fill(lists, simulator)
        before = {name: await lists.prompts.get(name) for name in (failed, done)}
        await lists.history.clear(keep=0)
        after = {name: await lists.prompts.get(name) for name in (failed, done, theirs)}

        for name in (failed, done):
            assert (after[name].status, after[name].finished) == (before[name].status, before[name].finished)
        finished = after[done].finished
        assert finished is not None
        assert [file.kind for file in finished.outputs] == ["images"]
        kept = after[failed].finished
        assert kept is not None
        assert kept.failure is not None
        assert kept.failure.message == "no such thing"
        assert kept.failure.traceback
        assert after[theirs].status == "unknown"


async def test_an_end_that_nobody_had_read_is_journalled_before_its_entry_is_removed(tmp_path: Path) -> None:
    async with listed(tmp_path) as (lists, simulator):
        name = await lists.run(graphs.output())
        known = lists.journal.get(name)
        assert known is not None
        # As after a restart of this program in the middle of the render.
        other = await asyncio.to_thread(submit, simulator, graphs.output())
        open_one: dict[str, Any] = {
            "prompt_id": other,
            "end": None,
            "ended_at": None,
            "started_at": None,
            "outputs": None,
        }
        lists.journal.record([dataclasses.replace(known, **open_one)])
        await until_over(simulator, other)
        assert await lists.history.clear(keep=0) == Cleared(removed=2, kept=0, journalled=2)

        found = lists.journal.get(other)
        assert found is not None
        assert (found.end, found.outputs) == (End.COMPLETED, 1)
        assert lists.journal.result(other) is not None


@pytest.mark.parametrize("version", VERSIONS)
async def test_what_runs_and_waits_goes_on(tmp_path: Path, version: str) -> None:
    async with listed(tmp_path, "--version", version) as (lists, simulator):
        runs = await lists.submit(graphs.gated(tmp_path / "gate"))
        waits = await lists.submit(graphs.output())
        assert await lists.history.clear(keep=0) == Cleared(removed=0, kept=0, journalled=0)
        (tmp_path / "gate").touch()
        await until_over(simulator, waits)

        # In any order: both may end in the same millisecond.
        assert sorted(await lists.told("completed")) == sorted([(waits, "completed"), (runs, "completed")])


async def test_a_negative_number_to_keep_is_refused_and_nothing_is_removed(tmp_path: Path) -> None:
    async with listed(tmp_path) as (lists, simulator):
        done = await lists.run(graphs.output())
        with pytest.raises(InvalidRequestError, match="keep=-1: give 0 or more"):
            await lists.history.clear(keep=-1)

        assert _there(simulator) == {done}


async def _broken(lists: Lists, simulator: Simulator) -> tuple[str, str, str]:
    """Have three prompts end, of which the middle one breaks the history; without a websocket, or all would end."""
    first = await lists.run(graphs.output())
    broken = await asyncio.to_thread(submit, simulator, graphs.bad_ui())
    last = await asyncio.to_thread(submit, simulator, graphs.output())

    async def is_over() -> bool:
        return not queued(simulator)

    await until(is_over, "all are over")
    assert ask(simulator, "GET", "/history").status == 500
    return first, broken, last


@pytest.mark.requirement("comfyui.history.cleared")
@pytest.mark.parametrize(("version", "removed"), [("new", 3), ("old", None)])
async def test_an_entry_that_breaks_the_history_is_cleared_all_the_same(
    tmp_path: Path, version: str, removed: int | None
) -> None:
    async with listed(tmp_path, "--version", version) as (lists, simulator):
        first, _, _ = await _broken(lists, simulator)
        cleared = await lists.history.clear(keep=0)
        assert (cleared.removed, cleared.kept) == (removed, 0)
        assert _there(simulator) == set()
        assert (await lists.prompts.get(first)).status == "completed"


async def test_the_newest_entries_stay_where_a_newer_server_can_list_them(tmp_path: Path) -> None:
    async with listed(tmp_path) as (lists, simulator):
        _, _, last = await _broken(lists, simulator)
        assert await lists.history.clear(keep=1) == Cleared(removed=2, kept=1, journalled=1)
        assert _there(simulator) == {last}


async def test_which_entries_an_old_server_would_keep_cannot_be_known_and_nothing_is_removed(tmp_path: Path) -> None:
    async with listed(tmp_path, "--version", "old") as (lists, simulator):
        _, _, last = await _broken(lists, simulator)
        with pytest.raises(UnreachableError, match="keep=0") as told:
            await lists.history.clear(keep=1)
        assert told.value.trouble is Trouble.HISTORY
        assert ask(simulator, "GET", "/history?max_items=1").json.keys() == {last}


@pytest.mark.parametrize(("version", "known"), [("new", "all"), ("old", "ours")])
async def test_a_server_whose_history_is_broken_is_not_called_unreachable(
    tmp_path: Path, version: str, known: str
) -> None:
    async with listed(tmp_path, "--version", version) as (lists, simulator):
        first, broken, last = await _broken(lists, simulator)
        listing = await lists.catalogue.list(among=Among(), limit=10)
        report = queue_report.of_listing(listing)
        assert "reachable" not in report
        statuses = {row["prompt_id"]: row["status"] for row in report["jobs"]}
        assert statuses == dict.fromkeys([first, *([broken, last] if known == "all" else [])], "completed")
        assert ("comfyui_clear_history" in report.get("detail", "")) == (known == "ours")
        assert "reachable" not in queue_report.of_errors(*await lists.catalogue.errors(among=Among(), limit=5))


@pytest.mark.requirement("comfyui.unreachable")
async def test_a_dead_server_is_an_error_and_no_empty_history(tmp_path: Path) -> None:
    async with listed(tmp_path) as (lists, simulator):
        simulator.stop()
        with pytest.raises(UnreachableError):
            await lists.history.clear(keep=0)
