"""Runs of which a call is answered later: how they are meanwhile, and what they ask."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from mcp_background_job.actions.later import Going, Question
from mcp_background_job.core.text import duration, one_line

if TYPE_CHECKING:
    from mcp_background_job.agents.life.results import Run

#: Characters of what an agent said last, or asks.
_SHOWN = 200

#: The same of what it wants to use a tool with: whoever allows that has to see it, a script of some lines too.
_INPUT = 1000

#: What a person who declines to answer says to an agent: to a question about a permission, no.
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
    """Return with what a tool is to be used, as the adapters name it; empty if that is not known."""
    given = (call or {}).get("input") or (call or {}).get("rawInput")
    return one_line(json.dumps(given, ensure_ascii=False), _INPUT) if given else ""


def message_of(fields: dict[str, Any] | None) -> dict[str, Any]:
    """Return the message that an answer is to an agent."""
    text = _DECLINED if fields is None else str(fields.get("text", ""))
    return {"role": "user", "parts": [{"type": "text", "text": text}]}
