"""The ladder of a cancel, row by row: what is done next, and which verdict is given on what evidence."""

from __future__ import annotations

import ast
import inspect
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_background_job.comfyui.prompts import cancel_plan
from mcp_background_job.comfyui.prompts.cancel_plan import (
    ABSENT_S,
    DELETE_S,
    FREE_S,
    INTERRUPT_S,
    LOOK_S,
    REFUSED_S,
    SILENT_LOOK_S,
    TROUBLE_S,
    WORKER_S,
    CancelPlan,
    Next,
    Place,
    Sight,
    Step,
    Verdict,
)
from mcp_background_job.comfyui.prompts.prompts import check_prompt_id
from mcp_background_job.comfyui.wire.answers import Finished
from mcp_background_job.comfyui.wire.trouble import Trouble
from mcp_background_job.core.comfyui.submission import End
from mcp_background_job.errors import InvalidRequestError

#: Before this a client may give up: nothing that a plan sees may keep it busy for longer.
LIMIT_S = 50.0

RUNNING = Sight(0.0, Place.RUNNING)
PENDING = Sight(0.0, Place.PENDING)
ABSENT = Sight(0.0, Place.ABSENT)
ENDED = {end: Sight(0.0, Place.ENDED, Finished("p", end)) for end in (End.COMPLETED, End.FAILED, End.CANCELLED)}
TROUBLED = {trouble: Sight(0.0, None, trouble=trouble) for trouble in Trouble}
DEAD_WORKER = replace(RUNNING, worker_dead=True)


def gone(sight: Sight) -> Sight:
    return replace(sight, process_gone=True)


def hold(sight: Sight, seconds: float, every: float = LOOK_S) -> list[tuple[float, Sight]]:
    """Return a sight that stays for so long, looked at again and again."""
    return [(every, sight)] * round(seconds / every)


def walk(plan: CancelPlan, *parts: Sight | Iterable[tuple[float, Sight]]) -> Next:
    """Show these to a plan, one look after another, until it has a verdict; returns what follows from the last."""
    return timed_walk(plan, *parts)[0]


def timed_walk(plan: CancelPlan, *parts: Sight | Iterable[tuple[float, Sight]]) -> tuple[Next, float]:
    at = 0.0
    following = Next()
    for part in parts:
        for passed, sight in [(LOOK_S, part)] if isinstance(part, Sight) else part:
            at += passed
            following = plan.see(replace(sight, at=at))
            if following.verdict is not None:
                return following, at
    return following, at


# The table -------------------------------------------------------------------------------------------------------

STEPS = {
    "pending": ([PENDING], Step.DELETE),
    "pending still": ([PENDING, PENDING], Step.DELETE),
    "running": ([RUNNING], Step.INTERRUPT),
    "running, just interrupted": ([RUNNING, RUNNING], Step.LOOK),
    "running, and deaf to it": ([hold(RUNNING, INTERRUPT_S + 0.1)], Step.FREE),
    "running, and asked to free memory": ([hold(RUNNING, INTERRUPT_S + 0.2)], Step.LOOK),
    "running, worker just seems dead": ([DEAD_WORKER, DEAD_WORKER], Step.LOOK),
    "begun to run while it was taken out": ([PENDING, RUNNING], Step.INTERRUPT),
    "missing for a moment": ([RUNNING, ABSENT], Step.LOOK),
    "silent once": ([TROUBLED[Trouble.SILENT]], Step.LOOK),
    "refused for a moment": ([RUNNING, TROUBLED[Trouble.REFUSED]], Step.LOOK),
    "dropped for a moment": ([RUNNING, TROUBLED[Trouble.DROPPED]], Step.LOOK),
    "broken for a moment": ([RUNNING, TROUBLED[Trouble.BROKEN]], Step.LOOK),
}


@pytest.mark.parametrize("name", STEPS)
def test_the_step_is_the_one_of_the_table(name: str) -> None:
    sights, step = STEPS[name]
    assert walk(CancelPlan(), *sights).step is step


