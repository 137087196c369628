"""A server process that serves over HTTP."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class HttpServer:
    """A server process that listens."""

    url: str
    token: str
    said: str
