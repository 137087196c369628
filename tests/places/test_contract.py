"""What every place where jobs run has to do, whatever runs there."""

from __future__ import annotations

import asyncio
import signal
import time

import pytest

from mcp_background_job.core.states import Outcome, State
from mcp_background_job.executors.base import Place
from mcp_background_job.jobdir.control import NoRunnerError
from mcp_background_job.jobdir.log.format import Stream
from mcp_background_job.jobdir.observe import Observation
from mcp_background_job.jobdir.records import Spec, StopRequest
from tests.patience import ASK_AGAIN_S, LOOK_AGAIN_S, PATIENCE_S, until
from tests.places.conftest import SpecOf

#: Bytes that are written within a millisecond may share one time.
BYTES_OF_ONE_TIME_S = 0.001


def seen(place: Place, spec: Spec) -> Observation:
    return place.look([spec.job_id])[spec.job_id]


async def queued(place: Place, spec: Spec) -> Spec:
    """Launch a job that has to wait for its turn."""
    assert (await place.launch(spec, wait_for_report=True)).queued
    return spec


async def launched(place: Place, spec: Spec) -> Spec:
    """Launch a job that need not."""
    await place.launch(spec, wait_for_report=True)
    await runs(place, spec)
    return spec


def has_queue_of_its_own(place: Place) -> bool:
    """Tell whether every job waits for its turn there, however short."""
    return place.name in ("slurm", "ray")


def pause_s(place: Place) -> float:
    """Return how long to leave a place alone between two looks."""
    return ASK_AGAIN_S if place.name == "ray" else LOOK_AGAIN_S


async def runs(place: Place, spec: Spec) -> None:
    async def is_running() -> bool:
        return seen(place, spec).state is State.RUNNING

    await until(is_running, f"{spec.job_id} runs", pause_s=pause_s(place))


async def told(place: Place, spec: Spec, words: str, *, eof: bool = False) -> None:
    async with await place.connect(spec.job_id) as channel:
        assert await channel.send_input(words.encode(), eof=eof) is not None


async def logged(place: Place, spec: Spec, size: int) -> None:
    async with asyncio.timeout(PATIENCE_S), await place.connect(spec.job_id) as channel:
        while (end := place.store.log_extent(spec.job_id)[1]) < size:
            await channel.watch(end, leader_exited=False)


async def dated(place: Place, spec: Spec, offset: int) -> float:
    """Wait until a byte has its time, and until what comes next has another; returns the time now."""

    async def is_past() -> bool:
        written_at = place.store.written_at(spec.job_id, offset)
        return written_at is not None and time.time() - written_at > BYTES_OF_ONE_TIME_S

    await until(is_past, f"byte {offset} has its time", pause_s=pause_s(place))
    return time.time()


async def over(place: Place, spec: Spec) -> Observation:
    async def is_over() -> bool:
        return seen(place, spec).state is State.EXITED

    await until(is_over, f"{spec.job_id} is over", pause_s=pause_s(place))
    return seen(place, spec)


def a_stop(by: str = "test") -> StopRequest:
    return StopRequest(at=time.time(), by=by, why="the test is over", signal="SIGTERM", grace_s=5.0)


async def test_a_claimed_id_is_taken_once(place: Place) -> None:
    assert place.store.claim("jclaimed")
    assert not place.store.claim("jclaimed")
    assert place.store.has("jclaimed")
    assert not place.store.has("jother")
    assert place.store.discover() == set(place.store.scan()) == {"jclaimed"}
    assert not place.store.is_recorded("jclaimed")


async def test_a_job_runs_and_its_exit_code_and_output_are_known(place: Place, spec_of: SpecOf) -> None:
    spec = spec_of()
    submitted = await place.launch(spec, wait_for_report=True)
    assert submitted.queued is has_queue_of_its_own(place)
    assert submitted.queued is (submitted.pid is None)
    await runs(place, spec)
    assert place.has_runner(spec.job_id)
    assert place.store.spec(spec.job_id) == spec
    assert place.store.is_recorded(spec.job_id)
    assert place.store.open_jobs() == [spec.job_id]
    assert not place.store.is_over(spec.job_id)

    await told(place, spec, "say one\nsay two\nexit 3\n")

    end = await over(place, spec)
    assert (end.outcome, end.exit and end.exit.exit_code) == (Outcome.FAILED, 3)
    assert place.store.read_log(spec.job_id, 0, 100).data == b"one\ntwo\n"
    assert place.store.is_over(spec.job_id)
    assert place.store.open_jobs() == []


