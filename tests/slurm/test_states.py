"""What Slurm's words mean, each of them."""

from __future__ import annotations

from itertools import product

import pytest

from mcp_background_job.core.states import Outcome, State
from mcp_background_job.executors.slurm.states import ENDED, GONE, LIVE, PENDING, Verdict, chosen, is_over, judge

#: All words of squeue(1), release 24.05.
WORDS = [
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "CONFIGURING",
    "COMPLETING",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PENDING",
    "PREEMPTED",
    "RUNNING",
    "RESV_DEL_HOLD",
    "REQUEUE_FED",
    "REQUEUE_HOLD",
    "REQUEUED",
    "RESIZING",
    "SIGNALING",
    "SPECIAL_EXIT",
    "STAGE_OUT",
    "STOPPED",
    "SUSPENDED",
    "TIMEOUT",
]

OUTCOMES = {
    "CANCELLED": Outcome.KILLED,
    "TIMEOUT": Outcome.TIMED_OUT,
    "DEADLINE": Outcome.TIMED_OUT,
    "OUT_OF_MEMORY": Outcome.FAILED,
    "FAILED": Outcome.FAILED,
    "NODE_FAIL": Outcome.LOST,
    "BOOT_FAIL": Outcome.LOST,
    "PREEMPTED": Outcome.LOST,
    "COMPLETED": Outcome.LOST,
    GONE: Outcome.LOST,
}


def test_every_word_is_in_one_row() -> None:
    assert sorted([*PENDING, *LIVE, *ENDED]) == sorted(WORDS)


@pytest.mark.parametrize("word", [*WORDS, GONE, "INVENTED", None])
def test_a_word_ends_a_job_only_if_it_says_so_and_has_stood_for_long_enough(word: str | None) -> None:
    for reported, is_claimed, is_settled in product(
        [None, State.STARTING, State.RUNNING], [False, True], [False, True]
    ):
        _check(word, reported, is_claimed=is_claimed, is_settled=is_settled)


def _check(word: str | None, reported: State | None, *, is_claimed: bool, is_settled: bool) -> None:
    verdict = judge(word, reported=reported, is_claimed=is_claimed, is_settled=is_settled)
    if word in OUTCOMES and is_settled:
        assert (verdict.state, verdict.outcome) == (State.EXITED, OUTCOMES[word])
        assert verdict.why
    elif reported:
        assert verdict == Verdict(reported)
    elif is_claimed or word in LIVE:
        assert verdict == Verdict(State.STARTING)
    else:
        assert verdict == Verdict(State.QUEUED)


def test_of_two_submissions_that_one_counts_which_runs() -> None:
    assert chosen({}, "") is None
    assert chosen({"9": "PENDING", "10": "PENDING"}, "") == ("9", "PENDING")
    assert chosen({"9": "CANCELLED", "10": "PENDING"}, "") == ("10", "PENDING")
    assert chosen({"9": "PENDING", "10": "RUNNING"}, "") == ("10", "RUNNING")
    assert chosen({"9": "COMPLETED", "10": "RUNNING"}, "9") == ("9", "COMPLETED")
    assert chosen({"10": "COMPLETED"}, "9") == ("9", GONE)


def test_what_nobody_knows_is_not_over() -> None:
    assert not is_over(None)
    assert not is_over("INVENTED")
    assert is_over(GONE)
