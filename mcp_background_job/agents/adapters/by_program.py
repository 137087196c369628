"""What the adapters share of agents that are programs of their own."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from mcp_background_job.agents.adapters import access, options
from mcp_background_job.agents.adapters.base import Availability, Parser, RunRequest
from mcp_background_job.agents.adapters.program import Program
from mcp_background_job.errors import InvalidRequestError

_SCHEMA_FILE = "output_schema.json"


class ByProgram:
    """An agent that is a program which takes arguments. Attributes: as ``Adapter`` says, and ``program``."""

    name: str
    config_keys: tuple[str, ...] = options.OF_PROGRAMS
    exit_is_result = False
    program: Program

    def available(self, config: Mapping[str, Any], environment: Mapping[str, str]) -> Availability:
        """Look for the program."""
        return self.program.look(config, environment)

    def full_access(self, config: Mapping[str, Any]) -> bool:
        """Tell whether ``full_access`` or an argument gives it."""
        return access.is_given(config, self._granting(config), "args")

    def held_back(self, config: Mapping[str, Any], safe: Sequence[str], full: Sequence[str]) -> Sequence[str]:
        """Return the options that hold the agent back, or those that do not; none where an argument says so itself.

        Some agents refuse to be told twice.
        """
        if not self.full_access(config):
            return safe
        return () if self._granting(config) else full

    def _granting(self, config: Mapping[str, Any]) -> str | None:
        return access.by_arguments(self.program.name, options.strings(config, "args"))


class OneTask(ByProgram):
    """One that is given its task, and takes nothing more until that is done."""

    def answer(self, parser: Parser, text: str, data: Mapping[str, Any]) -> bytes:  # noqa: ARG002  as Adapter has it
        """Refuse."""
        raise InvalidRequestError(f"{self.name} takes no input while it works; wait for its end, then continue the run")

    def cancel_message(self, parser: Parser) -> bytes | None:  # noqa: ARG002  as Adapter has it
        """Return nothing: a signal is what stops it."""
        return None


def schema_option(request: RunRequest, option: str) -> list[str]:
    """Return the argument that names the file of the output schema; none if there is no schema."""
    if request.output_schema is None:
        return []
    return [f"{option}={os.path.join(request.directory, _SCHEMA_FILE)}"]


def schema_file(request: RunRequest) -> dict[str, bytes]:
    """Return that file, for ``Launch.files``."""
    return {} if request.output_schema is None else {_SCHEMA_FILE: json.dumps(request.output_schema).encode()}
