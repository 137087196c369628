"""Arguments that several commands have."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, cast

from mcp_background_job.cli import durations
from mcp_background_job.cli.parameter import Converter, Parameter, named
from mcp_background_job.core.text import expanded
from mcp_background_job.errors import InvalidRequestError


def _seconds(text: str, option: str) -> float:
    return durations.seconds(text, option or "a length of time")


def _at_least(minimum: int) -> Converter:
    def count(text: str, option: str) -> int:
        if not (text.isascii() and text.isdecimal()) or int(text) < minimum:
            raise InvalidRequestError(f"{option or 'a number'} {text!r}: give {minimum} or more")
        return int(text)

    return count


AsJson = Annotated[bool, named("--json")]
AllProjects = Annotated[bool, named("--all-projects", "-A")]
Every = Annotated[bool, named("--all", "-a")]
Follow = Annotated[bool, named("--follow", "-f")]
JobIds = Annotated[str, Parameter(is_required=True, help="Ids or names of jobs.")]
Seconds = Annotated[float, Parameter(convert=_seconds)]
OptionalSeconds = Annotated[float | None, Parameter(convert=_seconds)]
Limit = Annotated[int, Parameter(convert=_at_least(1))]
OptionalLimit = Annotated[int | None, Parameter(convert=_at_least(1))]
Count = Annotated[int, Parameter(convert=_at_least(0))]
OptionalCount = Annotated[int | None, Parameter(convert=_at_least(0))]


def separated(values: Sequence[str] | None) -> list[str]:
    """Return the parts of an option that may be repeated and may hold several values between commas."""
    return [part for value in values or () for part in (piece.strip() for piece in value.split(",")) if part]


def command_of(words: Sequence[str]) -> str:
    """Return what is given to the shell: one argument as it is, several quoted and joined, so that each stays one."""
    return words[0] if len(words) == 1 else shlex.join(words)


def json_object(option: str, said: str | None) -> dict[str, Any] | None:
    """Return the JSON object that an option holds, or the file that it names after an ``@``."""
    if said is None:
        return None
    try:
        value: object = json.loads(Path(said[1:]).read_text() if said.startswith("@") else said)
    except OSError as error:
        raise InvalidRequestError(f"{option}: {said[1:]} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InvalidRequestError(f"{option} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise InvalidRequestError(f"{option} is not a JSON object such as '{{}}'")
    return cast("dict[str, Any]", value)


def directory(said: str | None) -> str | None:
    """Return the path of a directory that was named from where the user is."""
    return str(Path(expanded(said)).absolute()) if said else None


def variables(pairs: Sequence[str] | None) -> dict[str, str]:
    """Return variables that were given as NAME=VALUE."""
    for pair in pairs or ():
        if "=" not in pair:
            raise InvalidRequestError(f"--env {pair!r}: give NAME=VALUE")
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs or ())}
