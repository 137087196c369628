"""A simulator whose free port another program has taken meanwhile takes another one."""

from __future__ import annotations

import socket

import pytest

from tests.comfyui_simulator import process
from tests.comfyui_simulator.process import PortTakenError, Simulator, free_port

pytestmark = pytest.mark.real_process


def test_a_port_that_was_taken_after_it_was_chosen_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = [taken.getsockname()[1], free_port()]
        monkeypatch.setattr(process, "free_port", lambda: ports.pop(0))
        with Simulator.start("--startup-delay", "0") as simulator:
            assert simulator.port != taken.getsockname()[1]
            assert ports == []


def test_a_port_that_was_asked_for_is_not_replaced() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(PortTakenError, match="already in use"):
        Simulator.start("--startup-delay", "0", "--port", str(taken.getsockname()[1]))
