"""How a run ends: the table of statuses, and the one decision."""

from __future__ import annotations

import itertools

import pytest

from mcp_background_job.agents.adapters.base import ParsedEnd
from mcp_background_job.agents.events.ending import Ending, Facts, decide
from mcp_background_job.agents.records import CancelIntent
from mcp_background_job.core.run import TERMINAL, TRANSITIONS, EventType, RunStatus
from mcp_background_job.core.states import Outcome

CANCEL = CancelIntent(at=1.0, by="somebody")
PARSED = [None, *(ParsedEnd(status, {"final_response": "said"}) for status in sorted(TERMINAL))]


def test_every_status_has_a_row_and_only_ends_have_an_empty_one() -> None:
    assert set(TRANSITIONS) == set(RunStatus)
    assert {RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.REJECTED} == TERMINAL


def test_every_status_but_the_first_can_be_reached_and_none_leads_to_itself_or_back_to_the_queue() -> None:
    assert set().union(*TRANSITIONS.values()) == set(RunStatus) - {RunStatus.QUEUED}
    for status, following in TRANSITIONS.items():
        assert status not in following


def test_from_every_status_that_is_no_end_every_end_can_be_reached() -> None:
    for status in set(RunStatus) - TERMINAL:
        assert TRANSITIONS[status] >= TERMINAL


CASES = list(
    itertools.product(
        [None, CANCEL], Outcome, PARSED, [(0, None), (3, None), (None, "SIGSEGV")], [True, False], [True, False]
    )
)


@pytest.mark.requirement("runs.one_end")
@pytest.mark.parametrize("exit_is_result", [True, False])
def test_what_ranks_first_decides(*, exit_is_result: bool) -> None:
    for cancel, outcome, parsed, (exit_code, signal), was_started, _ in CASES:
        facts = Facts(
            outcome=outcome,
            reason="why",
            exit_code=exit_code,
            signal=signal,
            was_started=was_started,
            cancel=cancel,
            parsed=parsed,
            exit_is_result=exit_is_result,
        )
        expected = _expected(facts)

        assert decide(facts).status is expected, facts
        assert decide(facts).status in TERMINAL


def _expected(facts: Facts) -> RunStatus:
    if facts.cancel or facts.outcome is Outcome.KILLED:
        return RunStatus.CANCELLED
    if facts.outcome is Outcome.TIMED_OUT:
        return RunStatus.FAILED
    if facts.parsed:
        return facts.parsed.status
    if facts.outcome is Outcome.COMPLETED and facts.was_started and facts.exit_is_result:
        return RunStatus.COMPLETED
    return RunStatus.FAILED


SENTENCES = [
    (Facts(outcome=Outcome.COMPLETED, exit_code=0), "agent ended without a result", "no_result"),
    (Facts(outcome=Outcome.FAILED, exit_code=3, reason="exit code 3"), "agent ended with exit code 3", "exit"),
    (Facts(outcome=Outcome.FAILED, signal="SIGSEGV", reason="ended by SIGSEGV"), "agent was ended by SIGSEGV", "exit"),
    (Facts(outcome=Outcome.LOST, reason="its runner died"), "its runner died", "lost"),
    (Facts(outcome=Outcome.TIMED_OUT, reason="time limit of 5 s"), "time limit of 5 s", "time_limit"),
    (Facts(outcome=Outcome.FAILED, was_started=False, reason="not started: no"), "not started: no", "not_started"),
]


@pytest.mark.requirement("runs.no_result")
@pytest.mark.parametrize(("facts", "error", "reason"), SENTENCES)
def test_a_failure_says_why(facts: Facts, error: str, reason: str) -> None:
    ending = decide(facts)

    assert ending.status is RunStatus.FAILED
    assert (ending.data["error"], ending.data["reason"]) == (error, reason)


def test_what_the_agent_said_of_its_end_is_in_the_last_event_with_how_its_process_ended() -> None:
    parsed = ParsedEnd(RunStatus.COMPLETED, {"final_response": "done", "usage": {"tokens": 7}})

    ending = decide(Facts(outcome=Outcome.FAILED, exit_code=1, parsed=parsed))

    assert ending.data == {"final_response": "done", "usage": {"tokens": 7}, "status": "completed", "exit_code": 1}


def test_a_cancelled_run_says_who_wanted_it() -> None:
    assert decide(Facts(outcome=Outcome.KILLED, cancel=CANCEL)).data["by"] == "somebody"


@pytest.mark.parametrize(
    ("status", "event"),
    [
        (RunStatus.COMPLETED, EventType.RUN_COMPLETED),
        (RunStatus.FAILED, EventType.RUN_FAILED),
        (RunStatus.CANCELLED, EventType.STATUS_CHANGED),
        (RunStatus.REJECTED, EventType.REJECTED),
    ],
)
def test_each_end_has_its_event(status: RunStatus, event: EventType) -> None:
    assert Ending(status).event_type is event
