"""A file that was downloaded from a ComfyUI server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Download:
    """One download: the file at the server, and its path here.

    Attributes:
        prompt_id: the prompt that made it.
        type: the server's folder that holds it: output, temp or input.
        subfolder: its path below that folder, as the server gives it.
        filename: its name at the server.
        path: its path on this machine.
        size: its size, in bytes.
        sha256: of its content, as hexadecimal digits.
        at: when it was downloaded (seconds since the epoch).
    """

    prompt_id: str
    type: str
    subfolder: str
    filename: str
    path: str
    size: int
    sha256: str
    at: float
