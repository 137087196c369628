"""Codex, by ``codex exec --json``.

Its commands run in a sandbox in which only the workspace is writable. The agent asks for nothing: a command that the
sandbox forbids fails. ``full_access: true`` in ``backend_config`` takes the sandbox away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from mcp_background_job.agents.adapters import options
from mcp_background_job.agents.adapters.base import (
    Capability,
    Event,
    Launch,
    ParsedEnd,
    RunRequest,
)
from mcp_background_job.agents.adapters.by_program import OneTask, schema_file, schema_option
from mcp_background_job.agents.adapters.calls import plan, words_of
from mcp_background_job.agents.adapters.failures import AGENT_ERROR, reason_of
from mcp_background_job.agents.adapters.lines import LineParser, Reader
from mcp_background_job.agents.adapters.program import Program
from mcp_background_job.agents.adapters.reading import JsonObject, integer, known, mapping, objects, text
from mcp_background_job.core.run import EventType, RunStatus

#: ``exec resume`` has neither ``--sandbox`` nor ``--ask-for-approval``; both forms take the configuration.
_SANDBOX = ("-c", 'sandbox_mode="workspace-write"', "-c", 'approval_policy="never"')
_FULL_ACCESS = ("--dangerously-bypass-approvals-and-sandbox",)


class CodexParser(LineParser):
    """Reads the events of ``codex exec --json``."""

    def _read_thread(self, message: JsonObject) -> list[Event]:
        self.session_id = text(message.get("thread_id")) or self.session_id
        data = known(status="running", backend_session_id=self.session_id, thread_id=self.session_id)
        return [Event(EventType.STATUS_CHANGED, data)]

    def _read_turn_started(self, _message: JsonObject) -> list[Event]:
        self.end = None
        return []

    def _read_turn_completed(self, message: JsonObject) -> list[Event]:
        data = known(final_response=self.said, usage=mapping(message.get("usage")))
        self.end = ParsedEnd(RunStatus.COMPLETED, data)
        return []

    def _read_turn_failed(self, message: JsonObject) -> list[Event]:
        error = text(mapping(message.get("error")).get("message"))
        data = {"error": error or "the turn failed", "reason": reason_of(error) or AGENT_ERROR}
        self.end = ParsedEnd(RunStatus.FAILED, data)
        return []

    def _read_warning(self, message: JsonObject) -> list[Event]:
        """Read an error outside a turn's end, such as "Reconnecting… 1/5"; the agent may well answer after it."""
        return [Event(EventType.REASONING, {"text": text(message.get("message")), "warning": True})]

    def _read_item(self, message: JsonObject) -> list[Event]:
        item = mapping(message.get("item"))
        kind = text(item.get("type"))
        told = _ITEMS.get((kind, text(message.get("type")).removeprefix("item.")))
        if kind == "agent_message" and told:
            self.said = text(item.get("text"))
        if told is None and kind not in _KNOWN_ITEMS:
            told = _OTHER_ITEMS.get(text(message.get("type")))
        return [Event(told[0], known(id=text(item.get("id"))) | told[1](item))] if told else []

    readers: ClassVar[Mapping[str, Reader]] = {
        "thread.started": _read_thread,
        "turn.started": _read_turn_started,
        "turn.completed": _read_turn_completed,
        "turn.failed": _read_turn_failed,
        "error": _read_warning,
        "item.started": _read_item,
        "item.updated": _read_item,
        "item.completed": _read_item,
    }


def _said(item: JsonObject) -> JsonObject:
    return {"text": text(item.get("text"))}


def _warned(item: JsonObject) -> JsonObject:
    return {"text": text(item.get("message")), "warning": True}


def _command(item: JsonObject) -> JsonObject:
    return known(
        command=text(item.get("command")), status=text(item.get("status")), exit_code=integer(item.get("exit_code"))
    ) | {"output": text(item.get("aggregated_output"))}


def _changed(item: JsonObject) -> JsonObject:
    changes = [
        known(path=text(change.get("path")), kind=text(change.get("kind"))) for change in objects(item.get("changes"))
    ]
    return known(status=text(item.get("status")), changes=changes)


def _plan(item: JsonObject) -> JsonObject:
    return plan(objects(item.get("items"))).data


def _tool(item: JsonObject) -> JsonObject:
    """Return the data for a call of an MCP server's tool, a web search, or an item of a later version."""
    name = ".".join(filter(None, (text(item.get("server")), text(item.get("tool"))))) or text(item.get("type"))
    asked = mapping(item.get("arguments")) or {key: value for key, value in item.items() if key not in _NOT_ASKED}
    output = text(mapping(item.get("error")).get("message")) or words_of(mapping(item.get("result")).get("content"))
    return known(name=name, status=text(item.get("status")), input=asked, output=output)


#: Fields of such an item that are not its input.
_NOT_ASKED = frozenset({"id", "type", "server", "tool", "status", "arguments", "result", "error"})

_Told = tuple[EventType, Callable[[JsonObject], JsonObject]]

#: The event for an item that is started, updated or completed; an item without a row has none.
_ITEMS: dict[tuple[str, str], _Told] = {
    ("agent_message", "completed"): (EventType.AGENT_MESSAGE, _said),
    ("reasoning", "completed"): (EventType.REASONING, _said),
    ("error", "completed"): (EventType.REASONING, _warned),
    ("command_execution", "started"): (EventType.COMMAND_STARTED, _command),
    ("command_execution", "updated"): (EventType.COMMAND_UPDATED, _command),
    ("command_execution", "completed"): (EventType.COMMAND_FINISHED, _command),
    ("file_change", "completed"): (EventType.FILE_CHANGED, _changed),
    ("todo_list", "started"): (EventType.TODO_UPDATED, _plan),
    ("todo_list", "updated"): (EventType.TODO_UPDATED, _plan),
    ("todo_list", "completed"): (EventType.TODO_UPDATED, _plan),
}
_KNOWN_ITEMS = frozenset(kind for kind, _ in _ITEMS)
_OTHER_ITEMS: dict[str, _Told] = {
    "item.started": (EventType.TOOL_STARTED, _tool),
    "item.completed": (EventType.TOOL_FINISHED, _tool),
}


class CodexAdapter(OneTask):
    """Codex. Attributes: see ``Adapter``."""

    name = "codex"
    config_keys = options.OF_PROGRAMS
    capabilities: frozenset[Capability] = frozenset({"resume", "output_schema"})
    program = Program(
        name="codex",
        minimum=(0, 133, 0),  # the oldest version that the tests with real agents were run with
        install="install it with `npm install -g @openai/codex`",
    )

    def launch(self, request: RunRequest, binary: str) -> Launch:
        session = options.session(request)
        argv = [binary, "exec", *(["resume"] if session else []), "--json", "--skip-git-repo-check"]
        argv += self.held_back(request.config, _SANDBOX, _FULL_ACCESS)
        if model := options.string(request.config, "model"):
            argv.append(f"--model={model}")
        argv += schema_option(request, "--output-schema")
        argv += options.strings(request.config, "args")
        return Launch(
            # "-": the prompt is on stdin. Without it, and with a stdin that stays open, Codex waits for ever.
            argv=(*argv, *([session] if session else []), "-"),
            pass_env=("CODEX_HOME", "CODEX_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL"),
            files=schema_file(request),
            stdin=request.prompt.encode(errors="replace"),
            polite_signal="INT",  # on SIGTERM it leaves its running command behind
        )

    def parser(self, state: Mapping[str, Any] | None = None) -> CodexParser:
        return CodexParser(state)


ADAPTER = CodexAdapter()
