"""Any program: ``config["command"]`` is its argv, the prompt is its stdin, and each line that it prints is a message.

Only its exit code says how it ended: 0 is a success.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from mcp_background_job.agents.adapters import named_program, options
from mcp_background_job.agents.adapters.base import (
    Availability,
    Capability,
    Event,
    Launch,
    ParsedEnd,
    Parser,
    RunRequest,
)
from mcp_background_job.agents.adapters.reading import JsonObject, known
from mcp_background_job.core.run import EventType, RunStatus
from mcp_background_job.errors import InvalidRequestError

#: Characters of output that are kept as the final response, in whole lines: a report, but not a log of the work.
_KEPT = 16_000


class CommandParser:
    """Takes each line as a message.

    Attributes:
        session_id: always ``None``.
        end: see ``Parser``; known once the program has exited.
    """

    session_id: str | None = None

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        """Starts at the beginning of the output, or in a state from ``dump``."""
        state = state or {}
        self._exit_code: int | None = state.get("exit_code")
        self._lines: deque[str] = deque(state.get("lines", []))
        self._length = sum(map(len, self._lines))
        self._omitted: int = state.get("omitted", 0)
        self.end: ParsedEnd | None = self._end()

    def feed(self, line: bytes) -> list[Event]:
        said = line.decode(errors="replace").removesuffix("\r")
        self._lines.append(said[-_KEPT:])
        self._length += len(self._lines[-1])
        self._omitted += len(said) - len(self._lines[-1])
        while self._length > _KEPT:
            left_out = len(self._lines.popleft())
            self._length -= left_out
            self._omitted += left_out + 1  # with its newline
        return [Event(EventType.AGENT_MESSAGE, {"text": said})] if said.strip() else []

    def close(self, exit_code: int | None) -> list[Event]:
        self._exit_code = exit_code
        self.end = self._end()
        return []

    def dump(self) -> JsonObject:
        return {"lines": list(self._lines), "exit_code": self._exit_code, "omitted": self._omitted}

    def _end(self) -> ParsedEnd | None:
        if self._exit_code is None:
            return None
        said = "\n".join(self._lines).strip("\n")
        told = known(omitted_characters=self._omitted or None)
        if self._exit_code == 0:
            return ParsedEnd(RunStatus.COMPLETED, {"final_response": said, **told})
        error = f"exit code {self._exit_code}"
        return ParsedEnd(RunStatus.FAILED, known(error=error, reason="exit", final_response=said) | told)


_EXAMPLE = '["make", "report"]'


class CommandAdapter:
    """Any program. Attributes: see ``Adapter``."""

    name = "command"
    config_keys = ("command",)
    capabilities: frozenset[Capability] = frozenset()
    exit_is_result = True

    def available(self, config: Mapping[str, Any], environment: Mapping[str, str]) -> Availability:
        return named_program.look(self.name, config, environment, _EXAMPLE)

    def full_access(self, config: Mapping[str, Any]) -> bool:  # noqa: ARG002  as Adapter has it
        """Return false: the program is not an agent, and may do what any job may."""
        return False

    def launch(self, request: RunRequest, binary: str) -> Launch:
        options.refuse_schema(request, "command")
        if request.resume is not None:
            raise InvalidRequestError("a command has no sessions to resume; start a new run")
        return Launch(
            argv=(binary, *named_program.argv_of(self.name, request.config, _EXAMPLE)[1:]),
            stdin=request.prompt.encode(errors="replace"),
        )

    def parser(self, state: Mapping[str, Any] | None = None) -> CommandParser:
        return CommandParser(state)

    def answer(self, parser: Parser, text: str, data: Mapping[str, Any]) -> bytes:  # noqa: ARG002  as Adapter has it
        raise InvalidRequestError("a command takes no input while it works; start it as a job to write to its stdin")

    def cancel_message(self, parser: Parser) -> bytes | None:  # noqa: ARG002  as Adapter has it
        return None


ADAPTER = CommandAdapter()