async def test_launching_the_same_id_again_starts_nothing(place: Place, spec_of: SpecOf) -> None:
    spec = await launched(place, spec_of())
    pid = (await place.launch(spec, wait_for_report=True)).pid
    await told(place, spec, "say once\n", eof=True)
    end = await over(place, spec)
    await place.launch(spec, wait_for_report=False)
    await place.finish()
    assert pid is not None
    assert seen(place, spec).exit == end.exit
    assert place.store.read_log(spec.job_id, 0, 100).data == b"once\n"


async def test_a_launch_goes_on_although_its_caller_is_cancelled(place: Place, spec_of: SpecOf) -> None:
    spec = spec_of()
    caller = asyncio.create_task(place.launch(spec, wait_for_report=True))
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    await runs(place, spec)
    await told(place, spec, "exit 0\n")
    await over(place, spec)


async def test_a_look_leaves_out_what_is_not_there(place: Place, spec_of: SpecOf) -> None:
    spec = await launched(place, spec_of())
    assert place.look(["jnobody", spec.job_id]).keys() == {spec.job_id}
    assert place.look([]) == {}
    await place.cancel(spec.job_id, a_stop())


async def test_nobody_can_be_connected_to_before_a_job_and_after_it(place: Place, spec_of: SpecOf) -> None:
    with pytest.raises(NoRunnerError):
        await place.connect("jnobody")
    spec = spec_of()
    with pytest.raises(NoRunnerError):
        await place.connect(spec.job_id)
    await launched(place, spec)
    await told(place, spec, "", eof=True)
    await over(place, spec)

    async def hung_up() -> bool:
        try:
            async with await place.connect(spec.job_id):
                return False
        except NoRunnerError:
            return True

    await until(hung_up, "nobody listens")


async def test_who_watches_is_told_of_output_and_of_the_end(place: Place, spec_of: SpecOf) -> None:
    spec = await launched(place, spec_of())
    async with asyncio.timeout(PATIENCE_S), await place.connect(spec.job_id) as watcher:
        watching = asyncio.create_task(watcher.watch(0, leader_exited=False))
        await told(place, spec, "say héllo\n")
        news = await watching
        assert news is not None
        assert (news.size, news.leader_exited) == (len("héllo\n".encode()), False)
        watching = asyncio.create_task(watcher.watch(news.size, leader_exited=False))
        await told(place, spec, "exit 0\n")
        while (news := await watching) is not None:  # that the command is over may come first
            watching = asyncio.create_task(watcher.watch(news.size, leader_exited=news.leader_exited))
    assert (await over(place, spec)).outcome is Outcome.COMPLETED


async def test_news_are_told_once_for_each_question(place: Place, spec_of: SpecOf) -> None:
    spec = await launched(place, spec_of())
    async with asyncio.timeout(PATIENCE_S), await place.connect(spec.job_id) as watcher:
        watcher.ask_for_news(2**62, leader_exited=False)
        await told(place, spec, "say one\n")
        await logged(place, spec, 4)
        watcher.ask_for_news(0, leader_exited=False)  # takes the place of the first
        news = await watcher.news()
        assert news is not None
        assert news.size == 4
        await told(place, spec, "say two\nexit 0\n")
        assert await watcher.news() is None  # nobody asked about the second line
    async with asyncio.timeout(PATIENCE_S):
        await over(place, spec)


async def test_who_waits_for_the_end_passes_over_news(place: Place, spec_of: SpecOf) -> None:
    spec = await launched(place, spec_of())
    async with asyncio.timeout(PATIENCE_S), await place.connect(spec.job_id) as watcher:
        watcher.ask_for_news(0, leader_exited=False)
        await told(place, spec, "say one\nsay two\nexit 0\n")
        await watcher.ended()
    assert (await over(place, spec)).outcome is Outcome.COMPLETED


