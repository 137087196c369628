"""A file that was uploaded to a ComfyUI server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Upload:
    """What was uploaded, and what the server calls it.

    Attributes:
        server: the server's base URL.
        sha256: of its content, in hexadecimal digits.
        purpose: what was made of it there: empty, or what a mask was laid over.
        subfolder: below the server's folder for inputs, as it was asked for.
        name: what the server calls it, with its subfolder, as a workflow names it.
        size: bytes of what the server has under this name.
        etag: by which the server tells that it has not changed since.
        at: when (seconds since the epoch).
    """

    server: str
    sha256: str
    purpose: str
    subfolder: str
    name: str
    size: int
    etag: str
    at: float
