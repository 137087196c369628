"""The queue on disk: who is launched, who is ended, which marks go."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mcp_background_job.core.schedule import Decision, Waiting
from mcp_background_job.core.states import Outcome, State
from mcp_background_job.jobdir import claims, lock, marks, order, queue, records
from mcp_background_job.jobdir.claims import Claim
from mcp_background_job.jobdir.ending import end_unowned
from mcp_background_job.jobdir.layout import JobDir, StateDir
from mcp_background_job.jobdir.marks import facts_of, mark_open, open_jobs, queued_jobs, waiting_of
from mcp_background_job.jobdir.observe import observe
from mcp_background_job.jobdir.queue import due, may_start_at_once
from mcp_background_job.jobdir.records import Exit, Spec, Status
from tests.patience import PATIENCE_S

BOOT = "this boot"

#: Seconds that a process which was killed may take to be gone.
_PATIENCE_S = 20.0

pytestmark = pytest.mark.skipif(
    not hasattr(fcntl, "F_OFD_SETLK"), reason="a runner in the test's own process needs Linux's locks"
)


class House:
    """A state directory with jobs, and runners that do nothing but hold their locks until their jobs end."""

    def __init__(self, state: StateDir, runners: contextlib.ExitStack) -> None:
        self.state = state
        self.launched: list[str] = []
        self._runners = runners
        self._locks: dict[str, contextlib.ExitStack] = {}

    def queue_up(self, job_id: str, **asked: Any) -> JobDir:
        """Record a job and put it into the queue."""
        job, spec = self._record(job_id, **asked)
        mark_open(self.state, waiting_of(spec))
        order.enter(self.state, waiting_of(spec))
        return job

    def start_at_once(self, job_id: str, **asked: Any) -> Claim:
        """Claim, record and open a job that need not queue; it has no runner yet."""
        claim = claims.take(self.state, job_id)
        assert claim
        _, spec = self._record(job_id, **asked)
        mark_open(self.state, waiting_of(spec))
        return claim

    def queue_up_as_release_1(self, job_id: str, **asked: Any) -> JobDir:
        """Record a job and put it into the queue, as release 1.0.0 does."""
        job, _ = self._record(job_id, **asked)
        for mark in (self.state.open_mark(job_id), self.state.queue_mark(job_id)):
            touch(mark)
        return job

    def _record(
        self,
        job_id: str,
        *,
        at: float = 1.0,
        max_jobs: int = 9,
        after: tuple[str, ...] = (),
        is_own: bool = False,
    ) -> tuple[JobDir, Spec]:
        job = self.state.job(job_id)
        os.mkdir(job.path)
        spec = Spec(
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
            is_own=is_own,
        )
        records.write_spec(job, spec)
        return job, spec

    def launch(self, job: JobDir) -> None:
        """Be a runner that owns the job from now on."""
        self.launched.append(job.job_id)
        its_lock = self._locks[job.job_id] = self._runners.enter_context(contextlib.ExitStack())
        assert its_lock.enter_context(lock.held(job.lock)), "launched twice"
        self.leave_queue(job)
        records.write(job.status, records.encode(Status(state="running", boot_id=BOOT, runner_pid=7)))

    def launch_and_end(self, job: JobDir) -> None:
        """Be a runner of a job that completes at once."""
        self.launched.append(job.job_id)
        self.leave_queue(job)
        self.end(job, Outcome.COMPLETED)

    def leave_queue(self, job: JobDir) -> None:
        spec = records.read(Spec, job.spec)
        assert spec is not None
        order.leave(self.state, waiting_of(spec))

    def end(self, job: JobDir, outcome: Outcome) -> None:
        """Record the end of a job; its runner, if it has one, then lets go of the lock, as runners do."""
        records.write(job.exit, records.encode(Exit(outcome=outcome.value, ended_at=2.0)))
        if job.job_id in self._locks:
            self._locks.pop(job.job_id).close()

    def serve(self, launch: Callable[[JobDir], None] | None = None) -> list[str]:
        before = len(self.launched)
        for claim in due(self.state, BOOT):
            (launch or self.launch)(claim.job)
            claim.release()
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
    assert queued_jobs(house.state) == []


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
        house.serve(house.launch_and_end)

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


def test_who_finds_the_queue_held_leaves_word_and_its_holder_looks_again(house: House) -> None:
    house.queue_up("jone", at=1.0)
    house.queue_up("jtwo", at=2.0, after=("jone",))

    def end_at_once(job: JobDir) -> None:
        house.launch_and_end(job)
        with lock.held(house.state.order_lock) as got:
            assert got, "nobody holds the queue while a job is launched"
            assert house.serve() == []

    assert house.serve(end_at_once) == ["jone", "jtwo"]
    assert not os.path.exists(house.state.queue_again)


def test_a_look_that_comes_while_another_looks_is_not_lost(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.queue_up("jone", at=1.0, max_jobs=1)
    decide = queue.decide

    def decide_when_it_is_too_late(*arguments: object) -> Decision:
        decision = decide(*arguments)  # type: ignore[arg-type]
        if not os.path.exists(house.state.job("jtwo").path):
            house.queue_up("jtwo", at=2.0, max_jobs=2)
            assert house.serve() == [], "the queue is held"
        return decision

    monkeypatch.setattr(queue, "decide", decide_when_it_is_too_late)

    assert house.serve() == ["jone", "jtwo"]


def test_release_1_that_holds_its_lock_while_it_launches_holds_up_nobody(house: House) -> None:
    house.queue_up("jone")
    with lock.held(house.state.queue_lock):
        assert house.serve() == ["jone"]


def test_a_launch_that_goes_wrong_does_not_leave_the_queue_locked(house: House) -> None:
    house.queue_up("jone", at=1.0)
    house.queue_up("jtwo", at=2.0)

    def fail(_job: JobDir) -> None:
        raise RuntimeError("no processes left")

    with pytest.raises(RuntimeError):
        house.serve(fail)
    with lock.held(house.state.order_lock) as got:
        assert got


# -- claims ------------------------------------------------------------------------------------------------------------


def claims_of(house: House) -> dict[str, Claim]:
    return {claim.job.job_id: claim for claim in due(house.state, BOOT)}


def test_a_claimed_job_is_launched_by_nobody_else_and_takes_its_place(house: House) -> None:
    for number, job_id in enumerate(["jone", "jtwo", "jthree"]):
        house.queue_up(job_id, at=float(number), max_jobs=2)
    held = claims_of(house)
    assert sorted(held) == ["jone", "jtwo"]

    assert house.serve() == []
    house.launch(held["jone"].job)
    held["jone"].release()
    assert house.serve() == []
    held["jtwo"].release()


@pytest.mark.parametrize("when", ["at first", "between two listings"])
def test_what_is_started_at_once_takes_its_place_before_it_has_a_runner(
    house: House, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    house.queue_up("jolder", at=1.0, max_jobs=1)
    held: list[Claim] = []
    if when == "at first":
        held.append(house.start_at_once("jnow", at=2.0, max_jobs=1))
    else:
        open_jobs_of = marks.open_jobs

        def started_meanwhile(state: StateDir) -> list[str]:
            if not held:
                held.append(house.start_at_once("jnow", at=2.0, max_jobs=1))
            return open_jobs_of(state)

        monkeypatch.setattr(marks, "open_jobs", started_meanwhile)
    assert house.serve() == []
    house.launch(held[0].job)
    held[0].release()
    assert house.serve() == []


def test_a_claim_whose_file_was_removed_meanwhile_is_taken_anew(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    acquire, removed = lock.acquire, [False]

    def remove_once(path: str) -> int | None:
        descriptor = acquire(path)
        if not removed[0]:
            removed[0] = True
            os.unlink(path)
        return descriptor

    monkeypatch.setattr(lock, "acquire", remove_once)
    claim = claims.take(house.state, "jone")
    assert claim
    assert claims.living(house.state) == {"jone"}
    claim.release()
    assert claims.living(house.state) == set()


def test_a_queued_job_whose_spec_is_damaged_stays_in_the_queue_and_holds_up_nobody(house: House) -> None:
    damaged = house.queue_up("jone", at=1.0, max_jobs=1)
    house.queue_up("jtwo", at=2.0, max_jobs=1)
    records.write(damaged.spec, b"{")
    assert house.serve() == ["jtwo"]
    assert queued_jobs(house.state) == ["jone"]
    assert "jone" in order.entries(house.state)


def test_a_claim_that_is_let_go_of_without_a_launch_is_nobodys(house: House) -> None:
    house.queue_up("jone")
    claims_of(house)["jone"].release()

    assert house.serve() == ["jone"]


def test_a_claim_is_void_when_its_holder_is_killed(house: House) -> None:
    for number, job_id in enumerate(["jone", "jtwo"]):
        house.queue_up(job_id, at=float(number), max_jobs=1)
    claimer = subprocess.Popen([sys.executable, "-c", _CLAIM_ALL, house.state.path], stdout=subprocess.PIPE)
    with claimer:
        assert claimer.stdout is not None
        assert claimer.stdout.readline() == b"jone\n"
        assert house.serve() == [], "it is claimed"
        claimer.kill()
        claimer.wait(_PATIENCE_S)

    assert house.serve() == ["jone"]
    assert os.listdir(house.state.claims) == []


_CLAIM_ALL = """
import sys
from mcp_background_job.jobdir.layout import StateDir
from mcp_background_job.jobdir.queue import due, may_start_at_once
held = list(due(StateDir(sys.argv[1]), "this boot"))
print(*(claim.job.job_id for claim in held), flush=True)
sys.stdin.read()
"""


def test_a_child_inherits_the_claim_of_the_process_that_forked_it(house: House) -> None:
    house.queue_up("jone")
    claim = claims_of(house)["jone"]
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(write)
        os.read(read, 1)
        os._exit(0)
    os.close(read)
    os.close(claim.descriptor)

    assert house.serve() == [], "the child holds it"
    os.close(write)
    os.waitpid(child, 0)
    assert house.serve() == ["jone"]


# -- jobs of ours ------------------------------------------------------------------------------------------------------


def test_jobs_of_our_own_take_no_place_and_wait_for_none(house: House) -> None:
    for number in range(3):
        house.queue_up(f"jown{number}", at=float(number), max_jobs=1, is_own=True)
    house.queue_up("jone", at=8.0, max_jobs=1)
    house.queue_up("jtwo", at=9.0, max_jobs=1)
    house.queue_up("jown9", at=10.0, max_jobs=1, is_own=True)

    assert house.serve() == ["jown0", "jown1", "jown2", "jone", "jown9"]
    assert house.serve() == []


def test_a_job_of_our_own_waits_for_what_it_comes_after(house: House) -> None:
    first = house.queue_up("jone", max_jobs=1)
    house.queue_up("jown", max_jobs=1, after=("jone",), is_own=True)
    assert house.serve() == ["jone"]
    house.end(first, Outcome.COMPLETED)

    assert house.serve() == ["jown"]


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        (Waiting("jnew", 1.0, 3), True),
        (Waiting("jnew", 1.0, 2), False),
        (Waiting("jnew", 1.0, 2, is_own=True), True),
        (Waiting("jnew", 1.0, 9, ("jtwo",), is_own=True), False),
        (Waiting("jnew", 1.0, 9, ("jtwo",)), False),
        (Waiting("jnew", 1.0, 9, pools={"runs": 4}), False),
    ],
)
def test_who_starts_at_once(house: House, job: Waiting, expected: object) -> None:
    for job_id in ("jone", "jtwo", "jnew"):
        house.leave_queue(house.queue_up(job_id))

    assert may_start_at_once(house.state, job) is expected


def test_a_new_job_waits_behind_those_that_wait(house: House) -> None:
    house.queue_up("jone", max_jobs=9)

    assert not may_start_at_once(house.state, Waiting("jnew", 1.0, 9))


# -- what another release leaves ---------------------------------------------------------------------------------------


def test_a_job_that_release_1_queued_starts_and_until_then_gets_its_entry(house: House) -> None:
    house.queue_up("jone", max_jobs=1)
    house.queue_up_as_release_1("jtwo", at=2.0, max_jobs=1)
    assert house.serve() == ["jone"]

    assert list(order.entries(house.state)) == ["jtwo"]
    house.end(house.state.job("jone"), Outcome.COMPLETED)
    assert house.serve() == ["jtwo"]
    assert order.entries(house.state) == {}


def test_a_job_that_release_1_launched_from_our_queue_runs_and_counts(house: House) -> None:
    first = house.queue_up("jone", at=1.0, max_jobs=1)
    house.queue_up("jtwo", at=2.0, max_jobs=1)
    records.write(first.status, records.encode(Status(state="running", boot_id=BOOT, runner_pid=7)))
    with lock.held(first.lock):
        assert house.serve() == []
        assert list(order.entries(house.state)) == ["jtwo"]
    house.end(first, Outcome.COMPLETED)

    assert house.serve() == ["jtwo"]


def test_a_job_that_ends_while_it_is_entered_late_leaves_no_entry(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.queue_up("jone", max_jobs=1)
    late = house.queue_up_as_release_1("jtwo", at=2.0, max_jobs=1)
    enter = order.enter

    def enter_too_late(state: StateDir, job: Waiting) -> None:
        records.write(late.status, records.encode(Status(state="running", boot_id="other", runner_pid=7)))
        house.leave_queue(late)
        enter(state, job)

    monkeypatch.setattr(order, "enter", enter_too_late)
    assert house.serve() == ["jone"]

    assert order.entries(house.state) == {}


def test_what_has_no_entry_and_no_mark_any_more_is_cleared_away(house: House) -> None:
    house.queue_up("jone", max_jobs=1)
    job = house.queue_up("jtwo", at=2.0, max_jobs=1)
    house.end(job, Outcome.KILLED)
    os.unlink(house.state.open_mark("jtwo"))
    touch(os.path.join(house.state.order, "a note of somebody else"))

    assert house.serve() == ["jone"]
    assert os.listdir(house.state.order) == ["a note of somebody else"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"created_at": "x"}', '{"created_at": 1}', "\0"])
def test_a_mark_that_cannot_be_read_is_replaced_by_the_spec(house: House, content: str) -> None:
    house.queue_up("jone", max_jobs=7, after=("jzero",), is_own=True)
    with open(house.state.open_mark("jone"), "w") as file:
        file.write(content)

    assert facts_of(house.state, "jone") == Waiting("jone", 1.0, 7, ("jzero",), is_own=True)


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
    with lock.held(job.lock):
        assert not end_unowned(job, KILLED)
    assert observe(job, BOOT).state is State.QUEUED


def test_a_job_that_a_runner_owned_is_lost_and_not_ended(house: House) -> None:
    job = house.queue_up("jone")
    records.write(job.status, records.encode(Status(state="starting", boot_id=BOOT, runner_pid=7)))

    assert not end_unowned(job, KILLED)
    assert not os.path.exists(job.exit)
