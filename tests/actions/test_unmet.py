"""An answer that is not what was asked for is an error to those who look at that alone; a failure told is not."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_background_job.actions.comfyui.table import comfyui_actions
from mcp_background_job.actions.opening import at_hand
from mcp_background_job.comfyui.prompts.cancel_plan import Verdict
from mcp_background_job.server.answers import ERROR_CODE, as_tool_result

ACTIONS = {action.name: action for action in comfyui_actions(at_hand(None))}  # pyright: ignore[reportArgumentType]

MET: dict[str, list[str]] = {
    "comfyui_submit": ["pending", "in_progress", "completed", "failed", "cancelled", "running", "succeeded"],
    "comfyui_job": ["pending", "in_progress", "completed", "failed", "cancelled", "lost_to_restart", "not_sent"],
    "comfyui_cancel_job": ["cancelled", "finished_before_cancel", "failed"],
    "comfyui_cancel_queued_job": ["cancelled", "finished_before_cancel", "failed"],
    "comfyui_batch": ["pending", "running", "paused", "canceling", "succeeded", "failed", "canceled"],
    "comfyui_upload": ["uploaded"],
    "comfyui_download": ["downloaded"],
    "start_comfyui": ["started", "already_running", "starting", "queued"],
    "stop_comfyui": ["stopped", "not_running"],
    "restart_comfyui": ["restarted", "started", "starting", "queued", "requested"],
}

UNMET: dict[str, list[str]] = {
    "comfyui_submit": ["refused", "unknown"],
    "comfyui_job": ["unknown"],
    "comfyui_cancel_job": sorted(set(Verdict) - {"cancelled", "finished_before_cancel", "failed"}),
    "comfyui_cancel_queued_job": sorted(set(Verdict) - {"cancelled", "finished_before_cancel", "failed"}),
    "comfyui_upload": ["incomplete"],
    "comfyui_download": ["incomplete", "unreachable", "not_found"],
    "start_comfyui": ["failed"],
    "restart_comfyui": ["failed"],
}


@pytest.mark.parametrize("name", MET)
def test_an_answer_that_was_asked_for_is_no_error(name: str) -> None:
    assert [status for status in MET[name] if ACTIONS[name].failure({"status": status})] == []


@pytest.mark.parametrize("name", UNMET)
def test_an_answer_that_was_not_asked_for_is_an_error(name: str) -> None:
    assert [status for status in UNMET[name] if ACTIONS[name].failure({"status": status}) != status] == []


@pytest.mark.parametrize("name", ["comfyui_status", "comfyui_jobs", "comfyui_errors", "comfyui_session"])
def test_what_is_told_of_a_server_without_an_answer_is_an_error(name: str) -> None:
    assert ACTIONS[name].failure({"reachable": False}) == "unreachable"
    assert ACTIONS[name].failure({"reachable": True}) is None


@pytest.mark.parametrize("code", ["wedged", None])
def test_an_error_keeps_its_facts_and_has_a_code(code: str | None) -> None:
    facts: dict[str, Any] = {"status": "wedged"}
    result = as_tool_result(facts, [], code=code)
    assert (result.is_error, result.structured_content) == (code is not None, facts)
    assert (result.meta or {}).get(ERROR_CODE) == code
