"""Gemini CLI, by ``gemini --output-format stream-json``.

The agent may edit files in the workspace, and has no tool that runs commands: headless it cannot ask.
``full_access: true`` in ``backend_config`` allows everything. Without a terminal it works only in a trusted workspace,
so starting a run in a directory trusts that directory, for that run.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
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
from mcp_background_job.agents.adapters.failures import AGENT_ERROR, AUTH, reason_of
from mcp_background_job.agents.adapters.lines import PiecesParser, Reader
from mcp_background_job.agents.adapters.program import Program
from mcp_background_job.agents.adapters.reading import JsonObject, known, mapping, text
from mcp_background_job.core.run import EventType, RunStatus

_TOOLS = Tools(
    commands=frozenset({"run_shell_command"}),
    edits=frozenset({"write_file", "replace"}),
    path=("file_path",),
    plans={"write_todos": "todos"},
)

#: Its exit code for "no valid login". For an HTTP status of the model's server, it exits with the low eight bits of it.
_NO_LOGIN_EXIT = 41
_STATUS_OF_EXIT = {status & 0xFF: status for status in (400, 401, 403, 404, 429, 500, 502, 503, 504)}


class GeminiParser(PiecesParser):
    """Reads the lines of Gemini CLI. Its messages come in pieces, and each becomes one event."""

    def close(self, exit_code: int | None) -> list[Event]:
        told = self.whole_message()
        if exit_code and (self.end is None or self.end.status is RunStatus.FAILED):
            self._refine_end(exit_code)
        return told

    def _refine_end(self, exit_code: int) -> None:
        """Set the end from the exit code: the agent's words hold the server's message, and not its status."""
        if exit_code == _NO_LOGIN_EXIT:
            reason, error = AUTH, "gemini has no valid login or key"
        elif exit_code in _STATUS_OF_EXIT:
            status = _STATUS_OF_EXIT[exit_code]
            reason, error = reason_of("", status), f"the model answered with HTTP status {status}"
        else:
            return
        data: JsonObject = self.end.data if self.end else {"error": error}
        self.end = ParsedEnd(RunStatus.FAILED, data | {"reason": reason})

    def _read_init(self, message: JsonObject) -> list[Event]:
        self.session_id = text(message.get("session_id")) or self.session_id
        self.end = None
        model = text(message.get("model"))
        return [
            Event(EventType.STATUS_CHANGED, known(status="running", backend_session_id=self.session_id, model=model))
        ]

    def _read_message(self, message: JsonObject) -> list[Event]:
        role, content = text(message.get("role")), text(message.get("content"))
        if role == "assistant" and message.get("delta") is True:
            self.pieces.append(content)
            return []
        told = self.whole_message()
        if role != "assistant":
            return [*told, Event(EventType.MESSAGE_ADDED, {"role": role or "user", "text": content})]
        self.pieces.append(content)
        return told + self.whole_message()

    def _read_tool_use(self, message: JsonObject) -> list[Event]:
        call_id, name = text(message.get("tool_id")), text(message.get("tool_name"))
        arguments = mapping(message.get("parameters"))
        self.open_call(call_id, name=name, path=_TOOLS.path_in(name, arguments))
        return self.whole_message() + begun(_TOOLS, call_id, name, arguments)

    def _read_tool_result(self, message: JsonObject) -> list[Event]:
        call_id = text(message.get("tool_id"))
        call = self.end_call(call_id)
        failed = message.get("status") == "error"
        output = text(message.get("output")) or text(mapping(message.get("error")).get("message"))
        told = ended(_TOOLS, call_id, text(call.get("name")), output, failed=failed, path=text(call.get("path")))
        return self.whole_message() + told

    def _read_error(self, message: JsonObject) -> list[Event]:
        """Read an error outside the result, such as a detected loop; the result says how the turn ends."""
        told = Event(EventType.REASONING, {"text": text(message.get("message")), "warning": True})
        return [*self.whole_message(), told]

    def _read_result(self, message: JsonObject) -> list[Event]:
        told = self.whole_message()
        usage = mapping(message.get("stats"))
        if message.get("status") == "success":
            self.end = ParsedEnd(RunStatus.COMPLETED, known(final_response=self.said, usage=usage))
        else:
            error = text(mapping(message.get("error")).get("message"))
            data = known(error=error or "the turn failed", reason=reason_of(error) or AGENT_ERROR, usage=usage)
            self.end = ParsedEnd(RunStatus.FAILED, data)
        return told

    readers: ClassVar[Mapping[str, Reader]] = {
        "init": _read_init,
        "message": _read_message,
        "tool_use": _read_tool_use,
        "tool_result": _read_tool_result,
        "error": _read_error,
        "result": _read_result,
    }


class GeminiAdapter(OneTask):
    """Gemini CLI. Attributes: see ``Adapter``."""

    name = "gemini"
    config_keys = options.OF_PROGRAMS
    capabilities: frozenset[Capability] = frozenset({"resume"})
    program = Program(
        name="gemini",
        minimum=(0, 20, 0),  # the oldest version that the tests with real agents were run with
        install="install it with `npm install -g @google/gemini-cli`",
    )

    def launch(self, request: RunRequest, binary: str) -> Launch:
        options.refuse_schema(request, "gemini")
        argv = [binary, "--output-format=stream-json"]
        argv += self.held_back(request.config, ["--approval-mode=auto_edit"], ["--approval-mode=yolo"])
        argv += options.model_and_session(request, "--resume")
        if request.files:
            argv.append(f"--include-directories={os.path.dirname(request.files[0].path)}")
        return Launch(
            argv=(*argv, *options.strings(request.config, "args")),
            env={
                "GEMINI_CLI_TRUST_WORKSPACE": "true",
                "GEMINI_CLI_NO_RELAUNCH": "true",  # its second process is for a larger heap, and costs time
            },
            pass_env=(
                *("GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GEMINI_BASE_URL", "GEMINI_CLI_HOME"),
                *("GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GENAI_USE_GCA", "GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_LOCATION"),
                "GOOGLE_APPLICATION_CREDENTIALS",
            ),
            stdin=request.prompt.encode(errors="replace"),
        )

    def parser(self, state: Mapping[str, Any] | None = None) -> GeminiParser:
        return GeminiParser(state)


ADAPTER = GeminiAdapter()
