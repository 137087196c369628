"""A download: something that a browser saves as a file while it arrives."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from mcp_background_job.actions.asked import Asked
from mcp_background_job.actions.caller import Caller

Request = TypeVar("Request")


@dataclass(frozen=True)
class Download:
    """A file for the browser to save.

    Attributes:
        name: the name of the saved file.
        media_type: its media type.
        chunks: reads the content, once; it is closed early if the browser does not want the rest.
    """

    name: str
    media_type: str
    chunks: Callable[[], AsyncGenerator[bytes]]


@dataclass(frozen=True)
class Downloadable(Generic[Request]):
    """Something that can be downloaded.

    Attributes:
        name: the name by which pages know it.
        request: the dataclass of its arguments.
        open: finds it; raises a ``BackgroundJobError`` if it does not exist.
    """

    name: str
    request: type[Request]
    open: Callable[[Caller, Request], Awaitable[Download]]
    asked: Asked[Request] = field(init=False)

    def __post_init__(self) -> None:
        """Make the object that checks its arguments."""
        object.__setattr__(self, "asked", Asked[Request](self.request))
