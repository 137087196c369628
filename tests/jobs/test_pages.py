"""What pages are told of jobs, and when; none of it moves what anybody was shown."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from mcp_background_job.actions.action import Facts
from mcp_background_job.actions.caller import Caller
from mcp_background_job.actions.page.jobs import listed, search
from mcp_background_job.actions.page.jobs.curves import Curves
from mcp_background_job.actions.page.jobs.following import Following
from mcp_background_job.actions.page.jobs.listed import Jobs, Lists
from mcp_background_job.actions.page.jobs.log import Logs, Place, Reading, log_download
from mcp_background_job.actions.page.jobs.machine import Machines, Whole
from mcp_background_job.actions.page.jobs.one import Looking, One
from mcp_background_job.actions.page.jobs.search import SearchAll, Searching, SearchOne
from mcp_background_job.actions.page.subject import Seen
from mcp_background_job.core.masking import MASK
from mcp_background_job.core.news import Reader
from mcp_background_job.core.states import Outcome
from mcp_background_job.errors import InvalidRequestError, UnknownJobError
from mcp_background_job.jobdir.log.format import Stream
from mcp_background_job.jobdir.usage import Sample
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.request import StartRequest
from mcp_background_job.processes.gpu import Gpu, GpuLook, Gpus, JobOnGpu
from tests.places.memory import MemoryJob, MemoryPlace

PAGE = Caller(client="page", directory="/", project="", reader=Reader("page"))


@pytest.fixture
def machines(tmp_path: Any) -> Machines:
    return Machines(str(tmp_path))


async def started(manager: JobManager, name: str, **wanted: Any) -> str:
    wanted = {"command": f"do {name}", "name": name, "stdin": "pipe", **wanted}
    return (await manager.start(StartRequest(**wanted), client="tester")).job.job_id


def job_of(place: MemoryPlace, job_id: str) -> MemoryJob:
    return place.store.jobs[job_id]


def facts(seen: Seen | None) -> Facts:
    assert seen is not None
    return seen.facts


def texts(window: Facts) -> list[str]:
    return [row[3] for row in window["rows"]]


# -- the list ----------------------------------------------------------------------------------------------------------


async def test_the_list_tells_what_changed_and_waits_while_nothing_does(
    memory_manager: JobManager, memory_place: MemoryPlace, machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listed, "_EVERY_S", 0.0)
    lists = Lists(memory_manager, machines)
    job_id = await started(memory_manager, "train", project="/p")
    job_of(memory_place, job_id).say(b"epoch 1\n\n")

    seen = await lists.look(PAGE, Jobs(), None)
    [row] = facts(seen)["rows"]
    assert (row["name"], row["status"], row["line"], row["command"]) == ("train", "running", "epoch 1", "do train")
    assert (facts(seen)["count"], facts(seen)["projects"]) == (1, {"/p": 1})
    assert seen
    assert await lists.look(PAGE, Jobs(), seen.cursor) is None

    waiting = asyncio.create_task(lists.wait(PAGE, Jobs(), seen.cursor))
    job_of(memory_place, job_id).end(Outcome.FAILED, exit_code=3)
    await waiting
    [row] = facts(await lists.look(PAGE, Jobs(), seen.cursor))["rows"]
    assert (row["status"], row["exit_code"]) == ("failed", 3)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (Jobs(), ["c", "b", "a"]),
        (Jobs(limit=1, offset=1), ["b"]),
        (Jobs(status="completed"), []),
        (Jobs(status="running,queued", text="DO B"), ["b"]),
        (Jobs(project="/q"), ["c"]),
    ],
)
async def test_a_window_on_the_list_has_what_was_chosen(
    memory_manager: JobManager, machines: Machines, asked: Jobs, found: list[str]
) -> None:
    for name, project in (("a", "/p"), ("b", "/p"), ("c", "/q")):
        await started(memory_manager, name, project=project)

    rows = facts(await Lists(memory_manager, machines).look(PAGE, asked, None))["rows"]

    assert sorted(row["name"] for row in rows) == sorted(found)


def sample(elapsed_s: float, cpu_s: float, **values: Any) -> Sample:
    known = {"processes": 2, "memory": 1000, "peak_memory": 1000, "read_bytes": -1, "written_bytes": 5} | values
    return Sample(elapsed_s=elapsed_s, at=1e9 + elapsed_s, cpu_s=cpu_s, output_bytes=int(elapsed_s), **known)


async def test_what_a_job_uses_now_is_what_it_used_since_the_look_before(
    memory_manager: JobManager, memory_place: MemoryPlace, machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listed, "_EVERY_S", 0.0)
    lists = Lists(memory_manager, machines)
    samples = job_of(memory_place, await started(memory_manager, "busy")).samples
    machines.gpus = Gpus([], {})

    async def cpu() -> tuple[float | None, int | None]:
        [row] = facts(await lists.look(PAGE, Jobs(), None))["rows"]
        return row["cpu"], row["memory"]

    assert await cpu() == (None, None)
    samples += [sample(0.0, 0.0), sample(10.0, 5.0)]
    assert await cpu() == (0.5, 1000)
    samples[-1] = sample(12.0, 9.0, memory=7)
    assert await cpu() == (2.0, 7)
    assert await cpu() == (2.0, 7)


# -- a log -------------------------------------------------------------------------------------------------------------


async def test_a_follower_is_told_what_was_written_and_what_it_has_changed(
    memory_manager: JobManager, memory_place: MemoryPlace
) -> None:
    following, reading = Following(memory_manager), Reading(job_id=await started(memory_manager, "loud"))
    job = job_of(memory_place, reading.job_id)
    job.say(b"one\ntw")
    async with following.keep(PAGE, reading):
        seen = await following.look(PAGE, reading, None)
        assert (texts(facts(seen)), facts(seen)["whole"], facts(seen)["over"]) == (["one", "tw"], True, False)
        assert seen
        assert await following.look(PAGE, reading, seen.cursor) is None

        waiting = asyncio.create_task(following.wait(PAGE, reading, seen.cursor))
        await asyncio.sleep(0)
        job.say(b"o\n", Stream.STDOUT)
        job.say(b"oops\n", Stream.STDERR)
        await waiting
        seen = await following.look(PAGE, reading, seen.cursor)
        assert (texts(facts(seen)), facts(seen)["whole"], facts(seen)["start"]) == (["two", "oops"], False, 4)
        assert [row[2] for row in facts(seen)["rows"]] == [1, 2]
        assert seen

        waiting = asyncio.create_task(following.wait(PAGE, reading, seen.cursor))
        job.end(Outcome.COMPLETED, exit_code=0)
        await waiting
        assert facts(await following.look(PAGE, reading, seen.cursor))["over"] is True


async def test_a_follower_that_is_far_behind_is_shown_the_end(
    memory_manager: JobManager, memory_place: MemoryPlace
) -> None:
    following, reading = Following(memory_manager), Reading(job_id=await started(memory_manager, "loud"))
    job = job_of(memory_place, reading.job_id)
    job.say(b"first\n")
    seen = await following.look(PAGE, reading, None)
    assert seen

    job.say(b"x" * 99 + b"\n" + b"".join(b"line %d\n" % number for number in range(60_000)))

    now = facts(await following.look(PAGE, reading, seen.cursor))
    assert (now["whole"], texts(now)[-1]) == (True, "line 59999")
    assert len(texts(now)) < 20_000


@pytest.mark.parametrize("cursor", ["no", [], [1, 2], [5, 4, 3, False], {"a": 1}, [0, 0, 10**9, False]])
async def test_a_cursor_of_somebody_else_begins_anew(
    memory_manager: JobManager, memory_place: MemoryPlace, cursor: Any
) -> None:
    following, reading = Following(memory_manager), Reading(job_id=await started(memory_manager, "any"))
    job_of(memory_place, reading.job_id).say(b"all\n")

    assert texts(facts(await following.look(PAGE, reading, cursor))) == ["all"]


async def test_only_the_lines_that_are_wanted_are_followed_with_their_matches_marked(
    memory_manager: JobManager, memory_place: MemoryPlace
) -> None:
    job_id = await started(memory_manager, "loud")
    following = Following(memory_manager)
    reading = Reading(job_id=job_id, find="e+", only=True, stream="stderr")
    job = job_of(memory_place, job_id)
    job.say(b"see\n")
    job.say(b"feel\nno\n", Stream.STDERR)
    seen = await following.look(PAGE, reading, None)
    assert seen
    job.say(b"bee bee\n", Stream.STDERR)

    rows = [*seen.facts["rows"], *facts(await following.look(PAGE, reading, seen.cursor))["rows"]]

    assert [(row[3], row[4]) for row in rows] == [("feel", [(1, 3)]), ("bee bee", [(1, 3), (5, 7)])]


async def test_a_failed_job_opens_at_its_failure_and_a_moment_leads_to_its_lines(
    memory_manager: JobManager, memory_place: MemoryPlace
) -> None:
    job_id = await started(memory_manager, "bad")
    job = job_of(memory_place, job_id)
    for number in range(300):
        job.say(b"step %d\n" % number)
    job.say(b"Traceback (most recent call last):\n  File x\nKeyError: 1\nbye\n")
    logs = Logs(memory_manager)

    window = await logs.log_window(PAGE, Place(job_id=job_id, place="failure", lines=30))
    assert "Traceback (most recent call last):" in texts(window)
    assert job.log[window["at"] :].startswith(b"Traceback")

    job.entries = [entry._replace(at=1000.0 + number) for number, entry in enumerate(job.entries)]
    window = await logs.log_window(PAGE, Place(job_id=job_id, place="around", time=1050.0, lines=9))
    assert job.log[window["at"] :].startswith(b"step 50\n")
    assert "step 49" in texts(window)
    start = await logs.log_window(PAGE, Place(job_id=job_id, place="start", lines=2))
    assert texts(start)[0] == "step 0"
    with pytest.raises(UnknownJobError):
        await logs.log_window(PAGE, Place(job_id="jnobody"))
    with pytest.raises(InvalidRequestError, match="not a regular expression"):
        await logs.log_window(PAGE, Place(job_id=job_id, find="("))


async def test_a_log_is_saved_as_it_was_written_or_as_the_lines_that_are_wanted(
    memory_manager: JobManager, memory_place: MemoryPlace
) -> None:
    job_id = await started(memory_manager, "any")
    job = job_of(memory_place, job_id)
    job.say(b"a\x1b[1mb\xff\n")
    job.say(b"err\n", Stream.STDERR)
    saved = log_download(memory_manager)

    async def content(**asked: Any) -> bytes:
        download = await saved.open(PAGE, Reading(job_id="any", **asked))
        assert download.name == "any.log"
        return b"".join([chunk async for chunk in download.chunks()])

    assert await content(find="x") == job.log
    assert await content(stream="stderr") == b"err\n"
    assert await content(find="^ab", only=True) == "ab\ufffd\n".encode()
    with pytest.raises(InvalidRequestError):
        await content(find="(", only=True)


# -- searches ----------------------------------------------------------------------------------------------------------


async def test_a_search_of_all_logs_goes_through_live_and_ended_jobs_in_pieces(
    memory_manager: JobManager, memory_place: MemoryPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_SEARCH_S", 0.0)
    monkeypatch.setattr(search, "_JOBS_AT_ONCE", 2)
    names = ["a", "b", "c", "d", "e"]
    for name in names:
        job = job_of(memory_place, await started(memory_manager, name, if_running="new"))
        job.say(f"this is {name}\nhay\n".encode())
        if name != "e":
            job.end(Outcome.COMPLETED, exit_code=0)
    searching = Searching(memory_manager)
    found: list[Facts] = []
    cursor, calls = None, 0
    while calls < 100:
        answer = await searching.search_logs(PAGE, SearchAll(pattern="^this|THIS", cursor=cursor))
        found += answer["hits"]
        calls += 1
        cursor = answer["cursor"]
        if cursor is None:
            break

    assert [(hit["name"], hit["line"]) for hit in found] == [(name, f"this is {name}") for name in "edcba"]
    assert calls > 2


@pytest.mark.parametrize("cursor", ["x", "9:1:j:0", "0:1:j:-4", "0:1:2", ""])
async def test_a_search_goes_on_from_no_place_that_was_not_told(memory_manager: JobManager, cursor: str) -> None:
    with pytest.raises(InvalidRequestError, match="cursor="):
        await Searching(memory_manager).search_logs(PAGE, SearchAll(pattern="x", cursor=cursor))


async def test_a_search_of_one_log_finds_errors_without_their_words(
    memory_manager: JobManager, memory_place: MemoryPlace
) -> None:
    job_id = await started(memory_manager, "bad")
    job_of(memory_place, job_id).say(b"fine\nerror: no\n")

    found = await Searching(memory_manager).search_log(PAGE, SearchOne(job_id=job_id))

    assert [(hit["offset"], hit["line"]) for hit in found["hits"]] == [(5, "error: no")]
    assert found["is_over"]


# -- one job -----------------------------------------------------------------------------------------------------------


async def test_what_was_asked_is_told_whole_but_for_secrets(memory_manager: JobManager) -> None:
    job_id = await started(memory_manager, "one", env={"MY_TOKEN": "hunter2", "PLAIN": "x"}, timeout_s=60.0)

    looking = Looking(memory_manager)
    seen = await looking.asked(PAGE, One(job_id="one"), None)

    assert seen
    assert await looking.asked(PAGE, One(job_id="one"), seen.cursor) is None
    asked = seen.facts
    environment = dict(asked["environment"])
    assert (environment["MY_TOKEN"], environment["PLAIN"]) == (MASK, "x")
    assert "hunter2" not in str(asked)
    assert (asked["job_id"], asked["command"], asked["timeout_s"]) == (job_id, "do one", 60.0)


async def test_a_job_is_told_with_those_it_was_started_within_and_those_within_it(
    memory_manager: JobManager, memory_place: MemoryPlace
) -> None:
    top = await started(memory_manager, "top")
    memory_place.store.jobs[top].end(Outcome.COMPLETED, exit_code=0)
    ids = {"top": top}
    for name, parent in (("mid", "top"), ("leaf", "mid"), ("other", "top")):
        ids[name] = await started(memory_manager, name)
        job = job_of(memory_place, ids[name])
        assert job.spec
        job.spec = replace(job.spec, parent=ids[parent])
        known = await memory_manager.index.find(ids[name])
        assert known
        await memory_manager.index.call(lambda registry, known=known: registry.forget([known.job_id]))
        await memory_manager.index.put([replace(known, parent=ids[parent])])
        job.end(Outcome.COMPLETED, exit_code=0)
    looking = Looking(memory_manager)

    tree = facts(await looking.look(PAGE, One(job_id=ids["mid"]), None))["family"]
    assert [(one["name"], one["depth"]) for one in tree] == [("top", 0), ("mid", 1), ("leaf", 2)]
    tree = facts(await looking.look(PAGE, One(job_id=top), None))["family"]
    assert [(one["name"], one["depth"]) for one in tree] == [("top", 0), ("mid", 1), ("leaf", 2), ("other", 1)]


async def test_a_page_hears_of_the_end_of_a_job(memory_manager: JobManager, memory_place: MemoryPlace) -> None:
    one = One(job_id=await started(memory_manager, "one"))
    looking = Looking(memory_manager)
    seen = await looking.look(PAGE, one, None)
    assert seen
    assert await looking.look(PAGE, one, seen.cursor) is None

    waiting = asyncio.create_task(looking.wait(PAGE, one, seen.cursor))
    await asyncio.sleep(0)
    job_of(memory_place, one.job_id).end(Outcome.FAILED, exit_code=7)
    await waiting

    assert facts(await looking.look(PAGE, one, seen.cursor))["exit_code"] == 7


async def test_curves_are_told_whole_and_then_what_came_since(
    memory_manager: JobManager, memory_place: MemoryPlace, machines: Machines
) -> None:
    one = One(job_id=await started(memory_manager, "busy"))
    curves = Curves(memory_manager, machines)
    samples = job_of(memory_place, one.job_id).samples
    assert facts(await curves.look(PAGE, one, None)) == {"points": [], "gpu": [], "whole": True}

    samples += [sample(1.0, 0.5), sample(3.0, 3.5)]
    seen = await curves.look(PAGE, one, [0.0, 0])
    assert facts(seen)["points"] == [
        [1_000_000_001_000, 0.5, 1000, 2, 1, None, 5],
        [1_000_000_003_000, 1.5, 1000, 2, 3, None, 5],
    ]
    assert seen
    assert await curves.look(PAGE, one, seen.cursor) is None
    samples.append(sample(4.0, 3.5))
    again = facts(await curves.look(PAGE, one, seen.cursor))
    assert ([point[:2] for point in again["points"]], again["whole"]) == ([[1_000_000_004_000, 0.0]], False)


# -- the machine -------------------------------------------------------------------------------------------------------


async def test_the_machine_is_told_with_its_gpus_and_what_jobs_have_of_them(
    machines: Machines, memory_manager: JobManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = One(job_id=await started(memory_manager, "cuda"))
    told = Gpus([Gpu(name="Card", load=0.5, memory_used=3, memory=9)], {one.job_id: JobOnGpu(memory=3, load=0.25)})

    def look(_: GpuLook) -> Gpus:
        return told

    monkeypatch.setattr(GpuLook, "look", look)

    seen = await machines.look(PAGE, Whole(), None)

    assert facts(seen)["gpus"] == [{"name": "Card", "load": 0.5, "memory_used": 3, "memory": 9}]
    assert facts(seen)["memory"] > facts(seen)["memory_used"] > 0
    assert len(facts(seen)["past"]) == 1
    assert seen
    assert await machines.look(PAGE, Whole(), seen.cursor) is None
    [point] = facts(await Curves(memory_manager, machines).look(PAGE, one, None))["gpu"]
    assert point[1:] == [3, 0.25]
    [row] = facts(await Lists(memory_manager, machines).look(PAGE, Jobs(), None))["rows"]
    assert (row["gpu_memory"], row["gpu"]) == (3, 0.25)


async def test_a_driver_that_hangs_holds_nobody_up(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = asyncio.Event()

    async def hangs(*_: Any) -> Gpus:
        await hanging.wait()
        return Gpus()

    monkeypatch.setattr("mcp_background_job.executors.lanes.lasting", hangs)
    monkeypatch.setattr("mcp_background_job.actions.page.jobs.machine.EVERY_S", 0.01)

    assert facts(await machines.look(PAGE, Whole(), None))["gpus"] == []
    assert facts(await machines.look(PAGE, Whole(), None))["gpus"] == []
    hanging.set()


# -- nobody's memory ---------------------------------------------------------------------------------------------------


async def test_looks_of_pages_leave_what_others_were_shown_as_it_is(
    memory_manager: JobManager, memory_place: MemoryPlace, machines: Machines
) -> None:
    job_id = await started(memory_manager, "any")
    job_of(memory_place, job_id).say(b"secret news\n")
    readers = [Reader("model"), PAGE.reader]
    before = [await memory_manager.news.shown(reader, [job_id]) for reader in readers]

    await Lists(memory_manager, machines).look(PAGE, Jobs(), None)
    await Looking(memory_manager).look(PAGE, One(job_id=job_id), None)
    await Following(memory_manager).look(PAGE, Reading(job_id=job_id), None)
    await Logs(memory_manager).log_window(PAGE, Place(job_id=job_id))
    await Searching(memory_manager).search_logs(PAGE, SearchAll(pattern="secret"))
    job_of(memory_place, job_id).end(Outcome.COMPLETED, exit_code=0)
    await Lists(memory_manager, machines).look(PAGE, Jobs(), None)

    assert [await memory_manager.news.shown(reader, [job_id]) for reader in readers] == before
