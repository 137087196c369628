"""Turns the updates of an ACP session into events. Pure, and lenient: agents send fields that no schema has.

Chunks of one message become one event. A tool call makes one event at its start and one at its end; a command makes
one per change in between too. The start is reported when the input is known, or when the call is no longer pending:
agents announce a call while the model still writes its arguments (``title: "Terminal", rawInput: {}`` first, the
command later).
"""

from __future__ import annotations

from typing import Any

from mcp_background_job.agents.adapters.base import Event
from mcp_background_job.agents.adapters.reading import JsonObject, known, objects, text
from mcp_background_job.agents.host import acp_calls
from mcp_background_job.agents.host.acp_content import text_of
from mcp_background_job.agents.host.acp_failures import failure_in, gives_up, is_fatal, says_it_failed, tries_again
from mcp_background_job.core.run import EventType

#: Characters of a message after which it is reported in pieces, so that memory stays bounded.
MESSAGE_MAX = 1024**2

#: Updates that say nothing about the work itself.
_SILENT = frozenset(
    {
        "available_commands_update",
        "config_option_update",
        "current_mode_update",
        "user_message_chunk",
    },
)

_CHUNKS = {"agent_message_chunk": EventType.AGENT_MESSAGE, "agent_thought_chunk": EventType.REASONING}


class Updates:
    """The updates of one session, turn after turn.

    Attributes:
        final_response: the agent's last complete message.
        usage: the usage that the agent last reported.
        failure: the model's failure in this turn, as the agent reports it outside the protocol.
        has_failed: the agent says that the turn failed.
        agent: the agent's own name for itself.
    """

    def __init__(self) -> None:
        """Starts without updates."""
        self._chunks: list[str] = []
        self._chunks_of: tuple[EventType, Any] | None = None
        self._length = 0
        self._calls = acp_calls.Calls()
        self.usage: JsonObject | None = None
        self.agent = ""
        self.begin_turn()

    def begin_turn(self) -> None:
        """Forget how the last turn went."""
        self.final_response: str | None = None
        self.failure: JsonObject = {}
        self.has_failed = False

    def feed(self, update: JsonObject) -> list[Event]:
        """Take one update; returns its events."""
        kind = text(update.get("sessionUpdate"))
        if kind in _CHUNKS:
            return self._chunk(_CHUNKS[kind], update)
        if kind in _SILENT:
            return []
        if kind == "session_info_update":
            return self._info(update)
        if kind == "usage_update":
            self.usage = {key: update[key] for key in ("used", "size", "cost") if key in update}
            return []
        return [*self.flush(), *self._told_by(kind, update)]

    def _info(self, update: JsonObject) -> list[Event]:
        """Take an update of the session; returns an event for a failure that the agent may recover from."""
        before, self.failure = self.failure, failure_in(update) or self.failure
        self.has_failed = self.has_failed or says_it_failed(update) or is_fatal(self.failure)
        title = text(self.failure.get("title"))
        if not title or title == before.get("title") or is_fatal(self.failure):
            return []
        return [*self.flush(), Event(EventType.REASONING, {"text": title, "warning": True})]

    def _told_by(self, kind: str, update: JsonObject) -> list[Event]:
        match kind:
            case "tool_call" | "tool_call_update":
                return self._calls.feed(update)
            case "plan":
                items = [_todo(entry) for entry in objects(update.get("entries"))]
                return [Event(EventType.TODO_UPDATED, {"items": items})]
            case _:
                words = f"an update of an unknown kind, {update.get('sessionUpdate')}"
                return [Event(EventType.REASONING, {"text": words, "update": update, "unparsed": True})]

    def before_permission(self, call: JsonObject) -> list[Event]:
        """Return the events before a permission request: the call that it is about has all its input."""
        return [*self.flush(), *self._calls.start(call)]

    def flush(self) -> list[Event]:
        """Return the current message; it is complete now."""
        if self._chunks_of is None:
            return []
        kind, message_id = self._chunks_of
        words = "".join(self._chunks)
        self._chunks, self._chunks_of, self._length = [], None, 0
        if kind is EventType.AGENT_MESSAGE:
            self.final_response = words
        return [Event(kind, {"text": words, **({"message_id": message_id} if message_id else {})})]

    def end_turn(self) -> list[Event]:
        """Return the events at the end of a turn: open messages and calls get no further updates."""
        return [*self.flush(), *self._calls.settle()]

    def _chunk(self, kind: EventType, update: JsonObject) -> list[Event]:
        chunk = text_of(update.get("content"))
        if tries_again(self.agent, chunk):
            return [*self.flush(), Event(EventType.REASONING, {"text": chunk, "warning": True})]
        about = (kind, update.get("messageId"))
        is_next = about != self._chunks_of or self._length > MESSAGE_MAX or gives_up(self.agent, chunk)
        told = self.flush() if is_next else []
        self._chunks_of = about
        self._chunks.append(chunk)
        self._length += len(chunk)
        return told


def _todo(entry: JsonObject) -> JsonObject:
    return known(text=entry.get("content"), status=entry.get("status"), priority=entry.get("priority"))
