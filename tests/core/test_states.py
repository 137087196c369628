"""The table of a job's life, tested whole."""

from __future__ import annotations

import pytest

from mcp_background_job.core.states import (
    STATUSES,
    TRANSITIONS,
    Outcome,
    State,
    may_follow,
    outcome_of,
    status_of,
)


def test_every_state_has_a_row() -> None:
    assert set(TRANSITIONS) == set(State)


def test_every_state_can_be_reached_from_queued() -> None:
    reached = {State.QUEUED}
    frontier = [State.QUEUED]
    while frontier:
        new = TRANSITIONS[frontier.pop()] - reached
        reached |= new
        frontier += new
    assert reached == set(State)


def test_exited_is_the_only_final_state() -> None:
    assert [state for state in State if not TRANSITIONS[state]] == [State.EXITED]


def test_every_state_may_go_straight_to_exited_since_a_quick_job_does() -> None:
    assert all(may_follow(state, State.EXITED) for state in State)


def test_a_job_comes_back_to_the_queue_before_it_has_run_and_to_no_other_state_that_it_has_left() -> None:
    order = list(State)
    for old in State:
        for new in State:
            forward = order.index(new) >= order.index(old)
            assert may_follow(old, new) == (forward or (old, new) == (State.STARTING, State.QUEUED)), (old, new)


@pytest.mark.parametrize("outcome", [None, *Outcome])
@pytest.mark.parametrize("state", State)
def test_every_state_and_outcome_has_one_of_the_known_statuses(state: State, outcome: Outcome | None) -> None:
    status = status_of(state, outcome)

    assert status in STATUSES
    if state is State.QUEUED:
        assert status == "queued"
    elif state is not State.EXITED:
        assert status == "running"
    elif outcome is None:
        assert status == "lost", "unknown is never reported as success"
    else:
        assert status == outcome.value


def test_the_statuses_are_those_that_users_of_the_server_know() -> None:
    assert STATUSES == ("queued", "running", "completed", "failed", "killed", "timed_out", "lost")


@pytest.mark.parametrize(
    ("exit_code", "stopped_as", "expected"),
    [
        (0, None, Outcome.COMPLETED),
        (1, None, Outcome.FAILED),
        (255, None, Outcome.FAILED),
        (None, None, Outcome.FAILED),
        (0, Outcome.KILLED, Outcome.KILLED),
        (143, Outcome.KILLED, Outcome.KILLED),
        (None, Outcome.KILLED, Outcome.KILLED),
        (0, Outcome.TIMED_OUT, Outcome.TIMED_OUT),
        (None, Outcome.TIMED_OUT, Outcome.TIMED_OUT),
    ],
)
def test_the_outcome_follows_from_the_exit_code_unless_the_job_was_stopped(
    exit_code: int | None, stopped_as: Outcome | None, expected: Outcome
) -> None:
    assert outcome_of(exit_code, stopped_as) is expected
