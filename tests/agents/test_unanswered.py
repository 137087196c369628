"""A model that cannot be asked fails the run, for the same reason whichever agent it is: an error is never an answer.

What Claude Code and Codex print stands in their recordings; the others try again for minutes before they give up, so
that their last words are written down here as they were seen.
"""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from a2a.client.errors import A2AClientError

from mcp_background_job.agents.adapters.base import ParsedEnd
from mcp_background_job.agents.adapters.table import adapter_named
from mcp_background_job.agents.host import acp_ends
from mcp_background_job.agents.host.a2a import end_of_trouble
from mcp_background_job.agents.host.acp_updates import Updates
from mcp_background_job.core.run import EventType, RunStatus
from tests.agents.recordings import adapter_of, lines_of

#: What goes wrong, and why the run fails.
REASONS = {"401": "auth", "429": "rate_limit", "500": "server_error", "drop": "api_error"}


def _printed(backend: str, lines: list[bytes], exit_code: int = 1) -> ParsedEnd | None:
    parser = adapter_named(backend).parser()
    for line in lines:
        parser.feed(line)
    parser.close(exit_code)
    return parser.end


def _recorded(recording: str) -> ParsedEnd | None:
    return _printed(adapter_of(recording), lines_of(recording))


def _gemini(error: str, exit_code: int) -> ParsedEnd | None:
    result = {"type": "result", "status": "error", "error": {"type": "unknown", "message": error}}
    return _printed("gemini", [json.dumps(result).encode()], exit_code)


def _antigravity(error: str) -> ParsedEnd | None:
    line = {"event": "result", "result": {"status": "ERROR", "response": "", "error": error}}
    return _printed("antigravity", [json.dumps(line).encode()])


def _opencode(name: str, **data: Any) -> ParsedEnd | None:
    return _printed("opencode", [json.dumps({"type": "error", "error": {"name": name, "data": data}}).encode()])


def _codex_over_acp(words: str, answer: dict[str, Any]) -> ParsedEnd:
    """Return the end of a turn as codex-acp tells it: as a good one, but for what stands beside the protocol."""
    updates = Updates()
    updates.feed({"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": words}})
    status = {"_meta": {"codex": {"threadStatus": {"type": "systemError"}}}}
    updates.feed({"sessionUpdate": "session_info_update", **status})
    updates.flush()
    return acp_ends.end_of_turn({"stopReason": "end_turn", **answer}, updates)


def _copilot(words: str) -> ParsedEnd:
    """Return the end of a turn as Copilot CLI tells it: as a good one, with the error as its last message."""
    updates = Updates()
    updates.agent = "Copilot"
    for piece in ("I look.", "Info: Request failed due to a transient API error. Retrying...", words):
        updates.feed({"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": piece}})
    updates.end_turn()
    return acp_ends.end_of_turn({"stopReason": "end_turn"}, updates)


def _typed(category: str, title: str) -> dict[str, Any]:
    failure = {"category": category, "severity": "error", "title": title}
    return {"_meta": {"jetbrains": {"air": {"version": 1, "sessionFailure": failure}}}}


def _a2a(status: int | None) -> ParsedEnd:
    request = httpx.Request("POST", "http://127.0.0.1/")
    cause: Exception = httpx.RemoteProtocolError("Server disconnected without sending a response.")
    if status is not None:
        cause = httpx.HTTPStatusError("no", request=request, response=httpx.Response(status))
    trouble = A2AClientError("the agent does not answer")
    trouble.__cause__ = cause
    return end_of_trouble(trouble)


