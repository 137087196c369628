"""The queue's decisions: limits, order, dependencies."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_background_job.core.schedule import RUNS, Decision, Waiting, decide
from mcp_background_job.core.states import Outcome


def taken(count: int, **pools: int) -> list[Waiting]:
    """Return jobs that run, of which so many are in each pool."""
    return [
        Waiting(f"jr{number}", 0.0, 0, pools={pool: 0 for pool, held in pools.items() if number < held})
        for number in range(max([count, *pools.values()]))
    ]


IDS = [f"j{number:03d}" for number in range(12)]


@st.composite
def queues(draw: st.DrawFn) -> list[Waiting]:
    ids = draw(st.lists(st.sampled_from(IDS), unique=True, max_size=8))
    return [
        Waiting(
            job_id,
            created_at=draw(st.sampled_from([1.0, 2.0, 3.0])),
            max_jobs=draw(st.integers(min_value=1, max_value=5)),
            after=tuple(draw(st.lists(st.sampled_from(IDS), max_size=3))),
            is_own=draw(st.booleans()),
        )
        for job_id in ids
    ]


ENDED = st.dictionaries(st.sampled_from(IDS), st.sampled_from([None, *Outcome]))


@given(queue=queues(), running=st.integers(min_value=0, max_value=6), ended=ENDED)
def test_no_limit_is_exceeded_and_nobody_starts_before_what_it_waits_for(
    queue: list[Waiting], running: int, ended: dict[str, Outcome | None]
) -> None:
    jobs = {job.job_id: job for job in queue}
    decision = decide(queue, taken(running), ended)

    assert len(set(decision.launch)) == len(decision.launch)
    assert not set(decision.launch) & set(decision.fail)
    assert {*decision.launch, *decision.fail} <= set(jobs)
    for job_id in decision.launch:
        assert jobs[job_id].is_own or running < jobs[job_id].max_jobs
        assert all(ended.get(other) is Outcome.COMPLETED for other in jobs[job_id].after)
        running += not jobs[job_id].is_own
    for job in queue:
        broken = any(
            other in decision.fail or (other in ended and ended[other] is not Outcome.COMPLETED) for other in job.after
        )
        assert (job.job_id in decision.fail) == broken
        ready = not broken and all(ended.get(other) is Outcome.COMPLETED for other in job.after)
        if ready and job.job_id not in decision.launch:
            assert not job.is_own
            assert running >= job.max_jobs, "a job that could start was left waiting"
    order = [(jobs[job_id].created_at, job_id) for job_id in decision.launch]
    assert order == sorted(order)


@given(queue=queues(), ended=ENDED, data=st.data())
def test_the_order_in_which_the_directory_lists_jobs_does_not_matter(
    queue: list[Waiting], ended: dict[str, Outcome | None], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(queue))

    assert decide(shuffled, [], ended) == decide(queue, [], ended)


def test_the_oldest_jobs_get_the_free_places() -> None:
    queue = [Waiting("jnew", 3.0, 3), Waiting("jold", 1.0, 3), Waiting("jmid", 2.0, 3)]

    assert decide(queue, taken(1), {}).launch == ["jold", "jmid"]


def test_jobs_of_the_same_moment_start_in_the_order_of_their_ids() -> None:
    assert decide([Waiting("jb", 1.0, 9), Waiting("ja", 1.0, 9)], [], {}).launch == ["ja", "jb"]


def test_nothing_starts_when_all_places_are_taken() -> None:
    assert decide([Waiting("ja", 1.0, 2)], taken(2), {}) == Decision()


def test_a_job_waits_while_what_it_runs_after_is_live() -> None:
    assert decide([Waiting("jb", 1.0, 9, after=("ja",))], taken(1), {}) == Decision()


def test_a_job_starts_when_all_that_it_runs_after_completed() -> None:
    ended: dict[str, Outcome | None] = {"ja": Outcome.COMPLETED, "jb": Outcome.COMPLETED}

    assert decide([Waiting("jc", 1.0, 9, after=("ja", "jb"))], [], ended).launch == ["jc"]


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome is not Outcome.COMPLETED])
def test_a_job_fails_when_what_it_runs_after_did_not_complete(outcome: Outcome) -> None:
    ended: dict[str, Outcome | None] = {"ja": Outcome.COMPLETED, "jb": outcome}
    decision = decide([Waiting("jc", 1.0, 9, after=("ja", "jb"))], taken(99), ended)

    assert not decision.launch
    assert "jb" in decision.fail["jc"]
    assert outcome.value in decision.fail["jc"]


def test_all_of_a_chain_fail_at_once_in_whatever_order_they_were_asked_for() -> None:
    chain = [Waiting(f"j{number:04d}", float(-number), 9, after=(f"j{number - 1:04d}",)) for number in range(1, 3000)]

    decision = decide(chain, [], {"j0000": Outcome.KILLED})

    assert set(decision.fail) == {job.job_id for job in chain}
    assert "j0000" in decision.fail["j0001"]
    assert "killed" in decision.fail["j0001"]
    assert "j2998" in decision.fail["j2999"]
    assert "failed" in decision.fail["j2999"]


def test_jobs_of_our_own_neither_take_places_nor_wait_for_them() -> None:
    queue = [Waiting("ja", 1.0, 1, is_own=True), Waiting("jb", 2.0, 1), Waiting("jc", 3.0, 1, is_own=True)]

    assert decide(queue, [], {}).launch == ["ja", "jb", "jc"]
    assert decide(queue, taken(1), {}).launch == ["ja", "jc"]


def test_a_job_fails_without_waiting_for_the_rest_of_what_it_runs_after() -> None:
    decision = decide([Waiting("jc", 1.0, 9, after=("jlive", "jb"))], [], {"jb": Outcome.FAILED})

    assert list(decision.fail) == ["jc"]


def test_a_job_fails_when_what_it_runs_after_no_longer_exists() -> None:
    decision = decide([Waiting("jc", 1.0, 9, after=("jgone",))], [], {"jgone": None})

    assert "jgone" in decision.fail["jc"]
    assert "no longer exists" in decision.fail["jc"]


def test_a_blocked_job_does_not_hold_up_those_behind_it() -> None:
    queue = [Waiting("ja", 1.0, 9, after=("jlive",)), Waiting("jb", 2.0, 9)]

    assert decide(queue, taken(1), {}).launch == ["jb"]


def test_a_full_pool_holds_up_its_own_jobs_and_no_others() -> None:
    runs = {"runs": 2}
    queue = [Waiting("ja", 1.0, 9, pools=runs), Waiting("jb", 2.0, 9, pools=runs), Waiting("jc", 3.0, 9)]

    assert decide(queue, taken(1, runs=1), {}).launch == ["ja", "jc"]
    assert decide(queue, taken(2, runs=2), {}).launch == ["jc"]


def test_a_job_starts_when_each_of_its_pools_has_room() -> None:
    queue = [Waiting("ja", 1.0, 9, pools={"runs": 4, "session": 1})]

    assert decide(queue, taken(3, runs=3, session=1), {}) == Decision()
    assert decide(queue, taken(3, runs=3), {}).launch == ["ja"]


@given(
    limits=st.lists(st.dictionaries(st.sampled_from(["a", "b"]), st.integers(1, 3)), max_size=8),
    running=st.dictionaries(st.sampled_from(["a", "b"]), st.integers(0, 3)),
)
def test_no_pool_ever_holds_more_than_its_limit(limits: list[dict[str, int]], running: dict[str, int]) -> None:
    queue = [Waiting(f"j{number:03d}", float(number), 99, pools=pools) for number, pools in enumerate(limits)]
    held = dict(running)

    for job_id in decide(queue, taken(0, **running), {}).launch:
        for pool, limit in queue[int(job_id[1:])].pools.items():
            assert held.get(pool, 0) < limit
            held[pool] = held.get(pool, 0) + 1


# -- families ----------------------------------------------------------------------------------------------------------


def within(job_id: str, *ancestors: str, **asked: Any) -> Waiting:
    """Return a job that was asked for within others, the nearest first, by which one job may run at once."""
    return Waiting(job_id, 1.0, 1, ancestors=ancestors, **asked)


def test_what_runs_within_a_job_that_runs_uses_its_place() -> None:
    root = Waiting("jroot", 0.0, 1)
    queue = [within("jchild", "jroot"), within("jgrand", "jchild", "jroot"), Waiting("jother", 0.5, 1)]

    assert decide(queue, [root], {}).launch == ["jchild", "jgrand"]


def test_a_family_takes_one_place_however_many_run_and_whoever_has_ended_in_between() -> None:
    running = [Waiting("jroot", 0.0, 2), within("jgrand", "jgone", "jroot"), within("jchild", "jroot")]

    assert decide([Waiting("jother", 1.0, 2)], running, {}).launch == ["jother"]


def test_those_whose_root_has_ended_take_a_place_each() -> None:
    running = [within("jone", "jgone"), within("jtwo", "jgone")]

    assert decide([Waiting("jother", 1.0, 2)], running, {}) == Decision()
    assert decide([within("jthree", "jgone")], [], {}).launch == ["jthree"]


def test_what_runs_within_a_job_of_our_own_takes_a_place_since_that_has_none() -> None:
    own = Waiting("jown", 0.0, 1, is_own=True)

    assert decide([within("jone", "jown"), within("jtwo", "jown")], [own], {}).launch == ["jone"]


def test_an_agent_within_an_agent_uses_its_place_and_one_within_a_job_takes_one() -> None:
    agent = within("jagent", pools={RUNS: 1})
    queue = [within("jinner", "jstep", "jagent", pools={RUNS: 1}), Waiting("jother", 2.0, 9, pools={RUNS: 1})]

    assert decide(queue, [agent], {}).launch == ["jinner"]
    alone = [within("jinner", "jroot", pools={RUNS: 1})]
    assert decide(alone, [Waiting("jroot", 0.0, 1), agent], {}) == Decision()


def test_what_one_at_a_time_may_use_is_not_shared_with_descendants() -> None:
    agent = within("jagent", pools={"session s": 1})

    assert decide([within("jinner", "jagent", pools={"session s": 1})], [agent], {}) == Decision()


def test_whoever_has_a_stopped_ancestor_ends_with_the_farthest_and_those_behind_it_fail() -> None:
    queue = [
        within("jgrand", "jchild", "jroot"),
        within("jchild", "jroot"),
        Waiting("jafter", 1.0, 9, after=("jchild",)),
        within("jcousin", "jother"),
    ]

    decision = decide(queue, [], {}, {"jchild", "jroot"})

    assert decision.end == {"jgrand": "jroot", "jchild": "jroot"}
    assert decision.launch == ["jcousin"]
    assert "jchild, which it was to run after, ended as killed" in decision.fail["jafter"]
