"""The common part of the adapters of agents that are programs."""

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
    """An agent that is a program with arguments. Attributes: see ``Adapter``; and ``program``."""

    name: str
    config_keys: tuple[str, ...] = ("binary",)  # `program` heeds it; an adapter names what it heeds itself
    exit_is_result = False
    program: Program

    def available(self, config: Mapping[str, Any], environment: Mapping[str, str]) -> Availability:
        """Look for the program."""
        return self.program.look(config, environment)

    def full_access(self, config: Mapping[str, Any]) -> bool:
        """Tell whether ``full_access`` or an argument gives full access."""
        return access.is_given(config, self._granting(config), "args")

    def held_back(self, config: Mapping[str, Any], safe: Sequence[str], full: Sequence[str]) -> Sequence[str]:
        """Return the options that restrict the agent or that free it; none if an argument already gives full access.

        Some agents refuse an option that is given twice.
        """
        if not self.full_access(config):
            return safe
        return () if self._granting(config) else full

    def _granting(self, config: Mapping[str, Any]) -> str | None:
        return access.by_arguments(self.program.name, options.strings(config, "args"))


class OneTask(ByProgram):
    """An agent that takes one task, and no more input until that task is done."""

    def answer(self, parser: Parser, text: str, data: Mapping[str, Any]) -> bytes:  # noqa: ARG002  as Adapter has it
        """Refuse: the agent takes no input."""
        raise InvalidRequestError(f"{self.name} takes no input while it works; wait for its end, then continue the run")

    def cancel_message(self, parser: Parser) -> bytes | None:  # noqa: ARG002  as Adapter has it
        """Return nothing: only a signal stops it."""
        return None


def schema_option(request: RunRequest, option: str) -> list[str]:
    """Return the argument that names the file of the output schema; none if there is no schema."""
    if request.output_schema is None:
        return []
    return [f"{option}={os.path.join(request.directory, _SCHEMA_FILE)}"]


def schema_file(request: RunRequest) -> dict[str, bytes]:
    """Return the file of the output schema, for ``Launch.files``."""
    return {} if request.output_schema is None else {_SCHEMA_FILE: json.dumps(request.output_schema).encode()}
