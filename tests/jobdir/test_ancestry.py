"""Who ends because an ancestor does, as the files say."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest

from mcp_background_job.errors import TooManyDescendantsError
from mcp_background_job.executors.family import Family
from mcp_background_job.jobdir import ancestry, lock, marks, order, queue, records
from mcp_background_job.jobdir.boot import boot_id
from mcp_background_job.jobdir.layout import RUN_ID_VARIABLE, JobDir, StateDir
from mcp_background_job.jobdir.records import Exit, LeaderExit, Spec, Status, StopRequest


def recorded(state: StateDir, job_id: str, *ancestors: str, **asked: Any) -> JobDir:
    """Record a job within others and mark it open."""
    job = state.job(job_id)
    os.mkdir(job.path)
    values: dict[str, Any] = {"env": {}, "max_jobs": 1, "created_at": 1.0, **asked}
    spec = Spec(
        job_id=job_id,
        command="true",
        argv=["true"],
        cwd="/",
        cookie="c",
        max_output=4096,
        parent=ancestors[0] if ancestors else None,
        ancestors=list(ancestors),
        **values,
    )
    records.write_spec(job, spec)
    marks.mark_open(state, marks.waiting_of(spec))
    return job


def spec_of(job: JobDir) -> Spec:
    spec = records.read(Spec, job.spec)
    assert spec is not None
    return spec


def wish(*, ago_s: float = 0.0, grace_s: float = 5.0, signal: str = "SIGTERM") -> StopRequest:
    return StopRequest(at=time.time() - ago_s, by="somebody", why="kill requested", signal=signal, grace_s=grace_s)


def runs(job: JobDir, **values: Any) -> None:
    """Publish that a job runs; the caller holds its lock."""
    status = Status(state="running", boot_id=boot_id(), runner_pid=os.getpid(), **values)
    records.write(job.status, records.encode(status))


def ended(job: JobDir, outcome: str, **values: Any) -> None:
    records.write(job.exit, records.encode(Exit(outcome=outcome, ended_at=2.0, **values)))


def test_nobody_ends_with_a_job_that_runs_or_was_never_there(state: StateDir) -> None:
    job = recorded(state, "jroot")
    with lock.held(job.lock):
        runs(job)
        assert ancestry.stop_of_ancestors(state, ["jroot", "jnever"]) is None


@pytest.mark.parametrize("outcome", ["killed", "timed_out", "lost"])
def test_descendants_end_with_a_job_that_has_not_ended_by_itself(state: StateDir, outcome: str) -> None:
    ended(recorded(state, "jroot"), outcome)

    stop = ancestry.stop_of_ancestors(state, ["jchild", "jroot"])

    assert stop is not None
    assert stop.why == "ended with job jroot"


@pytest.mark.parametrize("leftovers", ["keep", "kill"])
@pytest.mark.parametrize("outcome", ["completed", "failed"])
def test_they_outlive_its_own_end_unless_it_leaves_nothing(state: StateDir, outcome: str, leftovers: str) -> None:
    ended(recorded(state, "jroot", leftovers=leftovers), outcome)

    assert (ancestry.stop_of_ancestors(state, ["jroot"]) is not None) == (leftovers == "kill")


@pytest.mark.parametrize("leftovers", ["keep", "kill"])
def test_they_end_with_the_command_of_a_job_that_leaves_nothing(state: StateDir, leftovers: str) -> None:
    job = recorded(state, "jroot", leftovers=leftovers)
    with lock.held(job.lock):
        runs(job, leader_exit=LeaderExit(at=1.0, exit_code=0))
        assert (ancestry.stop_of(job) is not None) == (leftovers == "kill")


def test_a_job_whose_runner_is_dead_is_lost_before_anybody_has_swept_up(state: StateDir) -> None:
    job = recorded(state, "jroot")
    runs(job)

    assert ancestry.stop_of(job) is not None


def test_they_have_what_is_left_of_its_grace_period_and_its_signal(state: StateDir) -> None:
    job = recorded(state, "jroot")
    with lock.held(job.lock):
        runs(job, stop_requested=wish(ago_s=60, grace_s=100, signal="SIGINT"))
        stop = ancestry.stop_of(job)
        assert stop is not None
        assert (stop.signal, stop.by) == ("SIGINT", "somebody")
        assert 0 < stop.grace_s <= 40

        runs(job, stop_requested=wish(ago_s=60))
        stop = ancestry.stop_of(job)
        assert stop is not None
        assert (stop.signal, stop.grace_s) == ("SIGKILL", 0)


@pytest.mark.parametrize(
    ("own", "signal", "grace_s"),
    [
        ({}, "SIGTERM", ancestry.GRACE_S),
        ({"stop_signal": "SIGQUIT", "stop_grace_s": 0.5}, "SIGQUIT", 0.5),
        ({"stop_signal": "SIGINT"}, "SIGINT", ancestry.GRACE_S),
        ({"stop_grace_s": 60.0}, "SIGTERM", 60.0),
        ({"stop_signal": "SIGOFFNEXTYEAR"}, "SIGTERM", ancestry.GRACE_S),
    ],
)
def test_a_job_is_stopped_as_ends_it_best_where_nobody_says_how(
    state: StateDir, own: dict[str, Any], signal: str, grace_s: float
) -> None:
    stop = ancestry.own_stop(spec_of(recorded(state, "jroot", **own)), "runner", "enough")
    assert (stop.by, stop.why, stop.signal, stop.grace_s) == ("runner", "enough", signal, grace_s)
    assert ancestry.own_stop(spec_of(state.job("jroot")), "system", "told", within_s=0.2).grace_s == 0.2


@pytest.mark.parametrize(
    ("own", "wished", "signal", "grace_s"),
    [
        ({}, ("SIGHUP", 3.0), "SIGHUP", 3.0),
        ({"stop_signal": "SIGINT", "stop_grace_s": 1.0}, ("SIGHUP", 3.0), "SIGINT", 1.0),
        ({"stop_signal": "SIGINT", "stop_grace_s": 9.0}, ("SIGHUP", 3.0), "SIGINT", 3.0),
        ({"stop_signal": "SIGINT", "stop_grace_s": 9.0}, ("SIGKILL", 0.0), "SIGKILL", 0.0),
    ],
)
def test_with_an_ancestor_it_ends_as_ends_it_best_and_no_later(
    state: StateDir, own: dict[str, Any], wished: tuple[str, float], signal: str, grace_s: float
) -> None:
    spec = spec_of(recorded(state, "jroot", **own))
    stop = ancestry.as_ends_best(wish(signal=wished[0], grace_s=wished[1]), spec)
    assert (stop.by, stop.signal, stop.grace_s) == ("somebody", signal, grace_s)


def test_a_clock_that_was_set_lengthens_no_grace_period(state: StateDir) -> None:
    job = recorded(state, "jroot")
    with lock.held(job.lock):
        runs(job, stop_requested=wish(ago_s=-3600))
        stop = ancestry.stop_of(job)
    assert stop is not None
    assert stop.grace_s == 5


def test_the_farthest_ancestor_that_is_stopped_is_named_and_a_run_as_one(state: StateDir) -> None:
    ended(recorded(state, "jroot", env={RUN_ID_VARIABLE: "rabc"}), "killed")
    ended(recorded(state, "jchild", "jroot"), "killed")
    recorded(state, "jgrand", "jchild", "jroot")

    stop = ancestry.stop_of_ancestors(state, ancestry.ancestors_of(state.job("jgrand")))

    assert stop is not None
    assert stop.why == "ended with run rabc"


def test_the_queue_ends_what_has_a_stopped_ancestor(state: StateDir) -> None:
    recorded(state, "jroot")
    child = recorded(state, "jchild", "jroot")
    order.enter(state, marks.waiting_of(spec_of(child)))
    ended(state.job("jroot"), "timed_out")
    os.unlink(state.open_mark("jroot"))

    assert list(queue.due(state, boot_id())) == []

    record = records.read(Exit, child.exit)
    assert record is not None
    assert record.outcome == "killed"
    assert "ended with job jroot" in record.reason
    assert marks.open_jobs(state) == []


def test_a_job_starts_at_once_in_the_place_of_its_root_although_others_wait(state: StateDir) -> None:
    with lock.held(recorded(state, "jroot").lock):
        runs(state.job("jroot"))
        other = recorded(state, "jother")
        order.enter(state, marks.waiting_of(spec_of(other)))

        for ancestors, expected in ((["jroot"], True), (["jgone", "jroot"], True), (["jother"], False), ([], False)):
            job = marks.waiting_of(spec_of(recorded(state, f"jnew{len(os.listdir(state.jobs))}", *ancestors)))
            assert queue.may_start_at_once(state, job) is expected, ancestors


def test_of_one_too_many_or_too_deep_the_chain_is_told(state: StateDir) -> None:
    recorded(state, "jroot", env={RUN_ID_VARIABLE: "rabc"})
    recorded(state, "jone", "jroot")
    two = recorded(state, "jtwo", "jone", "jroot", max_descendants=2, max_depth=2)
    Family([state]).check_limits(spec_of(two))

    three = recorded(state, "jthree", "jtwo", "jone", "jroot", max_descendants=9, max_depth=2)
    with pytest.raises(TooManyDescendantsError, match=r"MCP_BG_MAX_DEPTH\): run rabc > job jone > job jtwo > this one"):
        Family([state]).check_limits(spec_of(three))
    with pytest.raises(TooManyDescendantsError, match=r"run rabc has 3 descendants .*MCP_BG_MAX_DESCENDANTS"):
        Family([state]).check_limits(spec_of(recorded(state, "jfour", "jone", "jroot", max_descendants=2)))


def test_of_a_family_whose_root_has_ended_the_next_one_is_the_root(state: StateDir) -> None:
    for number in range(3):
        recorded(state, f"jchild{number}", "jgone")

    Family([state]).check_limits(spec_of(recorded(state, "jgrand", "jchild0", "jgone", max_descendants=1, max_depth=1)))
