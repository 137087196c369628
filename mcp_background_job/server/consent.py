"""Asks the person whom a client works for, by elicitation: in a request of ours, or in the newest era in an answer."""

from __future__ import annotations

import json
from typing import Any

from mcp_background_job.actions.caller import Answer, Ask, Question
from mcp_background_job.core.wire import utf8
from mcp_background_job.server.fastmcp_names import (
    Context,
    ElicitRequestedSchema,
    ElicitResult,
    InputRequiredResult,
    answer_to_form,
    elicited,
    form_in_answer,
    is_modern,
    shows_forms,
)

#: The one field of the form. Whoever accepts the form has not agreed yet: some clients do that on their own.
_FIELD = "go_ahead"
_FORM: ElicitRequestedSchema = {
    "type": "object",
    "properties": {_FIELD: {"type": "boolean", "title": "Yes, go ahead"}},
    "required": [_FIELD],
}

#: The name of the form among what an answer asks for.
_NAME = "consent"


class FirstAskError(Exception):
    """The call can be answered once a person has: the client asks them, and calls again with what they said."""

    def __init__(self, result: InputRequiredResult) -> None:
        """Takes the answer that has the client ask."""
        super().__init__("a person is to be asked first")
        self.result = result


def asks(context: Context) -> Ask | None:
    """Return the function that asks the person behind a client; ``None`` if the client cannot ask."""
    if not shows_forms(context):
        return None

    async def ask(question: Question) -> Answer:
        text = utf8(question.text)
        if not is_modern(context):
            return _meaning(await elicited(context, text, _FORM))
        said = answer_to_form(context, _NAME)
        if said is not None and _is_covered(question, context.request_state):
            return _meaning(said)
        raise FirstAskError(form_in_answer(_NAME, text, _FORM, _state(question)))

    return ask


def _meaning(said: ElicitResult) -> Answer:
    if said.action == "cancel":
        return Answer.NOTHING
    agreed = said.action == "accept" and (said.content or {}).get(_FIELD) is True
    return Answer.YES if agreed else Answer.NO


def _state(question: Question) -> str:
    """Return what was asked, for the client to bring back; the SDK seals it."""
    return json.dumps([question.matter, sorted(question.about)])


def _is_covered(question: Question, state: str | None) -> bool:
    """Tell whether the question that was asked then covers the question of now."""
    if state is None:
        return False
    asked: list[Any] = json.loads(state)
    matter, about = asked
    return matter == question.matter and question.about <= set(about)