ENDS: dict[str, ParsedEnd | None] = {
    "codex 401": _recorded("codex/http401"),
    "codex 429": _recorded("codex/http429"),
    "codex 500": _recorded("codex/http500"),
    "codex drop": _recorded("codex/drop"),
    "claude_code 401": _recorded("claude/http401"),
    "claude_code 429": _recorded("claude/http429"),
    "claude_code 500": _recorded("claude/http500"),
    "claude_code drop": _printed(
        "claude_code",
        [b'{"type": "result", "subtype": "success", "is_error": true, "result": "API Error: Connection error."}'],
    ),
    "gemini 401": _gemini("[API Error: no]", 145),
    "gemini 429": _gemini("[API Error: You have exhausted your capacity on this model.]", 173),
    "gemini 500": _gemini("[API Error: no]", 244),
    "gemini drop": _gemini("[API Error: terminated]", 1),
    "antigravity 401": _recorded("antigravity/http401"),
    "antigravity 429": _recorded("antigravity/http429"),
    "antigravity 500": _recorded("antigravity/http500"),
    "antigravity drop": _antigravity("agent executor error: stream error: connection reset by peer"),
    "opencode 401": _opencode("APIError", message="no", statusCode=401),
    "opencode 429": _opencode("APIError", message="no", statusCode=429),
    "opencode 500": _opencode("APIError", message="no", statusCode=500),
    "opencode drop": _opencode("UnknownError", message="The socket connection was closed unexpectedly."),
    "codex-acp 401": acp_ends.refused(-32000, "Authentication required", None),
    "codex-acp 429": _codex_over_acp("", _typed("limit", "Too much for now.")),
    "codex-acp 500": _codex_over_acp("", _typed("service", "Something broke.")),
    "codex-acp drop": _codex_over_acp("", _typed("connection", "Connection to Codex was lost.")),
    "codex-acp that tells no category 429": _codex_over_acp("exceeded retry limit, last status: 429 Too Many", {}),
    "codex-acp that tells no category 500": _codex_over_acp("unexpected status 500 Internal Server Error", {}),
    "codex-acp that tells no category drop": _codex_over_acp("stream disconnected before completion", {}),
    "copilot --acp 401": _copilot("Error: Authentication failed with provider at http://127.0.0.1/v1 (HTTP 401)."),
    "copilot --acp 429": _copilot("Error: Failed to get response from the AI model; Last error: 429 Too Many Requests"),
    "copilot --acp 500": _copilot(
        "Error: Failed to get response from the AI model; retried 5 times (total retry wait time: 17.07 seconds) "
        "Last error: 500 Internal Server Error"
    ),
    "copilot --acp drop": _copilot("Error: Failed to get response from the AI model; Last error: fetch failed"),
    "gemini --acp 401": acp_ends.refused(401, "no", None),
    "gemini --acp 429": acp_ends.refused(429, "no", None),
    "gemini --acp 500": acp_ends.refused(500, "no", None),
    "gemini --acp drop": acp_ends.refused(-32603, "Internal error", {"details": "fetch failed"}),
    "claude-agent-acp 429": acp_ends.refused(-32603, "Internal error: API Error: Request rejected (429)", None),
    "claude-agent-acp 500": acp_ends.refused(-32603, "Internal error: API Error: 500 no", None),
    "remote_a2a 401": _a2a(401),
    "remote_a2a 429": _a2a(429),
    "remote_a2a 500": _a2a(500),
    "remote_a2a drop": _a2a(None),
}


@pytest.mark.parametrize("case", ENDS)
def test_a_model_that_cannot_be_asked_fails_the_run_for_one_of_four_reasons(case: str) -> None:
    end = ENDS[case]
    assert end
    assert (end.status, end.data["reason"]) == (RunStatus.FAILED, REASONS[case.rpartition(" ")[2]])
    assert end.data["error"], "in the words of the agent"
    assert "final_response" not in end.data


def test_what_codex_says_of_a_failure_is_its_error_and_not_its_answer() -> None:
    assert _codex_over_acp("the last words", {}).data["error"] == "the last words"
    assert _codex_over_acp("the last words", _typed("service", "The reason.")).data["error"] == "The reason."


def test_what_a_model_says_of_an_error_is_its_answer_whichever_agent_has_asked_it() -> None:
    for agent, answer in (("Copilot", {"usage": {"totalTokens": 18}}), ("another", {})):
        updates = Updates()
        updates.agent = agent
        updates.feed({"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": "Error: none"}})
        updates.end_turn()
        end = acp_ends.end_of_turn({"stopReason": "end_turn", **answer}, updates)
        assert (end.status, end.data["final_response"]) == (RunStatus.COMPLETED, "Error: none")


def test_that_copilot_tries_again_is_a_warning() -> None:
    updates = Updates()
    updates.agent = "Copilot"
    words = "Info: Request failed due to a transient API error. Retrying..."
    (event,) = updates.feed({"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": words}})
    assert (event.type, event.data) == (EventType.REASONING, {"text": words, "warning": True})


def test_a_trouble_that_codex_gets_over_is_a_warning_and_the_next_turn_knows_nothing_of_it() -> None:
    updates = Updates()
    failure = {"category": "connection", "severity": "warning", "title": "Reconnecting... 1/5"}
    told = {"sessionUpdate": "session_info_update", "_meta": {"jetbrains": {"air": {"sessionFailure": failure}}}}
    (event,) = updates.feed(told)
    assert (event.type, event.data) == (EventType.REASONING, {"text": "Reconnecting... 1/5", "warning": True})
    assert updates.feed(told) == [], "it says so with each change of its session"
    assert acp_ends.end_of_turn({"stopReason": "end_turn"}, updates).status is RunStatus.COMPLETED
    failed = {"sessionUpdate": "session_info_update", "_meta": {"codex": {"threadStatus": {"type": "systemError"}}}}
    updates.feed(failed)
    updates.begin_turn()
    assert acp_ends.end_of_turn({"stopReason": "end_turn"}, updates).status is RunStatus.COMPLETED


def test_a_turn_that_was_cancelled_is_cancelled_though_the_model_failed() -> None:
    updates = Updates()
    updates.feed({"sessionUpdate": "session_info_update", **_typed("service", "Something broke.")})
    assert acp_ends.end_of_turn({"stopReason": "cancelled"}, updates).status is RunStatus.CANCELLED
