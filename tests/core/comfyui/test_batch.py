"""The life of a batch: every state of a prompt, every mixture of states, every wish."""

from __future__ import annotations

import itertools

import pytest

from mcp_background_job.core.comfyui.batch import (
    TERMINAL,
    Batch,
    BatchStatus,
    Counts,
    PromptState,
    count,
    spoken,
    state_of,
    status_of,
    told_apart,
)
from mcp_background_job.core.comfyui.submission import End, Stage

PENDING, RUNNING, SUCCEEDED, FAILED, CANCELED = PromptState

#: By what the journal has of a prompt: nothing of it was sent; sent and not answered; taken; refused.
STATES = {
    (Stage.WAITING, None): PENDING,
    (Stage.SENDING, None): RUNNING,
    (Stage.ACCEPTED, None): RUNNING,
    **{(stage, End.COMPLETED): SUCCEEDED for stage in (Stage.WAITING, Stage.SENDING, Stage.ACCEPTED)},
    **{(stage, End.FAILED): FAILED for stage in (Stage.WAITING, Stage.SENDING, Stage.ACCEPTED)},
    **{(stage, End.CANCELLED): CANCELED for stage in (Stage.WAITING, Stage.SENDING, Stage.ACCEPTED)},
    # What went with its server is sent again.
    **{(stage, End.LOST): PENDING for stage in (Stage.WAITING, Stage.SENDING, Stage.ACCEPTED)},
    # Whatever is said of what the server never took: it did not take it.
    **{(Stage.REFUSED, end): FAILED for end in (None, *End)},
}


@pytest.mark.parametrize("end", [None, *End])
@pytest.mark.parametrize("stage", Stage)
def test_a_prompt_is_where_the_journal_has_it(stage: Stage, end: End | None) -> None:
    assert state_of(stage, end) is STATES[stage, end]


def test_groups_are_counted_together_by_state() -> None:
    groups = [(stage, end, 10**place) for place, (stage, end) in enumerate(STATES)]
    counts = count(groups)

    assert counts.total == sum(number for _, _, number in groups)
    for state in PromptState:
        there = sum(number for stage, end, number in groups if STATES[stage, end] is state)
        assert getattr(counts, state) == there
    assert count([]) == Counts()


def test_what_may_run_and_what_is_over_is_all() -> None:
    counts = Counts(pending=1, running=10, succeeded=100, failed=1000, canceled=10000)

    assert (counts.may_run, counts.ended, counts.total) == (11, 11100, 11111)


#: None, one and several prompts of each state, with every wish.
MIXTURES = [
    (Counts(pending=p, running=r, succeeded=s, failed=f, canceled=c), cancel, paused)
    for p, r, s, f, c in itertools.product((0, 1, 7), repeat=5)
    for cancel, paused in itertools.product((False, True), repeat=2)
]


def _prompts(counts: Counts) -> list[PromptState]:
    return [state for state in PromptState for _ in range(getattr(counts, state))]


def _rule(states: list[PromptState], *, cancel: bool, paused: bool) -> BatchStatus:
    """The one word for a batch, as one would find it by going through its prompts."""
    if all(state in (SUCCEEDED, FAILED, CANCELED) for state in states):
        if all(state is SUCCEEDED for state in states):
            return BatchStatus.SUCCEEDED
        if CANCELED not in states:
            return BatchStatus.FAILED
        return BatchStatus.FAILED if FAILED in states and not cancel else BatchStatus.CANCELED
    if cancel:
        return BatchStatus.CANCELING
    if paused:
        return BatchStatus.PAUSED
    return BatchStatus.PENDING if all(state is PENDING for state in states) else BatchStatus.RUNNING


@pytest.mark.requirement("comfyui.batch.status")
def test_every_mixture_of_prompts_has_the_status_that_the_rules_say() -> None:
    assert len(MIXTURES) == 3**5 * 4
    for counts, cancel, paused in MIXTURES:
        status = status_of(counts, cancel_requested=cancel, paused=paused)
        assert status is _rule(_prompts(counts), cancel=cancel, paused=paused), (counts, cancel, paused)