async def test_the_log_is_read_from_anywhere(place: Place, spec_of: SpecOf) -> None:
    spec = await launched(place, spec_of())
    store, job_id = place.store, spec.job_id
    assert store.last_output_at(job_id) is None or store.log_extent(job_id) == (0, 0)
    before = time.time()
    await told(place, spec, "say 0123456789\n")
    await logged(place, spec, 11)
    between = await dated(place, spec, 10)
    await told(place, spec, "say abc\n")
    await logged(place, spec, 15)

    piece = store.read_log(job_id, 4, 3)
    assert (piece.data, piece.start, piece.next, piece.first, piece.end) == (b"456", 4, 7, 0, 15)
    assert store.read_log(job_id, 15, 10).data == b""
    tail = store.read_log_tail(job_id, 6)
    assert (tail.data, tail.start, tail.end) == (b"9\nabc\n"[-6:], 9, 15)
    await told(place, spec, "exit 0\n")
    await over(place, spec)  # of what has just been written, stream and time may not be known yet
    assert store.read_log(job_id, 0, 100, Stream.STDERR).data == b""
    assert store.read_log(job_id, 0, 100, Stream.STDOUT).data == b"0123456789\nabc\n"
    parts = store.read_parts(job_id, 0, 100, Stream.STDOUT)
    assert b"".join(part.data for part in parts.parts) == b"0123456789\nabc\n"
    assert store.read_parts(job_id, 0, 100, None).parts == parts.parts
    assert store.offset_at(job_id, before) == 0
    assert store.offset_at(job_id, between) == 11
    assert store.offset_at(job_id, time.time() + 1) == 15
    assert [entry.offset for entry in store.entries(job_id, 11)] == [11]
    written = [store.written_at(job_id, offset) or 0.0 for offset in (0, 10, 11, 14)]
    assert before <= written[0] <= written[1] <= between <= written[2] <= written[3] <= time.time()
    assert store.written_at(job_id, 15) is None
    assert before - 1 <= (store.last_output_at(job_id) or 0.0) <= time.time() + 1
    assert isinstance(store.log_path(job_id), str)


async def test_input_for_a_job_without_stdin_is_refused(place: Place, spec_of: SpecOf) -> None:
    spec = await launched(place, spec_of(argv=["/bin/sh", "-c", "kill -STOP $$"], stdin="closed"))
    async with await place.connect(spec.job_id) as channel:
        assert await channel.send_input(b"say in\n", eof=False) == {"error": "closed"}
    await place.cancel(spec.job_id, a_stop())


async def test_a_signal_reaches_the_command(place: Place, spec_of: SpecOf) -> None:
    spec = await launched(place, spec_of())
    async with await place.connect(spec.job_id) as channel:
        assert await channel.signal(signal.SIGUSR1)
    end = (await over(place, spec)).exit
    assert end is not None
    assert (end.outcome, end.signal) == (Outcome.FAILED, "SIGUSR1")


async def test_a_signal_that_nobody_handles_is_not_sent(place: Place, spec_of: SpecOf) -> None:
    spec = await launched(place, spec_of())
    async with await place.connect(spec.job_id) as channel:
        assert await channel.signal_handlers(signal.SIGUSR1) == {"pids": []}
    assert seen(place, spec).exit is None
    assert (await place.cancel(spec.job_id, a_stop())).was_live


async def test_a_cancel_confirms_the_end_and_says_whose_wish_it_was(place: Place, spec_of: SpecOf) -> None:
    spec = await launched(place, spec_of())
    cancelled = await place.cancel(spec.job_id, a_stop(by="somebody"))
    assert (cancelled.was_live, cancelled.survivors) == (True, ())
    end = seen(place, spec).exit
    assert end is not None
    assert end.outcome == Outcome.KILLED
    assert end.stop_requested is not None
    assert end.stop_requested.by == "somebody"


async def test_a_cancel_of_what_is_over_says_so(place: Place, spec_of: SpecOf) -> None:
    spec = await launched(place, spec_of())
    await told(place, spec, "exit 0\n")
    await over(place, spec)
    assert not (await place.cancel(spec.job_id, a_stop())).was_live
    assert seen(place, spec).outcome is Outcome.COMPLETED


async def test_of_two_who_cancel_at_once_both_are_told_that_it_is_over(place: Place, spec_of: SpecOf) -> None:
    spec = await launched(place, spec_of())
    await asyncio.gather(*(place.cancel(spec.job_id, a_stop()) for _ in range(3)))
    assert seen(place, spec).outcome is Outcome.KILLED


async def test_a_queued_job_starts_when_there_is_room(place: Place, spec_of: SpecOf) -> None:
    first = await launched(place, spec_of(max_jobs=1))
    second = spec_of(max_jobs=1)
    await queued(place, second)
    assert seen(place, second).state is State.QUEUED
    assert place.store.waiting() == {second.job_id}
    stamp = place.store.queue_changed_at()
    assert not place.has_runner(second.job_id)
    assert await place.usage(second.job_id) is None
    await told(place, first, "exit 0\n")
    await runs(place, second)
    assert await place.usage(first.job_id) is None
    assert place.store.waiting() == set()
    assert place.store.queue_changed_at() != stamp
    await place.cancel(second.job_id, a_stop())


