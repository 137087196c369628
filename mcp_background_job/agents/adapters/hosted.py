"""The common part of agents that need both pipes held, or a connection: the run's job is our host process.

The host prints one JSON object per line on its stdout:

* ``{"type": …, "data": {…}}``  an event
* ``{"session_id": …}``  the id to resume by
* ``{"answered": …}``  the question with this id is no longer open
* ``{"beat": true}``  the agent is at work and has nothing to report yet
* ``{"end": {"status": …, "data": {…}}}``  how the agent says that it ended; once

and reads such objects from its stdin: ``{"answer": {"request_id": …, …}}``, ``{"message": …}``, ``{"cancel": true}``.
The end of its stdin is a cancel: nobody can answer any more. The agent's own stderr is the host's stderr, so an agent
cannot forge a line of its host.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from mcp_background_job.agents.adapters.base import Event, Launch, ParsedEnd, Parser, RunRequest
from mcp_background_job.agents.adapters.reading import JsonObject, object_in, unparsed
from mcp_background_job.core.run import EventType, RunStatus
from mcp_background_job.errors import InvalidRequestError

#: The file in the run's directory from which the host reads its request.
REQUEST_FILE = "host-request.json"

#: We write the first and the terminal event of a run, never the agent.
_NOT_ITS_OWN = {EventType.RUN_STARTED, EventType.RUN_COMPLETED, EventType.RUN_FAILED, EventType.REJECTED}
_EVENTS = {event.value: event for event in EventType if event not in _NOT_ITS_OWN}
_QUESTIONS = frozenset({EventType.INPUT_REQUIRED, EventType.AUTH_REQUIRED})

#: The statuses with which an agent may say that it ended.
ENDS = frozenset({RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.REJECTED})


def launch(
    kind: Literal["acp", "a2a"],
    request: RunRequest,
    config: Mapping[str, Any],
    *,
    grace_s: float,
    pass_env: Iterable[str] = (),
) -> Launch:
    """Return how to start the host; ``config`` holds the facts about the agent that the host needs."""
    wanted: JsonObject = {
        "prompt": request.prompt,
        "cwd": request.cwd,
        "resume": request.resume,
        "config": dict(config),
    }
    if kind == "a2a":
        wanted["files"] = [vars(file) for file in request.files]
    return Launch(
        # -P: the workspace is the working directory, and Python must not look for modules there.
        argv=(sys.executable, "-P", "-m", "mcp_background_job.agents.host", kind, request.directory),
        pass_env=tuple(pass_env),
        files={REQUEST_FILE: json.dumps(wanted).encode()},
        keeps_stdin=True,
        grace_s=grace_s,
    )


def line(**message: Any) -> bytes:
    """Return a line for the stdin of a host."""
    return json.dumps(message).encode() + b"\n"


def message(text: str) -> bytes:
    """Return the line with a further message to an agent that asks nothing; it gets the message after its turn.

    Raises:
        InvalidRequestError: there is nothing to say.
    """
    if not text.strip():
        raise InvalidRequestError("the agent asks nothing, and there is no text to send it; give a text part")
    return line(message=text)


def question_of(parser: Parser, data: Mapping[str, Any]) -> JsonObject | None:
    """Return the data of the open question that an answer is to, ``None`` if no question is open.

    Raises:
        InvalidRequestError: the answer names another question; a yes to one question is not a yes to another.
    """
    question: JsonObject | None = parser.dump()["question"]
    named = data.get("request_id")
    if named is not None and (question is None or str(named) != question["request_id"]):
        there = f"the open one is {question['request_id']!r}: {question.get('text')}" if question else "none is open"
        raise InvalidRequestError(f"there is no open request {named!r}; {there}")
    return question


class HostParser:
    """Reads the lines of a host."""

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        """Starts at the beginning, or in a state from ``dump``."""
        state = state or {}
        self._session_id: str | None = state.get("session_id")
        self._question: JsonObject | None = state.get("question")
        self._end: ParsedEnd | None = _end_of(state.get("end"))

    def feed(self, line: bytes) -> list[Event]:
        """Read one line."""
        if not line.strip():
            return []
        told = object_in(line)
        if told is None:
            return [unparsed(line)]
        event = _event_of(told)
        if event:
            if event.type in _QUESTIONS and isinstance(event.data.get("request_id"), str):
                self._question = event.data
            return [event]
        return [] if self._note(told) else [unparsed(line)]

    def close(self, exit_code: int | None) -> list[Event]:  # noqa: ARG002  the host tells the end in words
        """Return nothing: no event was held back."""
        return []

    def _note(self, told: JsonObject) -> bool:
        """Keep a line that is not an event; returns whether it was understood."""
        match told:
            case {"session_id": str(session_id)}:
                self._session_id = session_id
            case {"answered": str(request_id)}:
                if self._question and self._question.get("request_id") == request_id:
                    self._question = None
            case {"end": end} if _end_of(end):
                self._end = self._end or _end_of(end)
            case {"beat": _}:
                pass
            case _:
                return False
        return True

    @property
    def session_id(self) -> str | None:
        """The agent's own id of the session."""
        return self._session_id

    @property
    def end(self) -> ParsedEnd | None:
        """How the agent says that it ended."""
        return self._end

    def dump(self) -> JsonObject:
        """Return the state as JSON; ``question`` is the data of the open question, if there is one."""
        end = self._end and {"status": self._end.status.value, "data": self._end.data}
        return {"session_id": self._session_id, "question": self._question, "end": end}


def _event_of(told: JsonObject) -> Event | None:
    match told:
        case {"type": str(name), "data": dict()} if name in _EVENTS:
            return Event(_EVENTS[name], told["data"])
        case _:
            return None


def _end_of(told: Any) -> ParsedEnd | None:
    match told:
        case {"status": str(status), "data": dict()} if status in ENDS:
            return ParsedEnd(RunStatus(status), told["data"])
        case _:
            return None
