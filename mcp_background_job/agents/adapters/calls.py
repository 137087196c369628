"""Events of tool calls, for agents whose commands, edits and plans are all tool calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mcp_background_job.agents.adapters.base import Event
from mcp_background_job.agents.adapters.reading import JsonObject, known, mapping, objects, text
from mcp_background_job.core.run import EventType


@dataclass(frozen=True, kw_only=True)
class Tools:
    """Names of an agent's tools whose calls become events of their own types.

    Attributes:
        commands: the tools that run a command line.
        edits: the tools that change a file.
        path: the arguments of ``edits``, one of which names the file.
        plans: the tools that write the to-do list, each with the argument that holds the list.
        command_line: the argument that holds a command line.
    """

    commands: frozenset[str]
    edits: frozenset[str]
    path: tuple[str, ...]
    plans: Mapping[str, str]
    command_line: str = "command"

    def path_in(self, name: str, arguments: JsonObject) -> str:
        """Return the file that an edit changes; empty for a call of another tool."""
        paths = [text(arguments.get(key)) for key in self.path] if name in self.edits else []
        return next(filter(None, paths), "")


def begun(tools: Tools, call_id: str, name: str, arguments: JsonObject, **more: Any) -> list[Event]:
    """Return the events when a call begins; none for an edit, since it may not happen."""
    if name in tools.commands:
        data = known(id=call_id, command=text(arguments.get(tools.command_line)), status="in_progress", **more)
        return [Event(EventType.COMMAND_STARTED, data)]
    if name in tools.plans:
        return [plan(objects(arguments.get(tools.plans[name])))]
    if name in tools.edits:
        return []
    return [Event(EventType.TOOL_STARTED, known(id=call_id, name=name, input=arguments, **more))]


def ended(tools: Tools, call_id: str, name: str, output: str, *, failed: bool, **more: Any) -> list[Event]:
    """Return the events when a call ends.

    ``more`` are further fields; for an edit, ``path`` and ``kind`` describe its one change.
    """
    status = "failed" if failed else "completed"
    if name in tools.commands:
        return [Event(EventType.COMMAND_FINISHED, known(id=call_id, status=status, **more) | {"output": output})]
    if name in tools.edits:
        change = known(path=more.pop("path", ""), kind=more.pop("kind", "update"))
        data = known(id=call_id, status=status, changes=[change], output=output if failed else None, **more)
        return [Event(EventType.FILE_CHANGED, data)]
    if name in tools.plans and not failed:
        return []
    return [Event(EventType.TOOL_FINISHED, known(id=call_id, name=name, status=status, **more) | {"output": output})]


def plan(items: list[JsonObject]) -> Event:
    """Return the event of a to-do list, whichever field names its agent uses."""
    return Event(EventType.TODO_UPDATED, {"items": [_step(item) for item in items]})


def _step(item: JsonObject) -> JsonObject:
    words = text(item.get("text")) or text(item.get("content")) or text(item.get("description"))
    done = "completed" if item.get("completed") is True else "pending"
    return known(text=words, status=text(item.get("status")) or done, priority=text(item.get("priority")))


def words_of(content: Any) -> str:
    """Return the text that a call returned: a text, or a list of parts of which some are text."""
    if isinstance(content, str):
        return content
    return "\n".join(filter(None, (text(part.get("text")) for part in objects(content)))) or text(
        mapping(content).get("text")
    )