async def test_a_job_of_ours_takes_no_room(place: Place, spec_of: SpecOf) -> None:
    if has_queue_of_its_own(place):
        pytest.skip("its jobs are not counted here")
    own = await launched(place, spec_of(max_jobs=1, is_own=True))
    other = spec_of(max_jobs=1)
    assert not (await place.launch(other, wait_for_report=True)).queued
    for spec in (own, other):
        await place.cancel(spec.job_id, a_stop())


async def test_a_queued_job_that_is_cancelled_never_runs(place: Place, spec_of: SpecOf) -> None:
    first = await launched(place, spec_of(max_jobs=1))
    second = await queued(place, spec_of(max_jobs=1))
    assert (await place.cancel(second.job_id, a_stop())).was_live
    await told(place, first, "exit 0\n")
    await over(place, first)
    await place.serve()
    end = seen(place, second).exit
    assert end is not None
    assert (end.outcome, end.started_at) == (Outcome.KILLED, None)


async def test_a_job_runs_after_another_that_completed(place: Place, spec_of: SpecOf) -> None:
    first = await launched(place, spec_of())
    second = await queued(place, spec_of(after=[first.job_id]))
    assert seen(place, second).state is State.QUEUED
    await told(place, first, "exit 0\n")
    await runs(place, second)
    await place.cancel(second.job_id, a_stop())


async def test_a_job_does_not_run_after_another_that_failed(place: Place, spec_of: SpecOf) -> None:
    first = await launched(place, spec_of())
    second = await queued(place, spec_of(after=[first.job_id]))
    await told(place, first, "exit 7\n")
    end = (await over(place, second)).exit
    assert end is not None
    assert (end.outcome, end.started_at) == (Outcome.FAILED, None)
    assert first.job_id in end.reason


async def test_what_changes_is_told_by_numbers(place: Place, spec_of: SpecOf) -> None:
    spec = await launched(place, spec_of())
    store = place.store
    numbers = store.jobs_changed_at(), store.marks_changed_at(), store.changed_at(spec.job_id)
    await told(place, spec, "exit 0\n")
    await over(place, spec)
    assert store.marks_changed_at() != numbers[1]
    assert store.changed_at(spec.job_id) != numbers[2]
    assert store.remove(spec.job_id)
    assert store.jobs_changed_at() != numbers[0]
    assert store.changed_at(spec.job_id) is None


async def test_what_is_removed_is_gone(place: Place, spec_of: SpecOf) -> None:
    spec = await launched(place, spec_of())
    await told(place, spec, "say words\nexit 0\n")
    await over(place, spec)
    assert place.store.remove(spec.job_id)
    assert place.look([spec.job_id]) == {}
    assert place.store.discover() == set()
    assert place.store.is_over(spec.job_id)
    assert not place.store.is_recorded(spec.job_id)
    assert place.store.spec(spec.job_id) is None


async def test_a_running_job_uses_something_and_listens_on_no_port(place: Place, spec_of: SpecOf) -> None:
    spec = await launched(place, spec_of())

    async def is_sampled() -> bool:
        usage = await place.usage(spec.job_id)
        return usage is not None and usage.processes >= 1

    await until(is_sampled, "what it uses is known")
    at_a_glance = place.usage_seen(spec.job_id, seen(place, spec))
    assert at_a_glance is None or at_a_glance.processes >= 1
    assert await place.port_is_open(spec.job_id, 1) is False
    assert 0 < place.look_again_s(seen(place, spec)) < PATIENCE_S
    assert place.health() is None
    await place.cancel(spec.job_id, a_stop())


async def test_to_tend_a_place_without_dead_runners_changes_nothing(place: Place, spec_of: SpecOf) -> None:
    await place.start()
    spec = await launched(place, spec_of())
    await place.tend()
    await place.serve()
    await place.finish()
    assert seen(place, spec).state is State.RUNNING
    await place.cancel(spec.job_id, a_stop())


async def test_a_job_that_reads_its_input_is_said_to_wait_for_it(place: Place, spec_of: SpecOf) -> None:
    spec = await launched(place, spec_of())

    async def waits() -> bool:
        async with await place.connect(spec.job_id):  # some places reach out to no job that nobody talks to
            found = await place.waits(spec.job_id)
        return found is not None and found.how == "read"

    await until(waits, "the job waits for input")
    await told(place, spec, "exit 0\n")
    await over(place, spec)
    assert await place.waits(spec.job_id) is None
