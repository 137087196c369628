"""How an ACP session ends: the meaning of each stop reason, each error, and the exit of an agent. Pure."""

from __future__ import annotations

import json
from typing import Any

from mcp_background_job.agents.adapters.base import ParsedEnd
from mcp_background_job.agents.adapters.failures import AGENT_ERROR, AUTH, reason_of
from mcp_background_job.agents.adapters.reading import JsonObject, mapping, text
from mcp_background_job.agents.host.acp_failures import failure_in, has_given_up, is_fatal, reason_in
from mcp_background_job.agents.host.acp_updates import Updates
from mcp_background_job.agents.host.endings import failed
from mcp_background_job.core.run import RunStatus

#: The version of the protocol that we speak. In the draft of version 2, the answer to a prompt does not end the turn.
PROTOCOL_VERSION = 1

#: Status and sentence for each stop reason of the protocol.
_STOPS = {
    "end_turn": (RunStatus.COMPLETED, None),
    "cancelled": (RunStatus.CANCELLED, None),
    "refusal": (RunStatus.REJECTED, "the agent refused to go on"),
    "max_tokens": (RunStatus.FAILED, "the agent reached its limit of tokens before it was done"),
    "max_turn_requests": (RunStatus.FAILED, "the agent reached its limit of requests to the model before it was done"),
}

#: The protocol's code for a missing login. Some agents give the HTTP status of the model's server as the code instead.
AUTH_REQUIRED = -32000


def end_of_turn(answer: JsonObject, updates: Updates) -> ParsedEnd:
    """Return the end that the answer to a prompt reports."""
    reason = text(answer.get("stopReason"))
    if reason not in _STOPS:
        return failed(
            "protocol", f"the agent ended its turn for a reason that is not known: {answer.get('stopReason')}"
        )
    status, error = _STOPS[reason]
    failure, words = failure_in(answer) or updates.failure, (updates.final_response or "").strip()
    has_failed = updates.has_failed or is_fatal(failure) or has_given_up(updates.agent, words, answer)
    if status is RunStatus.COMPLETED and has_failed:
        error = text(failure.get("title")) or words or "the turn failed"
        return failed(reason_in(failure, error), error, stop_reason=reason)
    quota = mapping(mapping(answer.get("_meta")).get("quota"))  # gemini
    usage = answer.get("usage") or quota.get("token_count") or updates.usage
    said = {"final_response": updates.final_response, "usage": usage, "stop_reason": reason}
    return ParsedEnd(status, said | ({"reason": reason, "error": error} if error else {}))


def refused(code: Any, message: str, data: Any, *, otherwise: str = AGENT_ERROR) -> ParsedEnd:
    """Return the end that follows from an agent's error; ``otherwise`` is the reason if no other one is found."""
    error = message if data is None else f"{message}: {json.dumps(data, ensure_ascii=False)}"
    reason = AUTH if code == AUTH_REQUIRED else reason_of(error, code)
    return failed(reason or otherwise, error, code=code)


def gone(exit_code: int | None, *, is_noise: bool) -> ParsedEnd:
    """Return the end of a session whose agent no longer answers."""
    if is_noise:
        advice = "start it as an agent (many need a flag for that, such as --acp)"
        return failed("protocol", f"what the program prints is not the Agent Client Protocol; {advice}")
    how = "closed its output, or wrote what is no message," if exit_code is None else _death(exit_code)
    error = f"the agent {how} in the middle of the session; its stderr is in the log of the run"
    return failed("agent_died", error, agent_exit_code=exit_code)


def _death(exit_code: int) -> str:
    return f"was ended by signal {-exit_code}" if exit_code < 0 else f"exited with code {exit_code}"


def strange_version(version: Any) -> ParsedEnd:
    """Return the end of a session with an agent that speaks another version of the protocol."""
    advice = "use a release of it that speaks version 1"
    return failed("protocol", f"the agent speaks version {version} of the Agent Client Protocol; {advice}")
