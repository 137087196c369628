"""The queue on disk: who is launched, who is ended, which marks go."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Iterator

import pytest

from mcp_background_job.core.states import Outcome, State
from mcp_background_job.jobdir import lock, queue, records
from mcp_background_job.jobdir.ending import end_unowned
from mcp_background_job.jobdir.layout import JobDir, StateDir
from mcp_background_job.jobdir.observe import observe
from mcp_background_job.jobdir.queue import open_jobs, queued_jobs, serve_queue
from mcp_background_job.jobdir.records import Exit, Spec, Status
from tests.patience import PATIENCE_S

BOOT = "this boot"

pytestmark = pytest.mark.skipif(
    not hasattr(fcntl, "F_OFD_SETLK"), reason="a runner in the test's own process needs Linux's locks"
)


class House:
    """A state directory with jobs, and runners that do nothing but hold their locks."""

    def __init__(self, state: StateDir, runners: contextlib.ExitStack) -> None:
        self.state = state
        self.launched: list[str] = []
        self._runners = runners

    def queue_up(self, job_id: str, *, at: float = 1.0, max_jobs: int = 9, after: tuple[str, ...] = ()) -> JobDir:
        job = self.state.job(job_id)
        os.mkdir(job.path)
        records.write_spec(
            job,
            Spec(
                job_id=job_id,
                command="true",
                argv=["true"],
                cwd="/",
                env={},
                created_at=at,
                cookie="c",
                max_output=4096,
                max_jobs=max_jobs,
                after=list(after),
            ),
        )
        for mark in (self.state.open_mark(job_id), self.state.queue_mark(job_id)):
            touch(mark)
        return job

    def launch(self, job: JobDir) -> None:
        """Be a runner that owns the job from now on."""
        self.launched.append(job.job_id)
        assert self._runners.enter_context(lock.held(job.lock, patience_s=0)), "launched twice"
        records.write(job.status, records.encode(Status(state="running", boot_id=BOOT, runner_pid=7)))

    def launch_and_end(self, job: JobDir) -> None:
        """Be a runner of a job that completes at once."""
        self.launched.append(job.job_id)
        self.end(job, Outcome.COMPLETED)

    def end(self, job: JobDir, outcome: Outcome) -> None:
        records.write(job.exit, records.encode(Exit(outcome=outcome.value, ended_at=2.0)))

    def serve(self) -> list[str]:
        before = len(self.launched)
        serve_queue(self.state, BOOT, self.launch)
        return self.launched[before:]

    def reason(self, job_id: str) -> str:
        record = records.read(Exit, self.state.job(job_id).exit)
        assert record is not None
        assert record.outcome == "failed"
        return record.reason


def touch(path: str) -> None:
    with open(path, "w"):
        pass


@pytest.fixture
def house(state: StateDir) -> Iterator[House]:
    with contextlib.ExitStack() as runners:
        yield House(state, runners)


def test_an_empty_queue_launches_nothing(house: House) -> None:
    assert house.serve() == []


def test_a_state_directory_that_is_new_has_no_jobs(tmp_path: os.PathLike[str]) -> None:
    state = StateDir(os.fspath(tmp_path))

    assert open_jobs(state) == queued_jobs(state) == []


def test_as_many_jobs_start_as_may_run_at_once_the_oldest_first(house: House) -> None:
    for number, job_id in enumerate(["jold", "jmid", "jnew"]):
        house.queue_up(job_id, at=float(number), max_jobs=2)

    assert house.serve() == ["jold", "jmid"]
    assert house.serve() == []
    assert sorted(queued_jobs(house.state)) == ["jnew"]


def test_the_next_job_starts_when_one_has_ended(house: House) -> None:
    first = house.queue_up("jone", at=1.0, max_jobs=1)
    house.queue_up("jtwo", at=2.0, max_jobs=1)
    assert house.serve() == ["jone"]
    house.end(first, Outcome.FAILED)

    assert house.serve() == ["jtwo"]
    assert open_jobs(house.state) == ["jtwo"]


def test_a_lost_job_takes_no_place_and_stays_open_until_it_is_swept(house: House) -> None:
    lost = house.queue_up("jlost", max_jobs=1)
    records.write(lost.status, records.encode(Status(state="running", boot_id=BOOT, runner_pid=7)))
    house.queue_up("jnext", at=2.0, max_jobs=1)

    assert house.serve() == ["jnext"]
    assert sorted(open_jobs(house.state)) == ["jlost", "jnext"]
    assert queued_jobs(house.state) == ["jnext"]


def test_a_job_starts_after_those_that_it_waits_for(house: House) -> None:
    first = house.queue_up("jone")
    house.queue_up("jtwo", after=("jone",))

    assert house.serve() == ["jone"]
    assert house.serve() == []
    house.end(first, Outcome.COMPLETED)
    assert house.serve() == ["jtwo"]


def test_a_failure_runs_through_all_that_wait_for_it_in_one_go(house: House) -> None:
    first = house.queue_up("jone", at=5.0)
    house.queue_up("jtwo", at=4.0, after=("jone",))
    house.queue_up("jthree", at=3.0, after=("jtwo",))
    house.queue_up("jfour", at=2.0, after=("jthree",))
    house.queue_up("jfree", at=1.0)
    house.end(first, Outcome.KILLED)

    assert house.serve() == ["jfree"]
    assert "job jone" in house.reason("jtwo")
    assert "ended as killed" in house.reason("jtwo")
    assert "job jtwo" in house.reason("jthree")
    assert "job jthree" in house.reason("jfour")
    assert open_jobs(house.state) == ["jfree"]
    assert house.serve() == []


def test_a_job_that_waits_for_one_that_is_gone_fails_and_says_so(house: House) -> None:
    house.queue_up("jtwo", after=("jgone",))

    assert house.serve() == []
    assert "jgone" in house.reason("jtwo")
    assert "no longer exists" in house.reason("jtwo")


def test_a_job_that_waits_for_a_lost_one_fails(house: House) -> None:
    lost = house.queue_up("jlost")
    records.write(lost.status, records.encode(Status(state="running", boot_id="another boot", runner_pid=7)))
    house.queue_up("jtwo", after=("jlost",))

    assert house.serve() == []
    assert "ended as lost" in house.reason("jtwo")


def test_a_withdrawn_job_is_not_launched_and_its_marks_go(house: House) -> None:
    job = house.queue_up("jone")
    assert end_unowned(job, Exit(outcome="killed", ended_at=1.0))

    assert house.serve() == []
    assert open_jobs(house.state) == queued_jobs(house.state) == []


def test_marks_of_jobs_that_wait_no_longer_are_removed(house: House) -> None:
    house.queue_up("jone")
    touch(house.state.queue_mark("jgone"))
    touch(os.path.join(house.state.queue, "not a job"))
    assert house.serve() == ["jone"]
    assert house.serve() == []

    assert queued_jobs(house.state) == []
    assert os.listdir(house.state.queue) == ["not a job"], "what is not ours stays"


def test_a_job_that_was_never_recorded_keeps_its_mark_until_it_is_old(house: House) -> None:
    touch(house.state.open_mark("jyoung"))
    touch(house.state.open_mark("jold"))
    os.utime(house.state.open_mark("jold"), (1.0, 1.0))

    assert house.serve() == []
    assert open_jobs(house.state) == ["jyoung"]


def test_a_job_whose_spec_cannot_be_read_is_not_launched_and_holds_up_nobody(house: House) -> None:
    broken = house.queue_up("jbad")
    with open(broken.spec, "w") as file:
        file.write("{")
    house.queue_up("jgood", at=2.0, max_jobs=1)

    assert house.serve() == ["jgood"]


def test_a_job_that_ends_at_once_makes_way_at_the_next_look(house: House) -> None:
    house.queue_up("jone", max_jobs=1)
    house.queue_up("jtwo", max_jobs=1, after=("jone",))
    for _ in range(2):
        serve_queue(house.state, BOOT, house.launch_and_end)

    assert house.launched == ["jone", "jtwo"]
    assert observe(house.state.job("jtwo"), BOOT).outcome is Outcome.COMPLETED


def test_two_who_serve_the_queue_at_once_launch_each_job_once(house: House) -> None:
    for number in range(20):
        house.queue_up(f"j{number:03d}", at=float(number), max_jobs=20)
    together = threading.Barrier(3)

    def serve() -> None:
        together.wait(PATIENCE_S)
        house.serve()

    threads = [threading.Thread(target=serve) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)

    assert house.launched == [f"j{number:03d}" for number in range(20)]


def test_who_does_not_get_the_queue_leaves_it_to_the_one_who_has_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "LOCK_PATIENCE_S", 0.0)
    house.queue_up("jone")
    with lock.held(house.state.queue_lock, patience_s=0):
        assert house.serve() == []

    assert house.serve() == ["jone"]


def test_a_launch_that_goes_wrong_does_not_leave_the_queue_locked(house: House) -> None:
    house.queue_up("jone")

    def fail(_job: JobDir) -> None:
        raise RuntimeError("no processes left")

    with pytest.raises(RuntimeError):
        serve_queue(house.state, BOOT, fail)
    assert house.serve() == ["jone"]


# -- ending a job that nobody owns -------------------------------------------------------------------------------------

KILLED = Exit(outcome="killed", ended_at=1.0, reason="withdrawn")


def test_a_job_that_nobody_owns_can_be_ended_once(house: House) -> None:
    job = house.queue_up("jone")

    assert end_unowned(job, KILLED)
    assert not end_unowned(job, Exit(outcome="failed", ended_at=2.0))
    assert records.read(Exit, job.exit) == KILLED
    assert open_jobs(house.state) == []


def test_a_job_that_a_runner_owns_is_not_ended_behind_its_back(house: House) -> None:
    job = house.queue_up("jone")
    with lock.held(job.lock, patience_s=0):
        assert not end_unowned(job, KILLED)
    assert observe(job, BOOT).state is State.QUEUED


def test_a_job_that_a_runner_owned_is_lost_and_not_ended(house: House) -> None:
    job = house.queue_up("jone")
    records.write(job.status, records.encode(Status(state="starting", boot_id=BOOT, runner_pid=7)))

    assert not end_unowned(job, KILLED)
    assert not os.path.exists(job.exit)
