"""Claude Code, by ``claude -p`` with streams of JSON.

The agent may edit files in the workspace, and asks before anything else that needs a permission. The caller answers,
and may say more while it works. ``interactive: false`` in ``backend_config`` closes that channel: everything that would
need a permission is then refused. ``full_access: true`` allows everything.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, cast

from mcp_background_job.agents.adapters import options
from mcp_background_job.agents.adapters.answers import choose
from mcp_background_job.agents.adapters.base import Capability, Launch, Parser, RunRequest
from mcp_background_job.agents.adapters.by_program import ByProgram
from mcp_background_job.agents.adapters.claude_stream import ClaudeParser
from mcp_background_job.agents.adapters.program import Program
from mcp_background_job.agents.adapters.reading import JsonObject, mapping, objects, text
from mcp_background_job.errors import InvalidRequestError

#: Bytes of a schema that fit on a command line beside the rest: Linux takes 128 KiB in one argument.
_SCHEMA_BYTES = 100_000

_SAFE = ("--permission-mode=acceptEdits",)
_FULL_ACCESS = ("--permission-mode=bypassPermissions",)

_ANSWERS = frozenset({"allow_once", "allow_always"})


class ClaudeCodeAdapter(ByProgram):
    """Claude Code. Attributes: see ``Adapter``."""

    name = "claude_code"
    config_keys = (*options.OF_PROGRAMS, "interactive")
    capabilities: frozenset[Capability] = frozenset({"resume", "live_continue", "permissions", "output_schema"})
    program = Program(
        name="claude",
        minimum=(2, 0, 0),  # the minimum of Anthropic's own SDK, which speaks the same protocol
        install="install it with `npm install -g @anthropic-ai/claude-code`",
    )

    def launch(self, request: RunRequest, binary: str) -> Launch:
        full_access = self.full_access(request.config)
        interactive = options.flag(request.config, "interactive", default=not full_access)
        argv = [binary, "-p", "--output-format=stream-json", "--verbose"]
        argv += self.held_back(request.config, _SAFE, _FULL_ACCESS)
        if interactive:
            argv += ["--input-format=stream-json", "--permission-prompt-tool=stdio"]
        argv += options.model_and_session(request, "--resume")
        if request.files:
            argv.append(f"--add-dir={os.path.dirname(request.files[0].path)}")
        if request.output_schema is not None:
            argv.append(f"--json-schema={_schema_of(request.output_schema)}")
        return Launch(
            argv=(*argv, *options.strings(request.config, "args")),
            env={"DISABLE_AUTOUPDATER": "1"},
            pass_env=(
                *("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "ANTHROPIC_MODEL"),
                *("CLAUDE_CODE_OAUTH_TOKEN", "CLAUDE_CONFIG_DIR", "CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX"),
                *("AWS_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
                *("AWS_BEARER_TOKEN_BEDROCK", "ANTHROPIC_VERTEX_PROJECT_ID", "CLOUD_ML_REGION"),
                "GOOGLE_APPLICATION_CREDENTIALS",
                "IS_SANDBOX",  # root may have full access only if this variable says that there is a sandbox
            ),
            stdin=_HELLO + _message(request.prompt) if interactive else request.prompt.encode(errors="replace"),
            keeps_stdin=interactive,
            polite_signal="INT",
        )

    def parser(self, state: Mapping[str, Any] | None = None) -> ClaudeParser:
        return ClaudeParser(state)

    def answer(self, parser: Parser, text: str, data: Mapping[str, Any]) -> bytes:
        claude = cast("ClaudeParser", parser)
        if not claude.takes_input:
            message = "this run of claude_code takes no input while it works; wait for its end, then continue the run"
            raise InvalidRequestError(message)
        if claude.pending:
            return _reply(claude.pending, text, data)
        if not text.strip():
            raise InvalidRequestError("claude_code asks nothing, and there is no text to send it; give a text part")
        return _message(text)

    def cancel_message(self, parser: Parser) -> bytes | None:
        claude = cast("ClaudeParser", parser)
        return _INTERRUPT if claude.takes_input and claude.end is None else None


def _schema_of(schema: Mapping[str, Any]) -> str:
    written = json.dumps(schema)
    if len(written) > _SCHEMA_BYTES:
        message = (
            f"output_schema has {len(written):,} bytes; claude_code takes it as an argument: at most {_SCHEMA_BYTES:,}"
        )
        raise InvalidRequestError(message)
    return written


def _line(message: JsonObject) -> bytes:
    return json.dumps(message).encode() + b"\n"


def _message(words: str) -> bytes:
    content = [{"type": "text", "text": words}]
    return _line({"type": "user", "message": {"role": "user", "content": content}, "parent_tool_use_id": None})


#: The agent answers this at once; its answer shows that it takes further input.
_HELLO = _line({"type": "control_request", "request_id": "hello", "request": {"subtype": "initialize", "hooks": None}})
_INTERRUPT = _line({"type": "control_request", "request_id": "cancel", "request": {"subtype": "interrupt"}})


def _reply(pending: Mapping[str, JsonObject], words: str, data: Mapping[str, Any]) -> bytes:
    """Return the answer to the request that ``request_id`` names, or else to the oldest one."""
    request_id = data.get("request_id", next(iter(pending)))
    if request_id not in pending:
        raise InvalidRequestError(f"there is no open request {request_id!r}; open are: {', '.join(pending)}")
    request = pending[request_id]
    decide = _decision if request["asked"]["kind"] == "permission" else _answers
    response = {"subtype": "success", "request_id": request_id, "response": decide(request, words, data)}
    return _line({"type": "control_response", "response": response})


def _decision(request: JsonObject, words: str, data: Mapping[str, Any]) -> JsonObject:
    chosen = choose(request["asked"]["options"], words, data)
    if chosen not in _ANSWERS:
        # If the data holds the choice, the text is free to say why not, and what to do instead.
        said = words.strip() if data.get("option_id") or data.get("decision") else ""
        return {"behavior": "deny", "message": said or "The user does not allow this."}
    allowed: JsonObject = {"behavior": "allow", "updatedInput": request["input"]}
    if chosen == "allow_always":
        # The agent suggests writing the rule into the workspace's settings; there the rule would outlive the run.
        allowed["updatedPermissions"] = [rule | {"destination": "session"} for rule in request["suggestions"]]
    return allowed


def _answers(request: JsonObject, words: str, data: Mapping[str, Any]) -> JsonObject:
    """Return the answers to the agent's questions: ``data["answers"]`` by question, or the text for a single one."""
    questions = [text(question.get("question")) for question in objects(request["input"].get("questions"))]
    answers = mapping(data.get("answers"))
    if not answers and len(questions) == 1 and words.strip():
        answers = {questions[0]: words.strip()}
    if missing := [question for question in questions if not _said(answers.get(question))]:
        raise InvalidRequestError(f"no answer to {missing[0]!r}; give data.answers, an object with a text per question")
    said = {question: _said(answers[question]) for question in questions}
    return {"behavior": "allow", "updatedInput": request["input"] | {"answers": said}}


def _said(answer: Any) -> str:
    """Return one answer as text: commas join several choices."""
    return ", ".join(map(str, cast("list[Any]", answer))) if isinstance(answer, list) else text(answer)


ADAPTER = ClaudeCodeAdapter()
