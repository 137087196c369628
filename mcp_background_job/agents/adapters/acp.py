"""Any agent that speaks the Agent Client Protocol on its stdin and stdout: ``config["command"]`` is its argv.

The agent's requests for permission are passed on (``input_required``), unless ``config["full_access"]`` is true. The
agent and its ``mode`` decide which requests there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp_background_job.agents.adapters import access, hosted, named_program
from mcp_background_job.agents.adapters.answers import choose
from mcp_background_job.agents.adapters.base import Availability, Capability, Launch, Parser, RunRequest
from mcp_background_job.agents.adapters.options import flag, refuse_schema, string, strings
from mcp_background_job.errors import InvalidRequestError

#: Seconds that the host may take to stop. Agents that acknowledge a cancel need a tenth of it.
_GRACE_S = 1.2

#: The variables that well-known agents read, by a word of their command. No agent is given the keys of another. Other
#: agents get the variables that the setting for variables of runs names.
_READS = {
    "claude": ("ANTHROPIC_*", "CLAUDE_CONFIG_DIR", "CLAUDE_CODE_OAUTH_TOKEN", "IS_SANDBOX"),
    "codex": ("CODEX_*", "OPENAI_*"),
    "copilot": ("COPILOT_*", "GH_TOKEN", "GITHUB_TOKEN"),
    "cursor": ("CURSOR_*",),
    "gemini": ("GEMINI_*", "GOOGLE_*"),
    "opencode": ("OPENCODE_*",),
}


_EXAMPLE = '["gemini", "--acp"]'


class AcpAdapter:
    """Any agent that speaks ACP. Attributes: see ``Adapter``."""

    name = "acp"
    config_keys = ("command", "full_access", "mode", "model")
    capabilities: frozenset[Capability] = frozenset({"resume", "live_continue", "permissions"})
    exit_is_result = False

    def available(self, config: Mapping[str, Any], environment: Mapping[str, str]) -> Availability:
        return named_program.look(self.name, config, environment, _EXAMPLE)

    def full_access(self, config: Mapping[str, Any]) -> bool:
        """Tell whether ``full_access``, the mode or the command gives full access."""
        if mode := access.by_mode(string(config, "mode")):
            return access.is_given(config, mode, "mode")
        return access.is_given(config, access.by_command(strings(config, "command")), "command")

    def launch(self, request: RunRequest, binary: str) -> Launch:
        """Return how to start the host; the host starts the agent."""
        refuse_schema(request, "an ACP agent")
        named = named_program.argv_of(self.name, request.config, _EXAMPLE)
        self.full_access(request.config)  # raises if the request contradicts itself
        command = [binary, *named[1:]]
        config = {
            "command": command,
            "full_access": flag(request.config, "full_access"),
            "mode": string(request.config, "mode"),
            "model": string(request.config, "model"),
        }
        words = " ".join(word.rpartition("/")[2] for word in named)  # a path names the program by its last part
        passed = [name for agent, names in _READS.items() if agent in words for name in names]
        return hosted.launch("acp", request, config, grace_s=_GRACE_S, pass_env=passed)

    def parser(self, state: Mapping[str, Any] | None = None) -> hosted.HostParser:
        """Return the parser of the host's lines."""
        return hosted.HostParser(state)

    def answer(self, parser: Parser, text: str, data: Mapping[str, Any]) -> bytes:
        """Return the line that answers the open question; without one, the line with the next message."""
        question = hosted.question_of(parser, data)
        if question is None:
            return hosted.message(text)
        request_id = question["request_id"]
        if "methods" in question:
            return hosted.line(answer={"request_id": request_id, "method_id": _login(question["methods"], text, data)})
        chosen = choose(question["options"], text, data)
        return hosted.line(answer={"request_id": request_id, "option_id": chosen})

    def cancel_message(self, parser: Parser) -> bytes | None:
        """Return the line that cancels."""
        return hosted.line(cancel=True) if parser.end is None else None


def _login(methods: list[dict[str, Any]], text: str, data: Mapping[str, Any]) -> str:
    wanted = str(data.get("method_id") or text).strip()
    ids = [str(method["id"]) for method in methods]
    if wanted not in ids:
        raise InvalidRequestError(f"{wanted!r} is not a login method; answer with one of: {', '.join(ids)}")
    return wanted


ADAPTER = AcpAdapter()
