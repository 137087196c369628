"""The clock jumps an hour back or forth, or thirty days: no span of time follows it, and nothing is removed for it."""

from __future__ import annotations

import time
from pathlib import Path
from unittest.mock import Mock

import pytest

from mcp_background_job.actions.jobs.facts import duration_of
from mcp_background_job.core.job import Job
from mcp_background_job.core.states import Outcome, State
from mcp_background_job.jobdir import boot
from mcp_background_job.jobdir.observe import Observation
from mcp_background_job.jobdir.records import Exit, Status
from mcp_background_job.jobs.indexing import view
from mcp_background_job.jobs.indexing.trust import Trust
from mcp_background_job.jobs.waiting.hub import Watched

_HOUR = 3600.0
_DAY = 24 * _HOUR
_JUMPS = [0.0, _HOUR, -_HOUR, 30 * _DAY, -10_000 * _DAY]

_JOB = Job(job_id="j1", command="x", cwd="/", created_at=20_000 * _DAY, state=State.QUEUED)


@pytest.mark.parametrize("jump", _JUMPS)
def test_a_job_has_run_for_as_long_as_it_has(monkeypatch: pytest.MonkeyPatch, jump: float) -> None:
    began = _JOB.created_at
    status = Status(
        state="running", boot_id=boot.boot_id(), runner_pid=1, started_at=began, started_uptime=1000.0, pid=2
    )
    monkeypatch.setattr(boot, "uptime", lambda: 1000.0 + 90)
    monkeypatch.setattr(time, "time", lambda: began + 90 + jump)

    running = view.observed(_JOB, Observation(State.RUNNING, status=status))

    assert duration_of(running, time.time()) == pytest.approx(90, abs=1)
    assert (running.started_at == began) is (jump == 0), "it is what it was, unless the clock was set"


@pytest.mark.parametrize("jump", _JUMPS)
def test_a_job_that_has_ended_ran_for_as_long_as_it_did(jump: float) -> None:
    began = _JOB.created_at
    end = Exit(outcome="completed", started_at=began, ended_at=began + 90 + jump, duration_s=90.0)
    ended = view.observed(_JOB, Observation(State.EXITED, outcome=Outcome.COMPLETED, exit=end))
    assert duration_of(ended, 0.0) == pytest.approx(90, abs=1)


def test_what_cannot_be_compared_is_believed() -> None:
    status = Status(state="running", boot_id=boot.boot_id(), runner_pid=1, started_at=5.0, pid=2)
    assert view.started_at_of(status) == 5.0
    other_boot = Status(state="running", boot_id="x", runner_pid=1, started_at=5.0, started_uptime=1.0, pid=2)
    assert view.started_at_of(other_boot) == 5.0


@pytest.mark.parametrize("jump", _JUMPS)
def test_a_jump_is_no_silence(monkeypatch: pytest.MonkeyPatch, jump: float) -> None:
    wrote = _JOB.created_at + 30
    store = Mock(last_output_at=Mock(return_value=wrote), log_extent=Mock(return_value=(0, 7)))
    hub = Mock()
    hub.places.store_of.return_value = store
    watched = Watched(hub, "j1")
    status = Status(
        state="running", boot_id=boot.boot_id(), runner_pid=1, started_at=_JOB.created_at, started_uptime=1000.0
    )
    watched.seen = Observation(State.RUNNING, status=status)
    monkeypatch.setattr(boot, "uptime", lambda: 1000.0 + 90)
    monkeypatch.setattr(time, "time", lambda: _JOB.created_at + 90 + jump)

    size, wrote_at = watched._measured()

    assert size == 7
    assert wrote_at is not None
    silent_s = time.monotonic() - wrote_at
    assert silent_s == pytest.approx(60 if jump == 0 else 0, abs=5), "where it is not known, it begins now"


class _Clocks:
    def __init__(self, path: Path) -> None:
        self.date, self.uptime = 20_000 * _DAY, 50.0
        self._path = str(path / "clock.json")

    def pass_by(self, seconds: float) -> None:
        self.date += seconds
        self.uptime += seconds

    def is_trusted(self) -> bool:
        """Ask as a server does that was just started."""
        return Trust(self._path, clock=lambda: self.date, uptime=lambda: self.uptime).is_earned()


def test_nothing_is_removed_until_the_clock_has_gone_on_steadily_for_a_while(tmp_path: Path) -> None:
    clocks = _Clocks(tmp_path)
    asked: list[bool] = []
    for seconds in (0, 300, 299, 2, _HOUR):
        clocks.pass_by(seconds)
        asked.append(clocks.is_trusted())
    assert asked == [False, False, False, True, True]


@pytest.mark.parametrize("jump", [jump for jump in _JUMPS if jump])
def test_after_a_jump_it_is_asked_twice(tmp_path: Path, jump: float) -> None:
    clocks = _Clocks(tmp_path)
    clocks.is_trusted()
    clocks.pass_by(_HOUR)
    assert clocks.is_trusted()
    clocks.date += jump
    clocks.pass_by(_HOUR)
    assert not clocks.is_trusted()
    clocks.pass_by(1)
    assert not clocks.is_trusted(), "twice in a row is not enough: some time must pass"
    clocks.pass_by(_HOUR)
    assert clocks.is_trusted()


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"at": "x"}', b"\xff", b'{"at": 1, "uptime": null, "boot_id": 1}']
)
def test_a_file_that_says_nothing_begins_anew(tmp_path: Path, content: bytes) -> None:
    clocks = _Clocks(tmp_path)
    (tmp_path / "clock.json").write_bytes(content)
    assert not clocks.is_trusted()
    clocks.pass_by(_HOUR)
    assert clocks.is_trusted()


def test_a_restart_of_the_machine_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = _Clocks(tmp_path)
    clocks.is_trusted()
    clocks.pass_by(_HOUR)
    monkeypatch.setattr(boot, "boot_id", lambda: "another")
    assert not clocks.is_trusted()
