"""The parser for agents that print one JSON object per line, each with a type; it also takes any other output."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeAlias

from mcp_background_job.agents.adapters.base import Event, ParsedEnd
from mcp_background_job.agents.adapters.reading import JsonObject, object_in, unparsed
from mcp_background_job.core.run import EventType, RunStatus

Reader: TypeAlias = Callable[[Any, JsonObject], list[Event]]

#: Tool calls that may be open at once. An agent has a few; if a stream never ends any, memory must not grow without
#: bound.
_MAX_CALLS = 1000


class LineParser:
    """The common part of these parsers: their state, and which method reads which type of line.

    A line of an unknown type makes no event, since agents add types every week. The line is still in the job's log.

    Attributes:
        readers: the method that reads each type of line.
        type_key: the key of a line's type.
        session_id: see ``Parser``.
        end: see ``Parser``.
        said: the agent's last message.
        calls: facts about the tool calls that are open, by id, for the events at their end.
    """

    readers: ClassVar[Mapping[str, Reader]] = {}
    type_key: ClassVar[str] = "type"

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        """Starts at the beginning of a stream, or in a state from ``dump``."""
        state = state or {}
        self.session_id: str | None = state.get("session_id")
        self.end: ParsedEnd | None = _end_from(state.get("end"))
        self.said: str = state.get("said", "")
        self.calls: dict[str, JsonObject] = dict(state.get("calls", {}))

    def feed(self, line: bytes) -> list[Event]:
        if not line or line.isspace():
            return []
        message = object_in(line)
        kind = message.get(self.type_key) if message else None
        if message is None or not isinstance(kind, str):
            return [unparsed(line)]
        reader = self.readers.get(kind)
        return reader(self, message) if reader else []

    def close(self, exit_code: int | None) -> list[Event]:  # noqa: ARG002  what most agents say needs no exit code
        return []

    def dump(self) -> JsonObject:
        end = self.end and {"status": self.end.status.value, "data": self.end.data}
        return {"session_id": self.session_id, "end": end, "said": self.said, "calls": dict(self.calls)}

    def open_call(self, call_id: str, **facts: Any) -> None:
        """Note that a call has begun."""
        if len(self.calls) >= _MAX_CALLS:
            del self.calls[next(iter(self.calls))]
        self.calls[call_id] = facts

    def end_call(self, call_id: str) -> JsonObject:
        """Return the facts that were noted about a call that ends; empty if its beginning was not seen."""
        return self.calls.pop(call_id, {})


class PiecesParser(LineParser):
    """The parser for an agent whose messages come in pieces; each message becomes one event.

    Attributes:
        pieces: the pieces of the current, unfinished message.
    """

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        super().__init__(state)
        self.pieces: list[str] = list((state or {}).get("pieces", []))

    def dump(self) -> JsonObject:
        return super().dump() | {"pieces": list(self.pieces)}

    def whole_message(self) -> list[Event]:
        """Return the message that the pieces make up; nothing if it is blank."""
        said = "".join(self.pieces)
        self.pieces.clear()
        if not said.strip():
            return []
        self.said = said
        return [Event(EventType.AGENT_MESSAGE, {"text": said})]


def _end_from(state: JsonObject | None) -> ParsedEnd | None:
    return ParsedEnd(RunStatus(state["status"]), state["data"]) if state else None
