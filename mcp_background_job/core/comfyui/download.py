"""A file of a ComfyUI server that was downloaded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Download:
    """What was downloaded, and where it was put.

    Attributes:
        prompt_id: the prompt that made it.
        type: the server's folder that it lies in: output, temp or input.
        subfolder: below that folder, as the server has it.
        filename: its name there.
        path: where it was put on this machine.
        size: bytes.
        sha256: of its content, in hexadecimal digits.
        at: when (seconds since the epoch).
    """

    prompt_id: str
    type: str
    subfolder: str
    filename: str
    path: str
    size: int
    sha256: str
    at: float
