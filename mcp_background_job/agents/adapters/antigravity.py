"""Antigravity CLI, by ``agy --output-format stream-json``: Google's successor of Gemini CLI for individuals.

No registry that the tests may use has its program, so it was never run here. The flags, and the lines in the recordings
of the tests, come from its documentation of headless mode.

The agent may edit files in the workspace as far as its own settings allow. Headless it cannot ask, so it denies itself
everything that it would have to ask for. ``full_access: true`` in ``backend_config`` allows everything.
"""

from __future__ import annotations

import json
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
from mcp_background_job.agents.adapters.by_program import OneTask, schema_file, schema_option
from mcp_background_job.agents.adapters.calls import Tools, begun, ended
from mcp_background_job.agents.adapters.failures import AGENT_ERROR, reason_of
from mcp_background_job.agents.adapters.lines import PiecesParser, Reader
from mcp_background_job.agents.adapters.program import Program
from mcp_background_job.agents.adapters.reading import JsonObject, known, mapping, objects, text
from mcp_background_job.core.run import EventType, RunStatus

_TOOLS = Tools(
    commands=frozenset({"run_command"}),
    edits=frozenset({"write_to_file", "replace_file_content", "multi_replace_file_content"}),
    path=("TargetFile",),
    plans={},
    command_line="CommandLine",
)

#: States of a step that has ended.
_DONE, _FAILED = "DONE", "ERROR"

#: The agent gives up after five minutes by default; the run's own time limit applies instead.
_PATIENCE = "--print-timeout=8760h"


class AntigravityParser(PiecesParser):
    """Reads the lines of Antigravity CLI: steps, each reported when it begins and when it ends, and the result.

    A message comes in pieces, and becomes one event.
    """

    type_key = "event"

    def close(self, exit_code: int | None) -> list[Event]:  # noqa: ARG002  its result says how the turn ended
        return self.whole_message()

    def _read_init(self, message: JsonObject) -> list[Event]:
        self.session_id = text(message.get("conversation_id")) or self.session_id
        self.end = None
        model = text(mapping(message.get("init")).get("model"))
        data = known(status="running", backend_session_id=self.session_id, model=model)
        return [Event(EventType.STATUS_CHANGED, data)]

    def _read_step(self, message: JsonObject) -> list[Event]:
        step = mapping(message.get("step_update"))
        if step.get("step_type") == "agent_response":
            self.pieces.append(text(step.get("text_delta")))
            return self.whole_message() if step.get("state") == _DONE else []
        if step.get("step_type") == "error_message":
            words = text(step.get("error")) or "something failed; the agent goes on"  # it rarely says what failed
            return [*self.whole_message(), Event(EventType.REASONING, {"text": words, "warning": True})]
        return [*self.whole_message(), *self._read_tool(step)] if step.get("tool_name") else []

    def _read_tool(self, step: JsonObject) -> list[Event]:
        """Read a step that calls a tool. The step names no call, so its number serves as the call's id."""
        call_id, name, info = str(step.get("step_index")), text(step.get("tool_name")), mapping(step.get("tool_info"))
        arguments = mapping(info.get("parameters")) or mapping(step.get("subagent_info"))
        told = [] if call_id in self.calls else begun(_TOOLS, call_id, name, arguments)
        if step.get("state") not in (_DONE, _FAILED):
            self.open_call(call_id)
            return told
        self.end_call(call_id)
        output = text(info.get("output")) or text(mapping(info.get("error")).get("message"))
        more = known(path=_TOOLS.path_in(name, arguments))
        return told + ended(_TOOLS, call_id, name, output, failed=step.get("state") == _FAILED, **more)

    def _read_result(self, message: JsonObject) -> list[Event]:
        told = self.whole_message()
        result = mapping(message.get("result"))
        usage, response = mapping(result.get("usage")), text(result.get("response")) or self.said
        if error := _error_in(result, response):
            data = known(error=error, reason=reason_of(error) or AGENT_ERROR, usage=usage)
            self.end = ParsedEnd(RunStatus.FAILED, data)
        else:
            data = known(final_response=response, structured_output=result.get("structured_output"), usage=usage)
            self.end = ParsedEnd(RunStatus.COMPLETED, data)
        return told

    readers: ClassVar[Mapping[str, Reader]] = {
        "init": _read_init,
        "step_update": _read_step,
        "result": _read_result,
    }


def _error_in(result: JsonObject, response: str) -> str:
    """Return why there is no answer; empty if there is one. A turn that a denial ended has status ``SUCCESS`` too."""
    if result.get("status") != "SUCCESS":
        return text(result.get("error")) or f"the turn ended with status {result.get('status')}"
    denied = [
        text(action.get("display_name")) or text(action.get("action"))
        for action in objects(result.get("denied_actions"))
    ]
    if response.strip() or not denied:
        return ""
    advice = "allow them in its settings, or start the run with full_access"
    return f"it gave no answer because it was denied {', '.join(denied)}; {advice}"


class AntigravityAdapter(OneTask):
    """Antigravity CLI. Attributes: see ``Adapter``."""

    name = "antigravity"
    config_keys = options.OF_PROGRAMS
    capabilities: frozenset[Capability] = frozenset({"resume", "output_schema"})
    program = Program(
        name="agy",
        minimum=(1, 1, 8),  # since then it prints JSON
        install="install it as https://antigravity.google/docs/cli says",
    )

    def launch(self, request: RunRequest, binary: str) -> Launch:
        # "-p=": the prompt is a message on stdin. Without the "=", the agent would take the next option for the prompt.
        argv = [binary, "-p=", "--input-format=stream-json", "--output-format=stream-json", _PATIENCE]
        argv += self.held_back(request.config, ["--mode=accept-edits"], ["--dangerously-skip-permissions"])
        argv += options.model_and_session(request, "--conversation")
        if request.files:
            argv.append(f"--add-dir={os.path.dirname(request.files[0].path)}")
        argv += schema_option(request, "--json-schema")
        message = {"event": "user", "message": {"content": request.prompt}}
        return Launch(
            argv=(*argv, *options.strings(request.config, "args")),
            env={"AGY_CLI_DISABLE_AUTO_UPDATE": "true"},
            pass_env=("ANTIGRAVITY_API_KEY", "DBUS_SESSION_BUS_ADDRESS"),  # its login is in the keyring of the desktop
            files=schema_file(request),
            stdin=json.dumps(message).encode() + b"\n",
            polite_signal="INT",  # it then says "interrupted" and ends
        )

    def parser(self, state: Mapping[str, Any] | None = None) -> AntigravityParser:
        return AntigravityParser(state)


ADAPTER = AntigravityAdapter()
