"""Several places are one, for whoever asks about a job."""

from __future__ import annotations

import time

import pytest

from mcp_background_job.core.states import State
from mcp_background_job.executors.places import Places
from mcp_background_job.jobdir.control import NoRunnerError
from mcp_background_job.jobdir.records import Spec, StopRequest
from tests.places.memory import MemoryNames, MemoryPlace


def _spec(job_id: str) -> Spec:
    return Spec(
        job_id=job_id,
        command="obeys",
        argv=["obeys"],
        cwd="/",
        env={},
        created_at=time.time(),
        cookie="",
        max_output=1,
        max_jobs=100,
        stdin="pipe",
    )


@pytest.fixture
def here() -> MemoryPlace:
    return MemoryPlace("here")


@pytest.fixture
def there() -> MemoryPlace:
    return MemoryPlace("there")


@pytest.fixture
def places(here: MemoryPlace, there: MemoryPlace) -> Places:
    return Places([here, there], MemoryNames())


async def test_a_job_is_asked_about_where_it_is(places: Places, here: MemoryPlace, there: MemoryPlace) -> None:
    await here.launch(_spec("jhere"), wait_for_report=True)
    await there.launch(_spec("jthere"), wait_for_report=True)
    assert places.discover() == set(places.scan()) == {"jhere", "jthere"}
    assert set(places.open_jobs()) == {"jhere", "jthere"}
    assert {job_id: seen.state for job_id, seen in places.look(["jhere", "jthere", "jnone"]).items()} == {
        "jhere": State.RUNNING,
        "jthere": State.RUNNING,
    }
    async with await places.connect("jthere") as channel:
        await channel.send_input(b"say over there\n", eof=False)
    assert places.store_of("jthere").read_log("jthere", 0, 99).data == b"over there\n"
    assert places.store_of("jhere") is here.store
    assert places.has_runner("jthere")

    request = StopRequest(at=0.0, by="me", why="over", signal="SIGTERM", grace_s=1.0)
    assert (await places.cancel("jthere", request)).was_live
    assert here.store.open_jobs() == ["jhere"]
    assert there.store.open_jobs() == []


async def test_where_a_job_is_may_be_asked_before_it_is_anywhere_and_when_its_id_is_taken_again(
    places: Places, here: MemoryPlace, there: MemoryPlace
) -> None:
    assert places.of("jlate") is here
    await there.launch(_spec("jlate"), wait_for_report=True)
    assert places.of("jlate") is there
    there.store.remove("jlate")
    assert places.claim("jlate")
    assert places.of("jlate") is here


async def test_a_new_job_is_started_at_the_first_place(places: Places, here: MemoryPlace) -> None:
    assert places.claim("jnew")
    await places.launch(_spec("jnew"))
    assert here.store.open_jobs() == ["jnew"]


async def test_an_id_that_any_place_has_is_taken(places: Places, there: MemoryPlace) -> None:
    assert there.store.claim("jthere")
    assert not places.claim("jthere")


async def test_launching_again_what_is_elsewhere_starts_nothing_here(
    places: Places, here: MemoryPlace, there: MemoryPlace
) -> None:
    await there.launch(_spec("jthere"), wait_for_report=True)
    await places.launch(_spec("jthere"))
    assert here.store.discover() == set()


async def test_a_job_that_no_place_has_is_no_job(places: Places) -> None:
    assert places.look(["jnone"]) == {}
    assert places.store_of("jnone").spec("jnone") is None
    with pytest.raises(NoRunnerError):
        await places.connect("jnone")


@pytest.mark.parametrize("which", ["here", "there"])
async def test_a_change_at_any_place_shows(places: Places, which: str, here: MemoryPlace, there: MemoryPlace) -> None:
    place = {"here": here, "there": there}[which]
    for number in range(3):  # so that the two places are not at the same number
        here.store.claim(f"jmany{number}")
    before = places.jobs_changed_at(), places.marks_changed_at(), places.queue_changed_at()
    await place.launch(_spec("jnew"), wait_for_report=True)
    assert places.jobs_changed_at() != before[0]
    assert places.marks_changed_at() != before[1]
    assert places.queue_changed_at() != before[2]


async def test_who_needs_care_gets_it_where_the_job_is(places: Places, there: MemoryPlace) -> None:
    there.store.claim("jdead")
    await places.care("jdead")
    places.care_later("jdead")
    assert there.cared_for == ["jdead", "jdead"]
