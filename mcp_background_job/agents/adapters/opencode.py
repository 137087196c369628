"""opencode, by ``opencode run --format json``.

The agent may read and edit files in the workspace, and has no tool that runs commands: headless it cannot ask.
``full_access: true`` in ``backend_config`` allows everything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from mcp_background_job.agents.adapters import options
from mcp_background_job.agents.adapters.base import (
    Capability,
    Event,
    Launch,
    ParsedEnd,
    RunRequest,
)
from mcp_background_job.agents.adapters.by_program import OneTask
from mcp_background_job.agents.adapters.calls import Tools, begun, ended
from mcp_background_job.agents.adapters.failures import AGENT_ERROR, reason_of
from mcp_background_job.agents.adapters.lines import LineParser, Reader
from mcp_background_job.agents.adapters.program import Program
from mcp_background_job.agents.adapters.reading import JsonObject, integer, known, mapping, text
from mcp_background_job.core.run import EventType, RunStatus

_TOOLS = Tools(
    commands=frozenset({"bash"}),
    edits=frozenset({"edit", "write", "multiedit", "patch", "apply_patch"}),
    path=("filePath",),
    plans={"todowrite": "todos"},
)

#: By default the agent allows nearly everything. It does not offer denied tools to the model. "ask" would be refused
#: when the model calls the tool, and that ends the turn.
_SAFE = {"*": "deny"} | dict.fromkeys(
    ("read", "glob", "grep", "list", "lsp", "edit", "todoread", "todowrite", "task", "skill"), "allow"
)
_ALL = {"*": "allow"}

#: The agent retries for minutes to reach its model, and reports that only in its log.
_ERRORS = ("--print-logs", "--log-level=ERROR")


def _chooses_logs(args: Sequence[str]) -> bool:
    return any(word.partition("=")[0] in ("--print-logs", "--log-level") for word in args)


class OpencodeParser(LineParser):
    """Reads the lines of opencode.

    A step with the reason ``stop`` ends the turn, unless another step follows. An error ends it whatever follows.
    """

    def feed(self, line: bytes) -> list[Event]:
        before = self.session_id
        told = super().feed(line)
        if self.session_id == before:
            return told
        data = {"status": "running", "backend_session_id": self.session_id}
        return [Event(EventType.STATUS_CHANGED, data), *told]

    def _read_step_start(self, message: JsonObject) -> list[Event]:
        self._note_session(message)
        if self.end and self.end.status is RunStatus.COMPLETED:
            self.end = None
        return []

    def _read_text(self, message: JsonObject) -> list[Event]:
        self._note_session(message)
        part = mapping(message.get("part"))
        self.said = text(part.get("text"))
        return [Event(EventType.AGENT_MESSAGE, known(message_id=text(part.get("messageID"))) | {"text": self.said})]

    def _read_reasoning(self, message: JsonObject) -> list[Event]:
        self._note_session(message)
        return [Event(EventType.REASONING, {"text": text(mapping(message.get("part")).get("text"))})]

    def _read_tool_use(self, message: JsonObject) -> list[Event]:
        """Read a call, which the agent reports when it has ended."""
        self._note_session(message)
        part = mapping(message.get("part"))
        call_id, name, state = text(part.get("callID")), text(part.get("tool")), mapping(part.get("state"))
        arguments = mapping(state.get("input"))
        output = text(state.get("output")) or text(state.get("error"))
        exit_code = integer(mapping(state.get("metadata")).get("exit"))
        failed = state.get("status") == "error" or bool(exit_code)
        more = known(path=_TOOLS.path_in(name, arguments), exit_code=exit_code)
        return begun(_TOOLS, call_id, name, arguments) + ended(_TOOLS, call_id, name, output, failed=failed, **more)

    def _read_step_finish(self, message: JsonObject) -> list[Event]:
        self._note_session(message)
        part = mapping(message.get("part"))
        reason = text(part.get("reason"))
        if reason == "tool-calls" or (self.end and self.end.status is RunStatus.FAILED):
            return []
        usage = mapping(part.get("tokens")) | known(cost=part.get("cost"))
        if reason == "stop":
            self.end = ParsedEnd(RunStatus.COMPLETED, known(final_response=self.said, usage=usage))
        else:
            error = f"the model stopped with reason {reason or 'unknown'}"
            self.end = ParsedEnd(RunStatus.FAILED, known(error=error, reason=reason, usage=usage))
        return []

    def _read_error(self, message: JsonObject) -> list[Event]:
        self._note_session(message)
        error = mapping(message.get("error"))
        data = mapping(error.get("data"))
        said = text(data.get("message")) or text(error.get("name")) or "the turn failed"
        reason = reason_of(f"{text(error.get('name'))} {said}", integer(data.get("statusCode")))
        self.end = ParsedEnd(RunStatus.FAILED, {"error": said, "reason": reason or AGENT_ERROR})
        return [Event(EventType.REASONING, {"text": said, "warning": True})]

    def _note_session(self, message: JsonObject) -> None:
        self.session_id = text(message.get("sessionID")) or self.session_id

    readers: ClassVar[Mapping[str, Reader]] = {
        "step_start": _read_step_start,
        "text": _read_text,
        "reasoning": _read_reasoning,
        "tool_use": _read_tool_use,
        "step_finish": _read_step_finish,
        "error": _read_error,
    }


class OpencodeAdapter(OneTask):
    """opencode. Attributes: see ``Adapter``."""

    name = "opencode"
    config_keys = options.OF_PROGRAMS
    capabilities: frozenset[Capability] = frozenset({"resume"})
    program = Program(
        name="opencode",
        minimum=(1, 1, 1),  # since then `permission` applies to every tool
        install="install it with `npm install -g opencode-ai`",
    )

    def launch(self, request: RunRequest, binary: str) -> Launch:
        options.refuse_schema(request, "opencode")
        rules = _ALL if self.full_access(request.config) else _SAFE
        args = options.strings(request.config, "args")
        argv = [binary, "run", "--format=json", *(() if _chooses_logs(args) else _ERRORS)]
        argv += options.model_and_session(request, "--session")
        return Launch(
            argv=(*argv, *args),
            env={"OPENCODE_PERMISSION": json.dumps(rules)},
            pass_env=(
                *("OPENCODE_CONFIG", "OPENCODE_CONFIG_CONTENT", "OPENCODE_CONFIG_DIR", "OPENCODE_DISABLE_AUTOUPDATE"),
                *("OPENCODE_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "OPENROUTER_API_KEY"),
            ),
            stdin=request.prompt.encode(errors="replace"),
        )

    def parser(self, state: Mapping[str, Any] | None = None) -> OpencodeParser:
        return OpencodeParser(state)


ADAPTER = OpencodeAdapter()
