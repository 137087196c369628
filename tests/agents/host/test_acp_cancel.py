"""Cancelling: the agent is asked, given a moment, and left to the runner; the end is told before."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import pytest

from mcp_background_job.core.run import EventType, RunStatus
from tests.agents.host.driver import Host
from tests.conftest import Liveness
from tests.patience import PATIENCE_S

Start = Callable[..., Host]


def _cancel(host: Host) -> None:
    host.cancel()


def _terminate(host: Host) -> None:
    host.process.send_signal(signal.SIGTERM)


def _hang_up(host: Host) -> None:
    host.hang_up()


WAYS = [_cancel, _terminate, _hang_up]


@pytest.mark.parametrize("way", WAYS)
def test_an_agent_is_asked_to_stop_and_stops_its_tool(
    start_agent: Start, liveness: Liveness, way: Callable[[Host], None]
) -> None:
    host = start_agent(f"run exec {liveness.holder('tool')}")
    liveness.expect("tool")
    way(host)
    end = host.ended()
    liveness.assert_dead("tool")
    assert (end.status, end.data["stop_reason"]) == (RunStatus.CANCELLED, "cancelled")
    assert host.texts(EventType.AGENT_MESSAGE) == ["asked to stop"]


@pytest.mark.parametrize("way", WAYS[:2])
def test_a_pending_permission_is_answered_when_the_session_is_cancelled(
    start_agent: Start, way: Callable[[Host], None]
) -> None:
    host = start_agent("ask", "--deaf")
    host.wait_for(EventType.INPUT_REQUIRED)
    way(host)
    host.ended()
    assert "cancelled" in "".join(host.texts(EventType.AGENT_MESSAGE))
    assert host.parser.dump()["question"] is None


def test_an_agent_that_never_stops_is_left(start_agent: Start) -> None:
    host = start_agent("hang", "--deaf")
    host.wait_for(EventType.STATUS_CHANGED)
    host.cancel()
    assert host.ended().status is RunStatus.CANCELLED


def test_an_agent_that_reads_nothing_is_left_too(start_program: Start, liveness: Liveness) -> None:
    host = start_program(
        """
import json
connect("agent")
def answer(result):
    print(json.dumps({"jsonrpc": "2.0", "id": json.loads(sys.stdin.readline())["id"], "result": result}), flush=True)
answer({"protocolVersion": 1})
answer({"sessionId": "s"})
hang()
""",
        prompt="x" * 1_000_000,
    )
    host.wait_for(EventType.STATUS_CHANGED)
    liveness.expect("agent")
    host.cancel()
    assert host.ended().status is RunStatus.CANCELLED
    liveness.assert_alive("agent")  # ended by force by nobody but the runner


def test_a_session_that_has_not_begun_is_cancelled_at_once(start_program: Start, liveness: Liveness) -> None:
    host = start_program("connect('agent')\nhang()\n")
    liveness.expect("agent")
    host.cancel()
    assert host.ended().status is RunStatus.CANCELLED


def test_a_login_that_is_waited_for_can_be_cancelled(start_agent: Start) -> None:
    host = start_agent("echo hello", "--login")
    host.wait_for(EventType.AUTH_REQUIRED)
    host.cancel()
    assert host.ended().status is RunStatus.CANCELLED


def test_an_agent_that_dies_of_the_cancel_was_cancelled(start_agent: Start) -> None:
    host = start_agent("hang", "--die")
    host.wait_for(EventType.STATUS_CHANGED)
    host.cancel()
    assert host.ended().status is RunStatus.CANCELLED


def test_a_message_that_was_not_sent_yet_is_not_sent_after_a_cancel(start_agent: Start) -> None:
    host = start_agent("hang")
    host.wait_for(EventType.STATUS_CHANGED)
    host.answer("echo never")
    host.cancel()
    assert host.ended().status is RunStatus.CANCELLED
    assert "never" not in "".join(host.texts(EventType.AGENT_MESSAGE))


def test_a_host_cancelled_at_any_moment_tells_exactly_one_end(start_agent: Start) -> None:
    for cut in range(4):
        host = start_agent("flood 300")
        while len(host.lines) < cut * 90 and host.parser.end is None:
            host._read_line(time.monotonic() + PATIENCE_S)
        if host.parser.end is None:
            host.cancel()
        assert host.ended().status in (RunStatus.CANCELLED, RunStatus.COMPLETED)
        assert sum(b'{"end"' in line for line in host.lines) == 1
        assert b'{"end"' in host.lines[-1]