_SILENCE = (SILENT_LOOK_S, TROUBLED[Trouble.SILENT])

VERDICTS = {
    "it was interrupted": ([RUNNING, ENDED[End.CANCELLED]], Verdict.CANCELLED),
    "it was over before": ([ENDED[End.COMPLETED]], Verdict.FINISHED),
    "it was interrupted by somebody before": ([ENDED[End.CANCELLED]], Verdict.CANCELLED),
    "it finished all the same": ([RUNNING, ENDED[End.COMPLETED]], Verdict.FINISHED),
    "it failed meanwhile": ([RUNNING, ENDED[End.FAILED]], Verdict.FAILED),
    "it was taken out": ([PENDING, ABSENT], Verdict.CANCELLED),
    "it was taken out, then missing after an error": (
        [PENDING, TROUBLED[Trouble.BROKEN], ABSENT],
        Verdict.CANCELLED,
    ),
    "it is pending for ever": ([hold(PENDING, DELETE_S + 0.2)], Verdict.PENDING),
    "nobody has heard of it": ([ABSENT], Verdict.NOT_FOUND),
    "it ran, and is nowhere": ([RUNNING, hold(ABSENT, ABSENT_S + 0.2)], Verdict.NOT_FOUND),
    "it was taken out too late, and is nowhere": (
        [PENDING, RUNNING, hold(ABSENT, ABSENT_S + 0.2)],
        Verdict.NOT_FOUND,
    ),
    "it is nowhere, on another process": ([gone(ABSENT)], Verdict.SERVER_DIED),
    "it was pending, and the process is another": ([PENDING, gone(ABSENT)], Verdict.SERVER_DIED),
    "it ran, and the process is another": ([RUNNING, gone(ABSENT)], Verdict.SERVER_DIED),
    "no step heeds the interrupt": ([hold(RUNNING, INTERRUPT_S + FREE_S + 0.5)], Verdict.WEDGED),
    "the worker is dead": ([hold(DEAD_WORKER, WORKER_S + 0.2)], Verdict.WEDGED),
    "two looks without an answer": ([[_SILENCE, _SILENCE]], Verdict.WEDGED),
    "a process that is stopped": ([replace(TROUBLED[Trouble.SILENT], process_suspended=True)], Verdict.WEDGED),
    "the process is gone": ([RUNNING, gone(TROUBLED[Trouble.REFUSED])], Verdict.SERVER_DIED),
    "the process is gone in the middle of an answer": (
        [RUNNING, gone(TROUBLED[Trouble.DROPPED])],
        Verdict.SERVER_DIED,
    ),
    "nobody listens any more": ([RUNNING, hold(TROUBLED[Trouble.REFUSED], REFUSED_S + 0.2)], Verdict.SERVER_DIED),
    "nobody listens": ([TROUBLED[Trouble.REFUSED]], Verdict.UNREACHABLE),
    "an error, from the first": ([TROUBLED[Trouble.BROKEN]], Verdict.UNREACHABLE),
    "errors only": ([RUNNING, hold(TROUBLED[Trouble.BROKEN], TROUBLE_S + 0.2)], Verdict.UNREACHABLE),
    "something else answers": ([TROUBLED[Trouble.NOT_COMFYUI]], Verdict.UNREACHABLE),
    "access is refused": ([TROUBLED[Trouble.FORBIDDEN]], Verdict.UNREACHABLE),
    "the host is away": ([TROUBLED[Trouble.UNREACHABLE]], Verdict.UNREACHABLE),
}


@pytest.mark.parametrize("name", VERDICTS)
def test_the_verdict_is_the_one_of_the_table(name: str) -> None:
    sights, verdict = VERDICTS[name]
    assert walk(CancelPlan(), *sights).verdict is verdict


