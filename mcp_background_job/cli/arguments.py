"""Arguments that several commands have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from cyclopts import Parameter, Token

from mcp_background_job.cli import durations


def _seconds(_kind: Any, tokens: Sequence[Token]) -> float:
    return durations.seconds(tokens[0].value, tokens[0].keyword or "a length of time")


AsJson = Annotated[bool, Parameter(name="--json")]
JobIds = Annotated[str, Parameter(required=True, help="Ids or names of jobs.")]
Seconds = Annotated[float, Parameter(converter=_seconds)]
OptionalSeconds = Annotated[float | None, Parameter(converter=_seconds)]


def separated(values: Sequence[str] | None) -> list[str]:
    """Return the parts of an option that may be repeated and may hold several values between commas."""
    return [part for value in values or () for part in (piece.strip() for piece in value.split(",")) if part]
