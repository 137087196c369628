"""A run's question in the form for pages: the text, its choices, and the data that answers each of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp_background_job.actions.action import Facts
from mcp_background_job.actions.page.runs.entries import changed_by, worded
from mcp_background_job.agents.adapters.reading import mapping, objects


def question_of(request: Mapping[str, Any] | None) -> Facts | None:
    """Return the question; ``None`` if there is none.

    ``choices`` answer at once, each with its ``data``. ``fields`` are several questions that are answered together, in
    ``data.answers``. ``takes_text``: a text alone is an answer.
    """
    if request is None:
        return None
    data: dict[str, Any] = request["data"]
    named = {"request_id": data["request_id"]} if "request_id" in data else {}
    questions = objects(data.get("questions"))
    alone = questions[0] if len(questions) == 1 and not questions[0].get("multiSelect") else None
    choices = [
        *[_choice(one, {"option_id": one.get("option_id")}) for one in objects(data.get("options"))],
        *[_choice(one, {"method_id": one.get("id")}) for one in objects(data.get("methods"))],
    ]
    if alone:
        asked = str(alone.get("question"))
        choices = [_choice(one, {"answers": {asked: one.get("label")}}) for one in objects(alone.get("options"))]
    arguments = mapping(data.get("tool_call")).get("input") or mapping(data.get("tool_call")).get("rawInput")
    changes = changed_by(arguments)
    return {
        "seq": request["seq"],
        "text": str(data.get("text") or data.get("error") or "It waits for an answer."),
        "name": named,
        "choices": [{**one, "data": {**one["data"], **named}} for one in choices],
        "fields": [] if alone else [_field(one) for one in questions],
        "takes_text": bool(alone) or not (choices or questions),
        "input": "" if changes or not arguments else worded(arguments),
        "changes": changes,
    }


def _choice(one: Facts, data: Facts) -> Facts:
    label = one.get("name") or one.get("label") or next(iter(data.values()), None)
    denies = str(one.get("kind", "")).startswith("reject")
    return {"label": str(label), "about": str(one.get("description") or ""), "denies": denies, "data": data}


def _field(one: Facts) -> Facts:
    options = [
        {"label": str(option.get("label")), "about": str(option.get("description") or "")}
        for option in objects(one.get("options"))
    ]
    return {"question": str(one.get("question")), "options": options, "several": bool(one.get("multiSelect"))}
