"""The truth table of recovery, all of it."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from mcp_background_job.core.recovery import REBOOT, RUNNER_GONE, Traces, Verdict, judge
from mcp_background_job.core.states import State

REPORTED = (None, State.STARTING, State.RUNNING)
ALL_TRACES = [
    Traces(exited=exited, owned=owned, reported=reported, sweeping=sweeping, same_boot=same_boot)
    for exited, owned, reported, sweeping, same_boot in itertools.product(
        (False, True), (False, True), REPORTED, (False, True), (False, True)
    )
    if reported is not None or (not sweeping and same_boot)  # both are read from the status file
]


@pytest.mark.parametrize(
    ("traces", "verdict"),
    [
        (Traces(exited=False, owned=False, reported=None), Verdict(State.QUEUED)),
        (Traces(exited=False, owned=True, reported=None), Verdict(State.STARTING)),
        (Traces(exited=False, owned=True, reported=State.STARTING), Verdict(State.STARTING)),
        (Traces(exited=False, owned=True, reported=State.RUNNING), Verdict(State.RUNNING)),
        (
            Traces(exited=False, owned=False, reported=State.STARTING),
            Verdict(State.EXITED, lost=RUNNER_GONE, sweep=True),
        ),
        (
            Traces(exited=False, owned=False, reported=State.RUNNING),
            Verdict(State.EXITED, lost=RUNNER_GONE, sweep=True),
        ),
        (
            Traces(exited=False, owned=False, reported=State.RUNNING, same_boot=False),
            Verdict(State.EXITED, lost=REBOOT, sweep=True),
        ),
        (
            Traces(exited=False, owned=False, reported=State.STARTING, same_boot=False),
            Verdict(State.EXITED, lost=REBOOT, sweep=True),
        ),
        (
            Traces(exited=False, owned=True, reported=State.RUNNING, sweeping=True),
            Verdict(State.EXITED, lost=RUNNER_GONE, sweep=False),
        ),
        (
            Traces(exited=False, owned=False, reported=State.RUNNING, sweeping=True),
            Verdict(State.EXITED, lost=RUNNER_GONE, sweep=True),
        ),
        (Traces(exited=True, owned=True, reported=State.RUNNING), Verdict(State.EXITED)),
        (Traces(exited=True, owned=False, reported=State.RUNNING), Verdict(State.EXITED)),
        (Traces(exited=True, owned=False, reported=None), Verdict(State.EXITED)),
        (Traces(exited=True, owned=False, reported=State.RUNNING, same_boot=False), Verdict(State.EXITED)),
        (Traces(exited=True, owned=True, reported=State.RUNNING, sweeping=True), Verdict(State.EXITED)),
    ],
)
def test_traces_prove_this_verdict(traces: Traces, verdict: Verdict) -> None:
    assert judge(traces) == verdict


@pytest.mark.parametrize("traces", ALL_TRACES, ids=str)
def test_no_verdict_contradicts_its_traces(traces: Traces) -> None:
    verdict = judge(traces)

    if traces.reported is not None:
        assert verdict.state is not State.QUEUED, "a job that a runner took would be started twice"
    if traces.exited:
        assert verdict == Verdict(State.EXITED), "an exit record outranks everything"
    if verdict.lost:
        assert verdict.state is State.EXITED
        assert not traces.owned or traces.sweeping, "a job whose runner lives is not lost"
    if verdict.state is State.EXITED and not traces.exited:
        assert verdict.lost, "an end without a record has a reason"
    if verdict.sweep:
        assert verdict.lost
        assert not traces.owned, "nobody sweeps where a runner is at it"
    if verdict.lost and not traces.owned:
        assert verdict.sweep, "what a dead runner left is cleared away"


@pytest.mark.parametrize("owned", [False, True])
@pytest.mark.parametrize("sweeping", [False, True])
@pytest.mark.parametrize("reported", [State.STARTING, State.RUNNING])
def test_a_job_of_another_machine_is_what_its_runner_said_last(reported: State, *, sweeping: bool, owned: bool) -> None:
    traces = Traces(
        exited=False, owned=owned, reported=reported, sweeping=sweeping, same_boot=False, same_machine=False
    )

    assert judge(traces) == Verdict(reported)
    assert judge(dataclasses.replace(traces, exited=True)) == Verdict(State.EXITED)


def test_the_same_boot_is_the_same_machine_whatever_it_is_called() -> None:
    traces = Traces(exited=False, owned=False, reported=State.RUNNING, same_machine=False)

    assert judge(traces) == Verdict(State.EXITED, lost=RUNNER_GONE, sweep=True)


def test_the_reasons_tell_a_reboot_from_a_killed_runner() -> None:
    assert "restarted" in REBOOT
    assert "runner" in RUNNER_GONE
