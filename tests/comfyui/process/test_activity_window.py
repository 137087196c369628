"""What the threads of a server did lately, whatever they did before."""

from __future__ import annotations

import pytest

from mcp_background_job.comfyui.process.activity_window import SHORTEST_S, WINDOW_S, ActivityWindow
from mcp_background_job.processes.threads import Activity, ThreadState


def _sample(cpu_s: float) -> Activity:
    main = ThreadState("S", 0.0, "ep_poll")
    return Activity(7, "S", cpu_s, {7: main, 8: ThreadState("S", cpu_s, "futex_wait_queue")})


def _window(*samples: tuple[float, float]) -> ActivityWindow:
    window = ActivityWindow()
    for at, cpu_s in samples:
        window.add(at, _sample(cpu_s))
    return window


def test_a_window_that_is_too_short_says_nothing() -> None:
    window = _window((0.0, 1.0), (SHORTEST_S - 0.1, 1.0))
    assert (window.idle(), window.cpu_share()) == (None, None)
    assert ActivityWindow().idle() is None


def test_what_worked_at_first_and_hangs_now_is_idle_when_the_window_has_rolled_on() -> None:
    window = _window((0.0, 1.0), (2.0, 3.0))
    assert (window.idle(), window.cpu_share()) == (False, 1.0)
    window.add(2.0 + WINDOW_S - 1, _sample(3.0))
    assert window.idle() is False
    window.add(2.0 + WINDOW_S, _sample(3.0))
    assert (window.idle(), window.cpu_share()) == (True, 0.0)
    assert window.over_s == WINDOW_S


@pytest.mark.parametrize("nothing", [None, Activity(7)])
def test_a_sample_that_says_nothing_is_left_out(nothing: Activity | None) -> None:
    window = _window((0.0, 1.0), (3.0, 1.0))
    window.add(4.0, nothing)
    assert window.idle() is True
