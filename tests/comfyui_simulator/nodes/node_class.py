"""A node class, as validation and execution see it, and the calls that a running node may make."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

#: A type name or the list of allowed values; then options.
InputSpec = list[Any]


class Context(Protocol):
    """The server, as seen by a running node."""

    @property
    def output_directory(self) -> Path: ...

    def progress(self, value: int, maximum: int) -> None:
        """Report a step; raises if the prompt was interrupted."""
        ...

    def preview(self, png: bytes) -> None:
        """Show a picture of the work in progress."""
        ...

    def print_progress(self, value: int, maximum: int, seconds: float) -> None:
        """Print a progress bar."""
        ...


@dataclass(frozen=True)
class Result:
    outputs: tuple[Any, ...] = ()
    ui: dict[str, list[Any]] | None = None


@dataclass(frozen=True)
class NodeClass:
    name: str
    run: Callable[[Context, dict[str, Any]], Result]
    required: dict[str, InputSpec] = field(default_factory=dict[str, InputSpec])
    optional: dict[str, InputSpec] = field(default_factory=dict[str, InputSpec])
    returns: tuple[str, ...] = ()
    is_output: bool = True
    description: str = ""
    #: Says why inputs cannot be used, given the folder for outputs: the input, the kind of error, and details.
    check: Callable[[Path, dict[str, Any]], tuple[str, str, str] | None] | None = None

    @property
    def inputs(self) -> dict[str, InputSpec]:
        return self.required | self.optional


def said(text: str) -> Result:
    return Result((0,), {"text": [text]})