@pytest.mark.requirement("comfyui.batch.status")
def test_a_batch_is_over_exactly_when_nothing_runs_and_nothing_may_still_run() -> None:
    for counts, cancel, paused in MIXTURES:
        is_over = status_of(counts, cancel_requested=cancel, paused=paused) in TERMINAL
        assert is_over == (counts.running == 0 and counts.pending == 0), (counts, cancel, paused)


def test_a_batch_has_succeeded_exactly_when_every_prompt_has() -> None:
    for counts, cancel, paused in MIXTURES:
        succeeded = status_of(counts, cancel_requested=cancel, paused=paused) is BatchStatus.SUCCEEDED
        assert succeeded == (counts.succeeded == counts.total), (counts, cancel, paused)


def test_no_failure_passes_for_success_and_no_cancel_is_seen_that_nobody_made() -> None:
    for counts, cancel, paused in MIXTURES:
        status = status_of(counts, cancel_requested=cancel, paused=paused)
        if status is BatchStatus.CANCELED:
            assert counts.canceled, counts
        if status is BatchStatus.FAILED:
            assert counts.failed, counts
        if status is BatchStatus.CANCELING:
            assert cancel, counts


def test_succeeded_and_canceled_prompts_of_a_batch_that_was_to_be_canceled_are_a_canceled_batch() -> None:
    assert status_of(Counts(succeeded=3, canceled=2), cancel_requested=True, paused=False) is BatchStatus.CANCELED
    # All had run before the wish: it changed nothing.
    assert status_of(Counts(succeeded=5), cancel_requested=True, paused=False) is BatchStatus.SUCCEEDED


def test_every_status_can_be_reached() -> None:
    found = {status_of(counts, cancel_requested=cancel, paused=paused) for counts, cancel, paused in MIXTURES}
    assert found == set(BatchStatus)


def test_wishes_are_noted_by_their_times() -> None:
    batch = Batch(batch_id="b1", server="http://one", created_at=1.0)

    assert (batch.cancel_requested, batch.is_paused) == (False, False)
    asked = Batch(batch_id="b1", server="http://one", created_at=1.0, cancel_requested_at=0.0, paused_at=0.0)
    assert (asked.cancel_requested, asked.is_paused) == (True, True)


def test_words_stay_the_same() -> None:
    assert [*PromptState] == ["pending", "running", "succeeded", "failed", "canceled"]
    assert [*BatchStatus] == ["pending", "running", "paused", "canceling", "succeeded", "failed", "canceled"]


@pytest.mark.parametrize(
    ("running", "runs", "waits", "told"),
    [
        (2, 1, 1, 1),
        (1, 1, 0, 1),
        (2, 0, 1, 1),  # one has just ended, or is on its way
        (1, 1, 1, 1),  # another was sent since, and waits
        (1, 0, 2, 0),
        (3, 4, 0, 4),  # another was sent since, and runs
        (3, 9, 0, 8),
    ],
)
def test_what_a_server_runs_is_running_whatever_was_sent_meanwhile(
    running: int, runs: int, waits: int, told: int
) -> None:
    counts = Counts(pending=8 - running, running=running, succeeded=1, failed=1)
    expected = Counts(pending=8 - told, running=told, succeeded=1, failed=1)
    assert told_apart(counts, runs=runs, waits=waits) == expected


@pytest.mark.parametrize(
    ("counts", "wanted"),
    [
        (Counts(pending=3), "0 of 3 over"),
        (Counts(succeeded=2), "2 of 2 over (2 completed)"),
        (
            Counts(running=1, succeeded=1, failed=1, canceled=2),
            "4 of 5 over (1 completed, 1 failed, 2 cancelled), 1 running",
        ),
        (Counts(canceled=5), "5 of 5 over (5 cancelled)"),
        (Counts(pending=1, running=2), "0 of 3 over, 2 running"),
    ],
)
def test_people_read_how_many_are_over_and_how_those_ended(counts: Counts, wanted: str) -> None:
    assert counts.in_words == wanted


@pytest.mark.parametrize("status", BatchStatus)
def test_people_read_one_spelling(status: BatchStatus) -> None:
    assert "canceled" not in spoken(status)
    assert "canceling" not in spoken(status)
