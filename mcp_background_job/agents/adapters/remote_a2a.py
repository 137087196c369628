"""A remote agent that speaks the Agent2Agent protocol over HTTP: ``config["agent_url"]`` is where its card is found.

Needs the extra ``a2a``. Further keys: ``agent_card_path``, ``headers``, ``auth_token``, ``accepted_output_modes``,
``history_length`` (how many messages of its history come with a task), and ``blocking``: with ``false``, an agent that
does not stream answers at once, and the host polls its task.
"""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Mapping
from typing import Any

from mcp_background_job.agents.adapters import hosted
from mcp_background_job.agents.adapters.base import Availability, Capability, Launch, Parser, RunRequest
from mcp_background_job.agents.adapters.options import count, flag, refuse_schema, string, strings
from mcp_background_job.agents.adapters.reading import mapping
from mcp_background_job.errors import InvalidRequestError

#: Seconds that the host may take to stop. Only the remote agent's confirmation takes time; no process has to end here.
_GRACE_S = 5.5


class A2aAdapter:
    """A remote A2A agent. Attributes: see ``Adapter``."""

    name = "remote_a2a"
    config_keys = (
        "agent_url",
        "agent_card_path",
        "headers",
        "auth_token",
        "accepted_output_modes",
        "history_length",
        "blocking",
    )
    capabilities: frozenset[Capability] = frozenset({"resume", "live_continue", "files"})
    exit_is_result = False

    def available(self, config: Mapping[str, Any], environment: Mapping[str, str]) -> Availability:  # noqa: ARG002
        """Check that the SDK is installed; the host contacts the agent itself."""
        try:
            return Availability(sys.executable, version=importlib.metadata.version("a2a-sdk"))
        except importlib.metadata.PackageNotFoundError:
            return Availability(None, reason="a2a-sdk is not installed: in a clone, pip install '.[a2a]'")

    def full_access(self, config: Mapping[str, Any]) -> bool:  # noqa: ARG002  as Adapter has it
        """Return false: the remote side decides what the agent may do."""
        return False

    def launch(self, request: RunRequest, binary: str) -> Launch:  # noqa: ARG002  the program is the host
        """Return how to start the host."""
        refuse_schema(request, "an A2A agent")
        url = string(request.config, "agent_url") or ""
        if not url.startswith(("http://", "https://")):
            raise InvalidRequestError("backend remote_a2a needs backend_config.agent_url, an http:// or https:// URL")
        config = {
            "agent_url": url,
            "agent_card_path": string(request.config, "agent_card_path"),
            "auth_token": string(request.config, "auth_token"),
            "headers": _headers(request.config),
            "accepted_output_modes": strings(request.config, "accepted_output_modes"),
            "history_length": count(request.config, "history_length"),
            "blocking": flag(request.config, "blocking", default=True),
        }
        return hosted.launch("a2a", request, config, grace_s=_GRACE_S)

    def parser(self, state: Mapping[str, Any] | None = None) -> hosted.HostParser:
        """Return the parser of the host's lines."""
        return hosted.HostParser(state)

    def answer(self, parser: Parser, text: str, data: Mapping[str, Any]) -> bytes:
        """Return the line that answers the open question; without one, the line with the next message."""
        question = hosted.question_of(parser, data)
        if question is None:
            return hosted.message(text)
        if not text.strip() and not data:
            raise InvalidRequestError(f"the agent asks: {question.get('text')}; an answer has text, or data")
        return hosted.line(answer={"request_id": question["request_id"], "text": text, "data": dict(data)})

    def cancel_message(self, parser: Parser) -> bytes | None:
        """Return the line that cancels."""
        return hosted.line(cancel=True) if parser.end is None else None


def _headers(config: Mapping[str, Any]) -> dict[str, str]:
    headers = mapping(config.get("headers") or {})
    if headers != (config.get("headers") or {}) or not all(isinstance(value, str) for value in headers.values()):
        raise InvalidRequestError("backend_config.headers has a text for each name, or is left out")
    return headers


ADAPTER = A2aAdapter()
