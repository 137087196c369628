"""The tool calls of an ACP session: the known facts about each, and its events."""

from __future__ import annotations

import shlex
from typing import Any, cast

from mcp_background_job.agents.adapters.base import Event
from mcp_background_job.agents.adapters.reading import JsonObject, mapping, objects, text
from mcp_background_job.agents.host.acp_content import (
    OVER,
    PRINTED,
    PRINTED_MAX,
    changes_of,
    exit_code_of,
    output_of,
    printed_in,
)
from mcp_background_job.core.run import EventType

_FILE_KINDS = frozenset({"edit", "delete", "move"})


class Calls:
    """The open tool calls. An update holds only the changed fields, so the others are kept."""

    def __init__(self) -> None:
        """Starts without calls."""
        self._known: dict[str, JsonObject] = {}
        self._told: dict[str, Event] = {}
        self._done: set[str] = set()

    def feed(self, update: JsonObject) -> list[Event]:
        """Take the announcement of a call, or a change of it."""
        if _id_of(update) in self._done:
            return []  # some agents send more about a call that is over; it adds nothing
        call = self._merged(update)
        if text(call.get("status")) in OVER:
            return [*self._start(call), *self._finish(call)]
        if _id_of(call) in self._told:
            return self._change(call)
        return self._start(call) if _input_is_known(call) or call.get("status") == "in_progress" else []

    def start(self, update: JsonObject) -> list[Event]:
        """Take what a permission request says about a call; returns its start event unless that was reported."""
        return self._start(self._merged(update))

    def _merged(self, update: JsonObject) -> JsonObject:
        call = self._known.setdefault(_id_of(update), {PRINTED: ""})
        meta = mapping(call.get("_meta")) | mapping(update.get("_meta"))
        printed = (call[PRINTED] + printed_in(update))[-PRINTED_MAX:]
        call.update({key: value for key, value in update.items() if value is not None})
        call.update({"_meta": meta, PRINTED: printed})
        return call

    def _start(self, call: JsonObject) -> list[Event]:
        if _id_of(call) in self._told:
            return []
        event = (
            Event(EventType.COMMAND_STARTED, _command_data(call))
            if _is_command(call)
            else Event(EventType.TOOL_STARTED, {**_tool_data(call), "input": call.get("rawInput")})
        )
        self._told[_id_of(call)] = event
        return [event]

    def _change(self, call: JsonObject) -> list[Event]:
        event = Event(EventType.COMMAND_UPDATED, _command_data(call))
        if not _is_command(call) or event.data == self._told[_id_of(call)].data:
            return []
        self._told[_id_of(call)] = event
        return [event]

    def _finish(self, call: JsonObject) -> list[Event]:
        self._done.add(_id_of(call))
        del self._known[_id_of(call)]
        self._told.pop(_id_of(call), None)
        status = call["status"]
        if _is_command(call):
            return [Event(EventType.COMMAND_FINISHED, {**_command_data(call), "exit_code": exit_code_of(call)})]
        changes = changes_of(call) if status == "completed" and _changes_files(call) else []
        finished = Event(EventType.TOOL_FINISHED, {**_tool_data(call), "status": status, "output": output_of(call)})
        if changes:
            return [Event(EventType.FILE_CHANGED, {"id": _id_of(call), "status": status, "changes": changes}), finished]
        return [finished]

    def settle(self) -> list[Event]:
        """Return the end events of calls that are still open when the turn is over.

        Some agents report nothing more about a call that was refused or cancelled.
        """
        left = [call for call in self._known.values() if _id_of(call) in self._told]
        return [event for call in left for event in self._finish({**call, "status": "failed"})]


def _id_of(call: JsonObject) -> str:
    return str(call.get("toolCallId"))


def _is_command(call: JsonObject) -> bool:
    return call.get("kind") == "execute"


def _changes_files(call: JsonObject) -> bool:
    has_diff = any(item.get("type") == "diff" for item in objects(call.get("content")))
    return has_diff or text(call.get("kind")) in _FILE_KINDS


def _input_is_known(call: JsonObject) -> bool:
    raw = call.get("rawInput")
    return bool(mapping(raw).get("command") if _is_command(call) else raw)


def _command_data(call: JsonObject) -> JsonObject:
    raw = mapping(call.get("rawInput"))
    status = call.get("status") or "pending"
    # Before the command runs, the content of a call is the agent's description of it.
    output = "" if status == "pending" else output_of(call)
    return {"id": _id_of(call), "command": _command(call), "cwd": raw.get("cwd"), "status": status, "output": output}


def _command(call: JsonObject) -> Any:
    command = mapping(call.get("rawInput")).get("command") or call.get("title")
    return shlex.join(map(str, cast("list[Any]", command))) if isinstance(command, list) else command


def _tool_data(call: JsonObject) -> JsonObject:
    return {"id": _id_of(call), "name": call.get("title"), "kind": call.get("kind") or "other"}
