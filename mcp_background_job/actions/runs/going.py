"""Runs whose call is answered later: how they are doing, and what they ask."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from mcp_background_job.actions.later import Going, Question
from mcp_background_job.core.text import duration, one_line

if TYPE_CHECKING:
    from mcp_background_job.agents.life.results import Run

#: Characters of an agent's last message, or of its question.
_SHOWN = 200

#: Characters of a tool's input in a permission request: the person who allows it must see it, even a short script.
_INPUT = 1000

#: The answer that an agent gets if the person declines to answer; to a permission request it means no.
_DECLINED = "no"


def of_run(run: Run) -> Going:
    """Return how a run is going."""
    record, state = run.record, run.state
    since = state.started_at or record.created_at
    said = run.waits_for or one_line(state.summary, _SHOWN)
    how = f"{state.status} for {duration(time.time() - since)}" + (f": {said}" if said else "")
    return Going(doing=how, changed_at=state.updated_at or record.created_at, question=_question(run))


def _question(run: Run) -> Question | None:
    from mcp_background_job.agents.life.awaiting import asks

    asked = run.state.request
    if not asks(run) or asked is None:
        return None
    data: dict[str, Any] = asked["data"]
    words = one_line(str(data.get("text") or data.get("error") or ""), _SHOWN)
    options: list[dict[str, Any]] = data.get("options", [])
    field: dict[str, Any] = {"type": "string", "title": "Answer"}
    if options:
        field["enum"] = [str(option["option_id"]) for option in options]
        field["enumNames"] = [str(option.get("name") or option["option_id"]) for option in options]
    said = [f"{run.record.run_id} `{run.record.agent_name}` asks", words, _input_of(data.get("tool_call"))]
    text = ": ".join(filter(None, said))
    return Question(mark=str(asked["seq"]), text=text, fields={"text": field})


def _input_of(call: dict[str, Any] | None) -> str:
    """Return the input of a tool call, under the names that adapters give it; empty if it is not known."""
    given = (call or {}).get("input") or (call or {}).get("rawInput")
    return one_line(json.dumps(given, ensure_ascii=False), _INPUT) if given else ""


def message_of(fields: dict[str, Any] | None) -> dict[str, Any]:
    """Return the message to the agent for an answer."""
    text = _DECLINED if fields is None else str(fields.get("text", ""))
    return {"role": "user", "parts": [{"type": "text", "text": text}]}
