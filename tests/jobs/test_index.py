"""The index keeps in step with job directories: by marks, by looks at what is live, and by passes in pieces."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import closing

import pytest

from mcp_background_job.core.job import ANY, Job, JobChoice
from mcp_background_job.core.naming import Asker
from mcp_background_job.core.states import State
from mcp_background_job.errors import RegistryError
from mcp_background_job.executors.local.place import LocalPlace
from mcp_background_job.executors.names import FileNames
from mcp_background_job.executors.places import Places
from mcp_background_job.jobdir import claims, records
from mcp_background_job.jobdir.layout import StateDir
from mcp_background_job.jobdir.observe import Observation
from mcp_background_job.jobdir.records import Exit, Spec
from mcp_background_job.jobs.indexing import finding, passes
from mcp_background_job.jobs.indexing.index import Index
from mcp_background_job.registry.base import Counts, Registry
from mcp_background_job.registry.sqlite import SqliteRegistry

#: A number of jobs that no first look gets through.
MANY = passes._FEW + 2 * passes._READ * passes._AT_ONCE


class Directory:
    """A state directory in which other processes start and end jobs."""

    def __init__(self, path: str) -> None:
        self.state = StateDir(path)
        self.local = LocalPlace(self.state)
        self.places = Places([self.local], FileNames(self.state.names_lock))
        self.places.prepare()

    def start(self, job_id: str, *, name: str | None = None, created_at: float = 1.0, marked: bool = True) -> None:
        job = self.state.job(job_id)
        os.mkdir(job.path)
        spec = Spec(
            job_id=job_id,
            command="true",
            argv=["true"],
            cwd="/",
            env={},
            created_at=created_at,
            cookie="",
            max_output=1,
            max_jobs=1,
            name=name,
            project="/src",
            parent="jparent",
        )
        records.write_spec(job, spec)
        if marked:
            records.touch(self.state.open_mark(job_id))

    def end(self, job_id: str) -> None:
        job = self.state.job(job_id)
        records.write(job.exit, records.encode(Exit(outcome="completed", ended_at=time.time())))
        if os.path.exists(self.state.open_mark(job_id)):
            os.unlink(self.state.open_mark(job_id))

    def past(self, job_id: str, *, created_at: float = 1.0) -> None:
        """A job that ended long ago."""
        self.start(job_id, marked=False, created_at=created_at)
        self.end(job_id)

    def remove(self, job_id: str) -> None:
        shutil.rmtree(self.state.job(job_id).path)


@pytest.fixture
def place(state_dir: str) -> Directory:
    return Directory(state_dir)


Make = Callable[..., Index]


@pytest.fixture
async def make(place: Directory) -> AsyncGenerator[Make]:
    made: list[Index] = []

    def make(open_registry: Callable[[], Registry] | None = None) -> Index:
        made.append(Index(place.places, open_registry or (lambda: SqliteRegistry(place.state.index))))
        return made[-1]

    yield make
    for index in made:
        index.close()


async def listed(index: Index, limit: int = 10_000) -> list[str]:
    await index.sync()
    return [job.job_id for job in await index.page(ANY, limit=limit, offset=0)]


async def test_a_job_of_another_process_is_found_by_its_mark_without_a_listing(
    place: Directory, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passes, "_FEW", -1)
    monkeypatch.setattr(passes, "_SHARE", 1e-9)  # no second pass
    index = make()
    assert await listed(index) == []
    monkeypatch.setattr(place.local.store, "scan", lambda: pytest.fail("the jobs were listed"))
    place.start("jone", name="web")

    job = await index.find("web", Asker("/src"))
    assert job is not None
    assert (job.job_id, job.project, job.parent) == ("jone", "/src", "jparent")
    assert await listed(index) == ["jone"]


async def test_an_ended_job_that_no_index_knows_is_found_by_its_id_without_a_listing(
    place: Directory, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.past("jone")
    monkeypatch.setattr(place.local.store, "scan", lambda: pytest.fail("the jobs were listed"))

    job = await make().find("jone")
    assert job is not None
    assert job.state is State.EXITED
    assert await make().find("jtwo") is None


async def test_a_job_whose_starter_died_before_it_was_indexed_is_found_by_the_next_pass(
    place: Directory, make: Make
) -> None:
    index = make()
    assert await listed(index) == []
    place.past("jone")

    assert await listed(index) == ["jone"]


async def test_a_mark_that_comes_before_its_record_is_looked_at_again(place: Directory, make: Make) -> None:
    index = make()
    os.mkdir(place.state.job("jone").path)
    records.touch(place.state.open_mark("jone"))
    assert await listed(index) == []
    os.rmdir(place.state.job("jone").path)
    os.unlink(place.state.open_mark("jone"))
    assert await listed(index) == []
    place.start("jone")

    assert await listed(index) == ["jone"]


async def test_a_job_that_was_claimed_before_it_had_to_queue_is_queued(place: Directory, make: Make) -> None:
    index = make()
    claim = claims.take(place.state, "jone")
    assert claim
    place.start("jone")
    await index.sync()
    assert [job.state for job in await index.page(ANY, limit=1, offset=0)] == [State.STARTING]

    records.touch(place.state.queue_mark("jone"))
    claim.release()
    await index.sync()
    assert [job.state for job in await index.page(ANY, limit=1, offset=0)] == [State.QUEUED]


async def test_live_jobs_are_looked_at_again_only_when_something_changed(
    place: Directory, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = make()
    for number in range(5):
        place.start(f"jlive{number}")
        records.touch(place.state.queue_mark(f"jlive{number}"))
        os.utime(place.state.job(f"jlive{number}").path, (1, 1))  # what changed just now is looked at again
    await index.sync()
    await index.sync()
    looked: list[str] = []
    poll = place.local.look

    def counted(job_ids: list[str]) -> dict[str, Observation]:
        looked.extend(job_ids)
        return poll(job_ids)

    monkeypatch.setattr(place.local, "look", counted)
    await index.sync()
    assert looked == []
    place.end("jlive3")
    await index.sync()

    assert looked == ["jlive3"]
    ended = await index.find("jlive3")
    assert ended is not None
    assert ended.state is State.EXITED


@pytest.mark.parametrize("choice", [JobChoice(statuses=("completed",)), JobChoice(text="AA")])
async def test_removed_jobs_are_on_no_page_and_mean_no_name(place: Directory, make: Make, choice: JobChoice) -> None:
    index = make()
    for number in range(6):
        place.start(f"j{number}aa", name="web", created_at=number, marked=False)
        place.end(f"j{number}aa")
    assert len(await listed(index)) == 6
    for job_id in ("j5aa", "j4aa", "j1aa"):
        place.remove(job_id)

    found = await index.find("web", Asker("/src"))
    assert found is not None
    assert found.job_id == "j3aa"
    page = await index.page(choice, limit=3, offset=0)
    assert [job.job_id for job in page] == ["j3aa", "j2aa", "j0aa"]


async def test_what_is_looked_for_by_a_text_lets_other_calls_in(
    place: Directory, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "_PIECE", 1)
    index = make()
    for number in range(6):
        place.past(f"j{number}aa", created_at=number)

    order: list[str] = []

    async def search() -> list[str]:
        jobs, counts = await index.listed(JobChoice(text="AA"), limit=3, offset=0)
        assert counts == Counts(6, 6)
        order.append("search")
        return [job.job_id for job in jobs]

    async def find() -> None:
        await index.find("j4aa")
        order.append("find")

    found, _ = await asyncio.gather(search(), find())
    assert (found, order) == (["j5aa", "j4aa", "j3aa"], ["find", "search"])


async def test_a_large_index_is_filled_in_pieces_newest_first_and_that_is_said(place: Directory, make: Make) -> None:
    ids = [f"j{number:05d}" for number in range(MANY)]
    for number, job_id in enumerate(ids):
        place.past(job_id, created_at=number)
        os.utime(place.state.job(job_id).path, (number, number))
    index = make()
    await index.sync()
    assert index.filling is not None
    assert f" of {MANY} jobs so far" in index.filling
    seen: list[int] = []
    while index.filling:
        page = await index.page(ANY, limit=MANY, offset=0)
        newest = ids[: -len(page) - 1 : -1]
        assert [job.job_id for job in page] == newest, "newest first, without a gap"
        seen.append(len(page))
    await index.caught_up()

    assert len(set(seen)) > 3, "pages were served meanwhile"
    assert await listed(index) == ids[::-1]


async def test_what_changes_while_an_index_is_filled_is_in_it(place: Directory, make: Make) -> None:
    for number in range(MANY):
        place.past(f"j{number:05d}")
    index = make()
    await index.sync()
    place.start("jlive")
    assert await index.find("jlive") is not None
    place.remove("j00007")
    await index.caught_up()
    expected = {f"j{number:05d}" for number in range(MANY)} - {"j00007"} | {"jlive"}

    assert set(await listed(index)) == expected


async def test_an_index_is_not_compared_again_by_the_next_process_while_nothing_changes(
    place: Directory, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.past("jone")
    os.utime(place.state.jobs, (1, 1))
    assert await listed(make()) == ["jone"]
    monkeypatch.setattr(place.local.store, "scan", lambda: pytest.fail("the jobs were listed"))

    assert await listed(make()) == ["jone"]


async def test_many_jobs_are_not_compared_at_every_change(
    place: Directory, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passes, "_FEW", 3)
    monkeypatch.setattr(passes, "_SHARE", 1e-9)
    for number in range(10):
        place.past(f"j{number}aa")
    index = make()
    await listed(index)
    monkeypatch.setattr(place.local.store, "scan", lambda: pytest.fail("the jobs were listed"))
    place.start("jlive")

    assert len(await listed(index)) == 11


async def test_an_index_that_fails_while_it_is_filled_is_filled_in_memory(place: Directory, make: Make) -> None:
    for number in range(MANY):
        place.past(f"j{number:05d}")

    class Failing(SqliteRegistry):
        left = 3

        def put(self, jobs: Iterable[Job]) -> None:
            self.left -= 1
            if self.left < 0:
                raise RegistryError("the disk is full")
            super().put(jobs)

    index = make(lambda: Failing(place.state.index))
    await index.sync()
    await index.caught_up()

    assert index.trouble == "the disk is full"
    assert len(await listed(index)) == MANY


async def test_rows_of_release_1_are_filled_from_their_specs_once(
    place: Directory, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make().sync()
    ids = [f"jold{number}" for number in range(3 * passes._READ)]
    for job_id in ids:
        place.past(job_id)
    place.remove(ids[-1])
    os.makedirs(place.state.job(ids[-1]).path)  # its spec is gone
    with closing(sqlite3.connect(place.state.index, isolation_level=None)) as theirs:
        theirs.executemany(
            "INSERT INTO jobs (job_id, command, cwd, client, created_at, state, outcome, status, ended_at, reason) "
            "VALUES (?, 'true', '/', 'me', 1.0, 'exited', 'completed', 'completed', 2.0, '')",
            [(job_id,) for job_id in ids],
        )
    index = make()
    await index.sync()
    await index.caught_up()

    job = await index.find(ids[0])
    assert job is not None
    assert (job.project, job.parent, job.client) == ("/src", "jparent", "me")
    assert await index.call(lambda registry: registry.without_origin(limit=9)) == []

    def read_again(job_id: str) -> None:
        pytest.fail(f"the spec of {job_id} was read again")

    monkeypatch.setattr(place.local.store, "spec", read_again)
    await make().sync()
