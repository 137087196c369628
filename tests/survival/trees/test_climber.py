"""A climb that has reported survivors, and is wished for once more."""

from __future__ import annotations

import signal

import pytest

from mcp_background_job.core.ladder import KILL_PATIENCE_S, Step
from mcp_background_job.kernel.tree import Process
from mcp_background_job.runner.family import climber
from mcp_background_job.runner.family.climber import Climber


@pytest.mark.requirement("kill.survivors")
def test_each_wish_gets_a_try_and_a_report_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(climber.time, "monotonic", lambda: now)
    survivor = Process(pid=1, parent=0, session=0, state="D", start=0)
    sent: list[int] = []
    climb = Climber(signal.SIGTERM, 1.0, lambda _, number: sent.append(number))
    reports = 0
    for _ in range(3):
        wished_at, step = now, Step.WAIT
        while step is not Step.REPORT_SURVIVORS:
            step, due = climb.climb([survivor], alive=True)
            assert due is not None
            now = due
        reports += 1
        assert now - wished_at <= 1.0 + KILL_PATIENCE_S + 0.1
        climb.hurry(signal.SIGTERM, 3600.0)

    assert reports == 3
    assert sent[0] == signal.SIGTERM
    assert set(sent[1:]) == {signal.SIGKILL}
