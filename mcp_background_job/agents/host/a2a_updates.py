"""Turns an A2A agent's responses into events. Pure: responses are the protocol's JSON (``statusUpdate`` …).

Chunks of one artifact become one event. Content that a snapshot of the task repeats is reported once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mcp_background_job.agents.adapters.base import Event, ParsedEnd
from mcp_background_job.agents.adapters.failures import AGENT_ERROR, reason_of
from mcp_background_job.agents.adapters.reading import JsonObject, mapping, objects
from mcp_background_job.agents.host.endings import failed
from mcp_background_job.core.run import EventType, RunStatus

#: Characters of an artifact after which it is reported in pieces, so that memory stays bounded.
ARTIFACT_MAX = 1024**2

#: States in which the agent has handed the turn over, and the status or event of each.
ENDS = {
    "TASK_STATE_COMPLETED": RunStatus.COMPLETED,
    "TASK_STATE_FAILED": RunStatus.FAILED,
    "TASK_STATE_CANCELED": RunStatus.CANCELLED,
    "TASK_STATE_REJECTED": RunStatus.REJECTED,
}
QUESTIONS = {
    "TASK_STATE_INPUT_REQUIRED": EventType.INPUT_REQUIRED,
    "TASK_STATE_AUTH_REQUIRED": EventType.AUTH_REQUIRED,
}

#: Reason and sentence for an end that the agent does not explain.
_UNEXPLAINED = {
    RunStatus.FAILED: (AGENT_ERROR, "the agent failed and does not say why"),
    RunStatus.REJECTED: ("rejected", "the agent rejected the task and does not say why"),
}


class Updates:
    """The state of the current task, turn after turn.

    Attributes:
        task_id: id of the task, once the agent has named it.
        context_id: id of the conversation that the task belongs to.
        state: state of the task, in the protocol's words; empty until the agent reports it in this turn.
    """

    def __init__(self, about: Mapping[str, Any] | None = None, context_id: str = "") -> None:
        """Takes the data that each new task's event repeats, and the id of the conversation to resume, if any."""
        self._about = dict(about or {})
        self.task_id = ""
        self.context_id = context_id
        self._heard: set[str] = set()
        self._told: set[str] = set()
        self._held: _Held | None = None
        self.begin_turn()

    def begin_turn(self) -> None:
        """Forget how the last turn ended."""
        self.state = ""
        self._said = ""
        self._results: list[str] = []
        self._results_length = 0

    def feed(self, response: JsonObject) -> list[Event]:
        """Take one response of the agent; returns its events."""
        match response:
            case {"task": {"status": {}} as task}:
                return [*self._name(task.get("id"), task.get("contextId")), *self._snapshot(task)]
            case {"statusUpdate": {"status": {}} as update}:
                named = self._name(update.get("taskId"), update.get("contextId"))
                return [*named, *self._status(update["status"])]
            case {"artifactUpdate": {"artifact": {}} as update}:
                named = self._name(update.get("taskId"), update.get("contextId"))
                return [*named, *self._artifact(update["artifact"], update)]
            case {"message": {} as message}:
                self.context_id = str(message.get("contextId") or self.context_id)
                self.state = "TASK_STATE_COMPLETED"  # a plain answer, without a task
                return self._say(message)
            case _:
                return [Event(EventType.REASONING, {"text": json.dumps(response), "unparsed": True})]

    @property
    def is_settled(self) -> bool:
        """Whether the agent has handed the turn over."""
        return self.state in ENDS or self.state in QUESTIONS

    @property
    def question(self) -> Event | None:
        """The agent's question, if it asks one."""
        kind = QUESTIONS.get(self.state)
        return Event(kind, {"kind": "question", "text": self._said}) if kind else None

    @property
    def end(self) -> ParsedEnd:
        """How the task ended."""
        status = ENDS.get(self.state)
        if status is None:
            return failed("protocol", f"the task is in a state that is not known: {self.state!r}")
        if status in _UNEXPLAINED:
            reason, error = _UNEXPLAINED[status]
            if status is RunStatus.FAILED:  # only its words say that its model refused it
                reason = reason_of(self._said) or reason
            return ParsedEnd(status, {"reason": reason, "error": self._said or error})
        return ParsedEnd(status, {"final_response": self._said or "\n".join(self._results) or None})

    def _name(self, task_id: Any, context_id: Any) -> list[Event]:
        if not task_id or task_id == self.task_id:
            return []
        self.task_id, self.context_id = str(task_id), str(context_id or self.context_id)
        ids = {"task_id": self.task_id, "context_id": self.context_id}
        return [Event(EventType.STATUS_CHANGED, {"status": "running", **ids, **self._about})]

    def _snapshot(self, task: JsonObject) -> list[Event]:
        told = self._status(task["status"])
        if self.is_settled:
            for artifact in objects(task.get("artifacts")):
                if str(artifact.get("artifactId")) not in self._told:
                    told += [*self._artifact(artifact, {"lastChunk": True})]
        return told

    def _status(self, status: JsonObject) -> list[Event]:
        self.state = str(status.get("state"))
        message = mapping(status.get("message"))
        self._said = text_of(objects(message.get("parts")))
        told = self._release() if self.is_settled else []
        # A question and a failure carry their text in their own event.
        is_talk = not self.is_settled or self.state == "TASK_STATE_COMPLETED"
        return [*told, *(self._say(message) if is_talk and message else [])]

    def _say(self, message: JsonObject) -> list[Event]:
        message_id = str(message.get("messageId"))
        self._said = text_of(objects(message.get("parts")))
        if message_id in self._heard:
            return []
        self._heard.add(message_id)
        return [Event(EventType.AGENT_MESSAGE, {"text": self._said, "message_id": message_id})]

    def _artifact(self, artifact: JsonObject, update: JsonObject) -> list[Event]:
        told: list[Event] = []
        more, is_last = update.get("append") is True, update.get("lastChunk") is True
        held = self._held
        if held is None or not more or held.artifact.get("artifactId") != artifact.get("artifactId"):
            told = self._release()
            held = self._held = _Held(artifact, is_more=more)
        held.add(objects(artifact.get("parts")))
        return [*told, *(self._release() if is_last or held.length > ARTIFACT_MAX else [])]

    def _release(self) -> list[Event]:
        """Return the event of the artifact whose chunks were gathered."""
        held, self._held = self._held, None
        if held is None:
            return []
        event = held.event
        self._told.add(str(held.artifact.get("artifactId")))
        if self._results_length <= ARTIFACT_MAX:
            self._results.append(event.data["text"])
            self._results_length += held.length
        return [event]


