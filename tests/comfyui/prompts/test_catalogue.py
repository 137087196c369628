"""Prompts in one list, from queue, history and journal; a list that cannot be whole says so."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mcp_background_job.comfyui.prompts.catalogue import Among
from mcp_background_job.comfyui.reports import queue_report
from mcp_background_job.comfyui.wire.trouble import Trouble
from mcp_background_job.core.comfyui.session import Session, Tracked
from mcp_background_job.core.comfyui.submission import End
from mcp_background_job.errors import InvalidRequestError
from tests.comfyui.prompts.cancel_support import VERSIONS
from tests.comfyui.prompts.list_support import listed, until_over, until_runs
from tests.comfyui.talk import submit
from tests.comfyui_simulator.nodes import graphs
from tests.comfyui_simulator.process import Simulator
from tests.patience import TEST_S

pytestmark = pytest.mark.real_process


async def _strange(simulator: Simulator, graph: graphs.Graph) -> str:
    return await asyncio.to_thread(submit, simulator, graph)


@pytest.mark.requirement("comfyui.jobs.one_list")
@pytest.mark.parametrize("version", VERSIONS)
async def test_queue_history_and_journal_are_one_list_in_the_order_in_which_people_look(
    tmp_path: Path, version: str
) -> None:
    async with listed(tmp_path, "--version", version) as (lists, simulator):
        theirs_done = await _strange(simulator, graphs.output())
        await until_over(simulator, theirs_done)
        done = await lists.run(graphs.output(), note="a cat")
        failed = await lists.run(graphs.raising("no such thing"))
        refused = await lists.submit(graphs.load_checkpoint("nowhere.safetensors"))
        runs = await lists.submit(graphs.sleeping(200))
        await until_runs(simulator, runs)
        first = await lists.submit(graphs.output())
        theirs = await _strange(simulator, graphs.output())
        last = await lists.submit(graphs.output())
        lists.waiting("w0", "w1")

        rows = {row.prompt.prompt_id: row for row in (await lists.list()).rows}
        assert [(name, row.prompt.status) for name, row in rows.items()] == [
            (runs, "in_progress"),
            (first, "pending"),
            (theirs, "pending"),
            (last, "pending"),
            ("w0", "pending"),
            ("w1", "pending"),
            (refused, "failed"),
            (failed, "failed"),
            (done, "completed"),
            (theirs_done, "completed"),
        ]
        assert [rows[name].prompt.position for name in (first, theirs, last, "w0")] == [1, 2, 3, None]
        assert (rows[done].outputs, rows[theirs_done].outputs, rows[failed].outputs) == (1, 1, 0)
        assert rows[failed].cause == "node 1 SimRaise: RuntimeError: no such thing"
        assert rows[refused].cause.startswith("the server refused it: node 1 SimLoadCheckpoint: Value not in list")
        assert {name for name, row in rows.items() if row.cause} == {failed, refused}
        told = {job["prompt_id"]: job for job in queue_report.of_listing(await lists.list())["jobs"]}
        assert ("ended_at" in told[failed], "age" in told[failed]) == (True, False)
        assert ("ended_at" in told[refused], "age" in told[refused]) == (False, True)
        for name in (theirs_done, done, failed):
            began, at = rows[name].began, rows[name].at
            assert began is not None
            assert at is not None
            assert 0 <= at - began < TEST_S
        submission = rows[done].prompt.submission
        assert submission is not None
        assert submission.note == "a cat"
        # Asked again it says the same, though all ends are known by now.
        assert await lists.told() == [(name, row.prompt.status) for name, row in rows.items()]


@pytest.mark.requirement("comfyui.jobs.one_list")
async def test_the_list_is_narrowed_to_statuses(tmp_path: Path) -> None:
    async with listed(tmp_path) as (lists, simulator):
        done = await lists.run(graphs.output())
        failed = await lists.run(graphs.raising())
        runs = await lists.submit(graphs.sleeping(200))
        await until_runs(simulator, runs)
        waits = await lists.submit(graphs.output())
        lists.waiting("w0")
        lists.journal.withdraw("w0", at=2.0)

        assert await lists.told("in_progress") == [(runs, "in_progress")]
        assert await lists.told("pending") == [(waits, "pending")]
        assert await lists.told("completed") == [(done, "completed")]
        assert await lists.told("failed") == [(failed, "failed")]
        assert await lists.told("cancelled") == [("w0", "cancelled")]
        assert await lists.told("completed", "failed") == [(failed, "failed"), (done, "completed")]
        assert await lists.told("lost_to_restart") == await lists.told("unknown") == []


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_long_queue_leaves_room_for_what_ended(tmp_path: Path, version: str) -> None:
    async with listed(tmp_path, "--version", version) as (lists, simulator):
        done = [await lists.run(graphs.output()) for _ in range(3)]
        runs = await lists.submit(graphs.sleeping(200))
        await until_runs(simulator, runs)
        for _ in range(5):
            await lists.submit(graphs.output())

        assert await lists.told("completed", limit=2) == [(done[2], "completed"), (done[1], "completed")]
        # The history alone does not know them any more.
        await lists.history.clear(keep=0)
        assert await lists.told("completed", limit=2) == [(done[2], "completed"), (done[1], "completed")]


async def test_a_list_is_cut_at_its_limit_and_says_that_there_is_more(tmp_path: Path) -> None:
    async with listed(tmp_path) as (lists, simulator):
        runs = await _strange(simulator, graphs.sleeping(200))
        await until_runs(simulator, runs)
        waiting = [await _strange(simulator, graphs.output()) for _ in range(4)]
        lists.waiting("w0", "w1", "w2")

        whole = [runs, *waiting, "w0", "w1", "w2"]
        for limit in (1, 3, 5, 6, 7, 8, 9):
            listing = await lists.list(limit=limit)
            assert [row.prompt.prompt_id for row in listing.rows] == whole[:limit]
            assert listing.more == (limit < len(whole)), limit


@pytest.mark.requirement("comfyui.session.tracked")
async def test_the_list_of_a_session_has_what_it_tracks_whoever_submitted_it(tmp_path: Path) -> None:
    async with listed(tmp_path) as (lists, simulator):
        lists.sessions.create(Session(session_id="s1", name="cats", created_at=1.0, directory="/"))
        ours = await lists.run(graphs.output(), session_id="s1", note="a cat")
        await lists.run(graphs.output())
        theirs = await _strange(simulator, graphs.raising())
        await until_over(simulator, theirs)
        lists.sessions.track("s1", [Tracked(prompt_id=theirs, queued_at=9e9), Tracked(prompt_id="x", queued_at=1.0)])

        assert dict(await lists.told(session_id="s1")) == {theirs: "failed", ours: "completed", "x": "unknown"}
        assert await lists.told("failed", session_id="s1") == [(theirs, "failed")]
        assert await lists.told(session_id="s2") == []
        assert [one.row.prompt.prompt_id for one in await lists.errors(session_id="s1")] == [theirs]


async def test_the_list_of_a_batch_has_its_prompts_in_their_order_and_none_besides(tmp_path: Path) -> None:
    async with listed(tmp_path) as (lists, _):
        await lists.run(graphs.output())
        lists.waiting("w2", "w0", "w1")
        lists.waiting("v0", batch_id="b2")

        assert await lists.told(batch_id="b1") == [("w2", "pending"), ("w0", "pending"), ("w1", "pending")]
        assert await lists.told(batch_id="b3") == []


@pytest.mark.requirement("comfyui.unreachable")
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_dead_server_leaves_what_had_not_ended_unknown_and_never_an_empty_list(
    tmp_path: Path, version: str
) -> None:
    async with listed(tmp_path, "--version", version) as (lists, simulator):
        done = await lists.run(graphs.output(), session_id="s1")
        runs = await lists.submit(graphs.sleeping(200), session_id="s1")
        waits = await lists.submit(graphs.output())
        lists.waiting("w0")
        lists.sessions.track("s1", [Tracked(prompt_id="theirs", queued_at=1.0)])
        simulator.stop()

        listing = await lists.list()
        assert listing.trouble is not None
        assert listing.trouble.trouble is Trouble.REFUSED
        told = {row.prompt.prompt_id: (row.prompt.status, row.prompt.reason) for row in listing.rows}
        assert told == {
            done: ("completed", ""),
            runs: ("unknown", "unreachable: refused"),
            waits: ("unknown", "unreachable: refused"),
            "w0": ("pending", "batch b1 has yet to send it"),
        }
        for status in ("in_progress", "pending", "completed", "failed", "unknown"):
            rows = (await lists.list(status)).rows
            assert {runs, waits} <= {row.prompt.prompt_id for row in rows}, "they may be that"
        of_session = (await lists.list(session_id="s1")).rows
        assert {row.prompt.prompt_id for row in of_session} == {done, runs, "theirs"}


async def test_a_dead_server_has_no_errors_but_those_that_are_known(tmp_path: Path) -> None:
    async with listed(tmp_path) as (lists, simulator):
        failed = await lists.run(graphs.raising())
        await lists.submit(graphs.sleeping(200))
        simulator.stop()

        explained, trouble = await lists.catalogue.errors(among=Among(), limit=5)
        assert trouble is not None
        assert [one.row.prompt.prompt_id for one in explained] == [failed]
        assert explained[0].failure is not None
        assert explained[0].failure.exception_type == "RuntimeError"


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_broken_history_is_said_and_what_the_journal_knows_is_listed(tmp_path: Path, version: str) -> None:
    async with listed(tmp_path, "--version", version) as (lists, simulator):
        done = await lists.run(graphs.output())
        broken = await _strange(simulator, graphs.bad_ui())
        runs = await lists.submit(graphs.sleeping(200))
        await until_runs(simulator, runs)

        listing = await lists.list()
        told = [(row.prompt.prompt_id, row.prompt.status) for row in listing.rows]
        if version == "new":  # which lists its prompts by a second way
            assert listing.trouble is None
            assert told == [(runs, "in_progress"), (broken, "completed"), (done, "completed")]
        else:
            assert listing.trouble is not None
            assert listing.trouble.trouble is Trouble.HISTORY
            assert told == [(runs, "in_progress"), (done, "completed")]


@pytest.mark.requirement("comfyui.errors.missing")
@pytest.mark.parametrize("version", VERSIONS)
async def test_errors_are_told_with_all_that_is_known_newest_first(tmp_path: Path, version: str) -> None:
    async with listed(tmp_path, "--version", version) as (lists, simulator):
        said = "Model in folder 'loras' with filename 'SDXL/x.safetensors' not found."
        await lists.run(graphs.output())
        theirs = await _strange(simulator, graphs.out_of_memory())
        await until_over(simulator, theirs)
        ours = await lists.run(graphs.raising(said, "FileNotFoundError"))
        unknown_node = await lists.submit(graphs.with_output(graphs.single("NoSuchNode")))
        no_model = await lists.submit(graphs.load_checkpoint("nowhere.safetensors"))
        # Whatever the server forgets, what is ours stays explained.
        await lists.history.clear(keep=0)

        first, second, third = await lists.errors()
        assert [one.row.prompt.prompt_id for one in (first, second, third)] == [no_model, unknown_node, ours]
        assert first.missing.models == ("nowhere.safetensors",)
        assert first.refused is not None
        assert [error.kind for error in first.refused.node_errors] == ["value_not_in_list"]
        assert second.missing.nodes == ("NoSuchNode",)
        assert third.missing.models == ("SDXL/x.safetensors",)
        assert third.failure is not None
        assert (third.failure.node_id, third.failure.node_type) == ("1", "SimRaise")
        assert third.failure.traceback
        assert [one.row.prompt.prompt_id for one in await lists.errors(limit=1)] == [no_model]


async def test_errors_of_strangers_are_told_while_the_server_knows_them(tmp_path: Path) -> None:
    async with listed(tmp_path) as (lists, simulator):
        theirs = await _strange(simulator, graphs.out_of_memory())
        await until_over(simulator, theirs)

        [explained] = await lists.errors()
        assert explained.row.prompt.prompt_id == theirs
        assert explained.failure is not None
        assert explained.failure.exception_type == "torch.OutOfMemoryError"


async def test_ids_come_in_the_order_of_the_batch_or_session_all_of_them(tmp_path: Path) -> None:
    async with listed(tmp_path) as (lists, _):
        names = [f"w{(place * 7) % 100}" for place in range(100)]
        lists.waiting(*names)
        lists.journal.ended(["w7"], End.COMPLETED, at=5.0)
        lists.sessions.track("s1", [Tracked(prompt_id=name, queued_at=1.0 * at) for at, name in enumerate("cab")])

        assert [name for name, _ in await lists.catalogue.ids(Among(batch_id="b1"))] == names
        assert [name for name, _ in await lists.catalogue.ids(Among(session_id="s1"))] == ["c", "a", "b"]


async def test_a_broken_history_is_no_trouble_where_the_journal_knows_all(tmp_path: Path) -> None:
    async with listed(tmp_path, "--version", "old") as (lists, simulator):
        lists.waiting("w0", "w1")
        await _strange(simulator, graphs.bad_ui())
        await until_over(simulator, await _strange(simulator, graphs.output()))
        assert (await lists.list()).trouble is not None
        assert await lists.told(batch_id="b1") == [("w0", "pending"), ("w1", "pending")]


@pytest.mark.parametrize(
    ("statuses", "limit", "said"),
    [
        (("running",), 5, "status 'running': give some of pending, in_progress, completed, failed, cancelled"),
        (("failed", "b", "a"), 5, "status 'a, b': give some of "),
        ((), 0, "limit=0: at least 1"),
        ((), -3, "limit=-3: at least 1"),
    ],
)
async def test_what_cannot_be_listed_is_refused(
    tmp_path: Path, statuses: tuple[str, ...], limit: int, said: str
) -> None:
    async with listed(tmp_path) as (lists, _):
        with pytest.raises(InvalidRequestError) as refusal:
            await lists.list(*statuses, limit=limit)
        assert said in str(refusal.value)
