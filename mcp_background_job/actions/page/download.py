"""What a download is: something that a browser saves as a file, as it comes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from mcp_background_job.actions.asked import Asked
from mcp_background_job.actions.caller import Caller

Request = TypeVar("Request")


@dataclass(frozen=True)
class Download:
    """A file to be saved.

    Attributes:
        name: that it is to have.
        media_type: of what is in it.
        chunks: reads it, once; closed early if nobody wants the rest.
    """

    name: str
    media_type: str
    chunks: Callable[[], AsyncGenerator[bytes]]


@dataclass(frozen=True)
class Downloadable(Generic[Request]):
    """Something that can be downloaded.

    Attributes:
        name: that pages know it by.
        request: the class of its arguments, a dataclass.
        open: finds it; raises a ``BackgroundJobError`` if it is not there.
    """

    name: str
    request: type[Request]
    open: Callable[[Caller, Request], Awaitable[Download]]
    asked: Asked[Request] = field(init=False)

    def __post_init__(self) -> None:
        """Make what checks its arguments."""
        object.__setattr__(self, "asked", Asked[Request](self.request))