ONLY_PENDING = {
    "it runs": ([RUNNING], Verdict.RUNNING),
    "it begins to run while it is taken out": ([PENDING, RUNNING], Verdict.RUNNING),
    "it is taken out": ([PENDING, ABSENT], Verdict.CANCELLED),
    "it is over": ([ENDED[End.COMPLETED]], Verdict.FINISHED),
    "it begins and ends while it is taken out": ([PENDING, ENDED[End.COMPLETED]], Verdict.FINISHED),
}


@pytest.mark.parametrize("name", ONLY_PENDING)
def test_one_that_runs_is_left_alone_when_only_a_pending_one_is_meant(name: str) -> None:
    sights, verdict = ONLY_PENDING[name]
    assert walk(CancelPlan(only_pending=True), *sights).verdict is verdict


def test_every_verdict_has_a_row_but_the_one_that_needs_no_prompt() -> None:
    rows = [*VERDICTS.values(), *ONLY_PENDING.values()]
    assert {verdict for _, verdict in rows} == set(Verdict) - {Verdict.NOTHING_RUNNING}


def test_every_step_has_a_row() -> None:
    assert {step for _, step in STEPS.values()} == set(Step)


def test_every_time_is_looked_at() -> None:
    source = ast.parse(inspect.getsource(cancel_plan))
    names = [name.id for name in ast.walk(source) if isinstance(name, ast.Name) and name.id.endswith("_S")]
    assert [name for name in set(names) if names.count(name) < 2] == []


# When ------------------------------------------------------------------------------------------------------------


def test_interrupts_are_repeated_at_growing_intervals() -> None:
    plan = CancelPlan()
    # In whole tenths, so that no sum of fractions decides which look is the first that is late enough.
    asked = [tick / 10 for tick in range(360) if plan.see(replace(RUNNING, at=tick / 10)).step is Step.INTERRUPT]
    gaps = [round(later - earlier, 1) for earlier, later in itertools.pairwise(asked)]
    assert gaps[:3] == [1.0, 2.0, 4.0]
    assert set(gaps[3:]) == {5.0}
    assert plan.interrupts == len(asked)


def test_a_step_that_answers_again_is_not_wedged() -> None:
    silences = [sight for _ in range(5) for sight in (_SILENCE, (LOOK_S, RUNNING))]
    assert walk(CancelPlan(), silences).verdict is None


def test_a_dead_worker_is_given_time_to_prove_the_evidence_wrong() -> None:
    following = walk(CancelPlan(), hold(DEAD_WORKER, WORKER_S - 0.2), RUNNING, RUNNING)
    assert following.verdict is None


def test_a_prompt_that_was_missing_and_came_back_is_not_lost() -> None:
    missing = [*hold(ABSENT, ABSENT_S - 0.2), (LOOK_S, RUNNING)] * 3
    assert walk(CancelPlan(), RUNNING, missing).verdict is None


SLOW = {
    "it stays pending for long and then runs": [hold(PENDING, DELETE_S - 0.2), hold(RUNNING, 60)],
    "it runs between errors": [[*hold(RUNNING, 0.2), *hold(TROUBLED[Trouble.BROKEN], TROUBLE_S - 0.3)] * 10],
    "it runs between silences": [[_SILENCE, (LOOK_S, RUNNING)] * 20],
    "it is missing between errors": [
        RUNNING,
        [*hold(ABSENT, 0.2), *hold(RUNNING, 0.2), *hold(TROUBLED[Trouble.BROKEN], TROUBLE_S - 0.3)] * 10,
    ],
    "it is silent in the end": [hold(RUNNING, INTERRUPT_S + FREE_S - 0.2), [_SILENCE, _SILENCE]],
}


@pytest.mark.parametrize("name", SLOW)
def test_a_client_does_not_give_up_before_there_is_a_verdict(name: str) -> None:
    following, took_s = timed_walk(CancelPlan(), *SLOW[name])
    # With an error at the limit nothing else is known.
    assert following.verdict in (Verdict.WEDGED, Verdict.UNREACHABLE)
    assert took_s < LIMIT_S


# Whatever is seen ------------------------------------------------------------------------------------------------

