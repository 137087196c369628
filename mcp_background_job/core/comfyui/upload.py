"""A file that was uploaded to a ComfyUI server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Upload:
    """One upload: the file here, and its name at the server.

    Attributes:
        server: the server's base URL.
        sha256: of its content, as hexadecimal digits.
        purpose: what the server was to make of it: empty for the file itself, or the image that a mask was laid over.
        subfolder: the requested path below the server's folder for inputs.
        name: the server's name for it, with its subfolder, as a workflow has it.
        size: bytes of the server's file of this name.
        etag: the server's mark of the file's content: it changes with the file.
        at: when it was uploaded (seconds since the epoch).
    """

    server: str
    sha256: str
    purpose: str
    subfolder: str
    name: str
    size: int
    etag: str
    at: float