class _Held:
    """An artifact whose chunks are being gathered."""

    def __init__(self, artifact: JsonObject, *, is_more: bool) -> None:
        self.artifact = artifact
        self.length = 0
        self._is_more = is_more
        self._texts: list[str] = []
        self._parts: list[JsonObject] = []

    def add(self, parts: list[JsonObject]) -> None:
        self._texts.append(text_of(parts))
        self.length += len(self._texts[-1])
        self._parts += parts

    @property
    def event(self) -> Event:
        data = {"artifact_id": self.artifact.get("artifactId"), "name": self.artifact.get("name")}
        parts = self._parts if any("text" not in part for part in self._parts) else []
        more = {"description": self.artifact.get("description"), "append": self._is_more, "parts": parts}
        told = {key: value for key, value in more.items() if value}
        # Chunks are pieces of one text; the parts of one chunk are separate.
        return Event(EventType.ARTIFACT_ADDED, {**data, "text": "".join(self._texts), **told})


def text_of(parts: list[JsonObject]) -> str:
    """Return the parts of a message or an artifact as text; files appear by name."""
    return "\n".join(_part_text(part) for part in parts)


def _part_text(part: JsonObject) -> str:
    match part:
        case {"text": str(text)}:
            return text
        case {"data": data}:
            return json.dumps(data, ensure_ascii=False)
        case _:
            return f"[file {part.get('filename') or part.get('url') or part.get('mediaType') or ''}]"
