"""The stop ladder, driven by clocks and deaths of every kind."""

from __future__ import annotations

import dataclasses

from hypothesis import example, given
from hypothesis import strategies as st

from mcp_background_job.core.ladder import KILL_PATIENCE_S, Progress, Step, next_step

SECONDS = st.floats(min_value=0.0, max_value=20.0, allow_nan=False)
GRACE = st.one_of(st.sampled_from([-1.0, 0.0, 0.01, 5.0]), st.floats(min_value=-5.0, max_value=60.0, allow_nan=False))
START = st.sampled_from([0.0, 0.5, 1e6])


def climbed(progress: Progress, step: Step, now: float) -> Progress:
    """What the caller of the plan remembers after carrying out a step."""
    match step:
        case Step.SIGNAL:
            return dataclasses.replace(progress, signalled_at=now)
        case Step.KILL:
            since = now if progress.killing_since is None else progress.killing_since
            return dataclasses.replace(progress, killing_since=since, killed_at=now)
        case Step.REPORT_SURVIVORS:
            return dataclasses.replace(progress, reported=True)
        case Step.WAIT | Step.DONE:
            return progress


@given(grace=GRACE, start=START, wake_ups=st.lists(st.tuples(SECONDS, st.booleans()), max_size=30))
@example(grace=5.0, start=0.0, wake_ups=[(0.0, True), (0.0, True), (5.0, True), (0.0, True), (6.0, True), (1.0, True)])
def test_steps_come_once_and_in_order_whatever_the_clock_and_the_processes_do(
    grace: float, start: float, wake_ups: list[tuple[float, bool]]
) -> None:
    progress = Progress(grace)
    now = start
    steps: list[Step] = []
    first_kill = 0.0
    for elapsed, alive in wake_ups:
        now += elapsed
        step, due = next_step(progress, now=now, alive=alive)
        assert (step is Step.DONE) == (not alive), "only death ends the climb, and death ends it"
        assert (due is None) == (step is Step.DONE)
        assert due is None or due >= now, "a wake-up in the past would spin"
        if step is Step.SIGNAL:
            assert grace > 0, "no grace, no polite signal"
            assert steps.count(Step.SIGNAL) == 0, "the polite signal is sent once"
            assert Step.KILL not in steps, "and never after SIGKILL"
        if step is Step.KILL:
            if grace > 0:
                assert progress.signalled_at is not None
                assert now >= progress.signalled_at + grace, "nobody is killed within the grace period"
            if Step.KILL not in steps:
                first_kill = now
        if step is Step.REPORT_SURVIVORS:
            assert steps.count(Step.REPORT_SURVIVORS) == 0, "survivors are reported once"
            assert Step.KILL in steps
            assert now - first_kill >= KILL_PATIENCE_S, "and not before SIGKILL had its time"
        progress = climbed(progress, step, now)
        steps.append(step)


@given(grace=GRACE, start=START, dies_after=st.integers(min_value=0, max_value=400))
def test_one_who_wakes_up_when_told_always_gets_further(grace: float, start: float, dies_after: int) -> None:
    progress = Progress(grace)
    now = start
    before: Step | None = None
    for wake_up in range(400):
        alive = wake_up < dies_after
        step, due = next_step(progress, now=now, alive=alive)
        if due is None:
            assert not alive
            return
        assert step is not Step.WAIT or before is Step.REPORT_SURVIVORS, "at the time it gave itself something is due"
        assert due > now or step in {Step.SIGNAL, Step.REPORT_SURVIVORS}, "what is repeated takes time"
        progress = climbed(progress, step, now)
        before, now = step, due
    assert progress.reported, "what lives through hundreds of rounds was reported"


@given(grace=st.floats(max_value=0.0, allow_nan=False), start=START)
def test_without_grace_the_first_step_is_sigkill(grace: float, start: float) -> None:
    assert next_step(Progress(grace), now=start, alive=True)[0] is Step.KILL


def test_a_tree_that_cannot_be_killed_is_signalled_killed_reported_and_killed_again() -> None:
    progress = Progress(5.0)
    now = 100.0
    seen: list[tuple[Step, float]] = []
    while now < 115:
        step, due = next_step(progress, now=now, alive=True)
        if not seen or seen[-1][0] is not step:
            seen.append((step, round(now, 1)))
        progress = climbed(progress, step, now)
        assert due is not None
        now = due

    assert seen == [
        (Step.SIGNAL, 100.0),
        (Step.KILL, 105.0),
        (Step.REPORT_SURVIVORS, 110.0),
        (Step.WAIT, 110.0),
        (Step.KILL, seen[-1][1]),
    ]


def test_a_wake_up_within_the_grace_period_waits_for_its_end() -> None:
    progress = Progress(5.0, signalled_at=10.0)

    assert next_step(progress, now=12.0, alive=True) == (Step.WAIT, 15.0)
    assert next_step(progress, now=15.0, alive=True)[0] is Step.KILL
