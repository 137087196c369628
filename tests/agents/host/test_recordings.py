"""What four real ACP agents and an A2A agent sent over the wire, as events."""

from __future__ import annotations

from typing import Any

import pytest

from tests.agents.host.recordings import TOLD, actual, expected

AGENTS = ["claude", "codex", "gemini", "opencode"]


@pytest.fixture(scope="module")
def acp() -> dict[str, list[Any]]:
    return actual("acp")


def _ends(told: list[Any]) -> list[str]:
    return [kind for kind, _ in told if kind.startswith("end ")]


@pytest.mark.parametrize("protocol", TOLD)
def test_recordings_tell_what_they_told_when_people_last_looked(protocol: str) -> None:
    assert actual(protocol) == expected(protocol)


@pytest.mark.parametrize("agent", AGENTS)
def test_a_greeting_completes_with_what_was_said(acp: dict[str, list[Any]], agent: str) -> None:
    assert _ends(acp[f"{agent} hi"]) == ["end completed"]
    assert acp[f"{agent} hi"][-1][1]["final_response"].strip() == "hi from fake model"


@pytest.mark.parametrize("agent", AGENTS)
def test_a_refused_key_fails_the_run_for_that_reason(acp: dict[str, list[Any]], agent: str) -> None:
    kind, data = acp[f"{agent} http401"][-1]
    assert (kind, data["reason"]) == ("end failed", "auth")


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("case", ["perm_cancel", "sleep_cancel"])
def test_a_cancelled_turn_is_cancelled(acp: dict[str, list[Any]], agent: str, case: str) -> None:
    assert _ends(acp[f"{agent} {case}"]) == ["end cancelled"]


@pytest.mark.parametrize("agent", AGENTS)
def test_a_command_is_told_by_its_name_before_its_permission_is_asked_for(
    acp: dict[str, list[Any]], agent: str
) -> None:
    told = acp[f"{agent} tool_perm_allow"]
    kinds = [kind for kind, _ in told if kind.startswith(("command", "input")) and kind != "command_updated"]
    assert kinds == ["command_started", "input_required", "command_finished"]
    started = next(data for kind, data in told if kind == "command_started")
    assert started["command"] == "echo hello-from-tool; exit 3"


def test_an_exit_code_is_told_by_all_that_know_it(acp: dict[str, list[Any]]) -> None:
    codes = {
        agent: data["exit_code"]
        for agent in AGENTS
        for kind, data in acp[f"{agent} tool_perm_allow"]
        if kind == "command_finished"
    }
    assert codes == {"claude": 3, "codex": 3, "gemini": None, "opencode": 3}