_sights = st.builds(
    Sight,
    at=st.just(0.0),
    place=st.none(),
    trouble=st.sampled_from(Trouble),
    process_gone=st.sampled_from([None, None, False, True]),
    process_suspended=st.booleans(),
) | st.sampled_from([RUNNING, PENDING, ABSENT, DEAD_WORKER, *ENDED.values(), gone(RUNNING), gone(ABSENT)])

#: What is seen, for how long, and how long a look at it takes.
_phases = st.lists(
    st.tuples(_sights, st.floats(0.0, 20.0), st.floats(0.0, SILENT_LOOK_S)),
    min_size=1,
    max_size=8,
)


def _played(plan: CancelPlan, phases: Sequence[tuple[Sight, float, float]]) -> list[tuple[Sight, Next]]:
    """Show phases over and over, at the pace that the plan asks for, until it has a verdict."""
    at = 0.0
    history: list[tuple[Sight, Next]] = []
    for sight, lasts_s, look_s in itertools.cycle(phases):
        began = at
        while not history or at - began <= lasts_s:
            took_s = SILENT_LOOK_S if sight.trouble is Trouble.SILENT else look_s
            at += took_s + (history[-1][1].look_after_s if history else 0.0)
            seen = replace(sight, at=at)
            history.append((seen, plan.see(seen)))
            if history[-1][1].verdict is not None:
                return history
            assert at <= LIMIT_S, history[-5:]
            if took_s == 0 and history[-1][1].look_after_s == 0:
                at += 0.01  # a request takes some time
        at += 0.001
    raise AssertionError


@given(_phases, st.booleans())
def test_whatever_is_seen_there_is_a_verdict_in_time(
    phases: list[tuple[Sight, float, float]],
    only_pending: bool,  # noqa: FBT001  drawn
) -> None:
    history = _played(CancelPlan(only_pending=only_pending), phases)
    assert history[-1][0].at <= LIMIT_S


@given(_phases)
def test_nothing_is_interrupted_when_only_a_pending_one_is_meant(phases: list[tuple[Sight, float, float]]) -> None:
    plan = CancelPlan(only_pending=True)
    steps = {following.step for _, following in _played(plan, phases)}
    assert steps <= {Step.LOOK, Step.DELETE}
    assert plan.interrupts == 0


@given(_phases)
def test_cancelled_is_said_on_evidence_only(phases: list[tuple[Sight, float, float]]) -> None:
    history = _played(CancelPlan(), phases)
    last, following = history[-1]
    if following.verdict is Verdict.CANCELLED:
        interrupted = last.finished is not None and last.finished.end is End.CANCELLED
        deleted = last.place is Place.ABSENT and any(one.step is Step.DELETE for _, one in history)
        ran = any(sight.place is Place.RUNNING for sight, _ in history)
        assert interrupted or (deleted and not ran)


@given(_phases)
def test_each_end_is_told_as_the_history_has_it(phases: list[tuple[Sight, float, float]]) -> None:
    words = {End.COMPLETED: Verdict.FINISHED, End.FAILED: Verdict.FAILED, End.CANCELLED: Verdict.CANCELLED}
    last, following = _played(CancelPlan(), phases)[-1]
    if last.finished:
        assert following.verdict is words[last.finished.end]
    else:
        assert following.verdict not in (Verdict.FINISHED, Verdict.FAILED)


@given(_phases)
def test_wedged_is_never_said_of_what_does_not_run(phases: list[tuple[Sight, float, float]]) -> None:
    last, following = _played(CancelPlan(), phases)[-1]
    if following.verdict is Verdict.WEDGED:
        assert last.place is Place.RUNNING or last.trouble is Trouble.SILENT


def test_what_is_too_long_for_an_id_is_no_id_and_not_repeated_whole() -> None:
    with pytest.raises(InvalidRequestError, match="301 characters is not the id of a prompt") as error:
        check_prompt_id("i" * 301)
    assert len(str(error.value)) < 200
    assert check_prompt_id("i" * 300)
