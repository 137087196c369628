"""The parcel that carries a job to a node without shared files, and the lines of its runner in the engine's log.

The parcel is beside the runner's package. It holds ``job.json``, with the spec and the token of the runner's port, and
below ``files/`` the files of the job's directory that the spec names. The runner prints lines that begin with ``MARK``:
its address first, and at its end the bytes that were not fetched and the exit record. All of it is ASCII, since engines
mishandle other text.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any, cast

#: File names in a parcel.
JOB = "job.json"
FILES = "files"
RUNNER = "runner.pyz"

MARK = "mcp-bg: "

#: The user's home on the node: the working directory if none was named.
HOME = "~"

#: Bytes of output, from the end of a log, that are printed at the end of a job if they were not fetched before. An
#: engine hands over such a log as a whole.
MAX_TOLD = 32 * 1024 * 1024

#: Bytes of a file in one line.
PIECE = 256 * 1024


def line(**told: object) -> bytes:
    """Return a line for the engine's log."""
    return (MARK + json.dumps(told)).encode() + b"\n"


def pieces(name: str, at: int, data: bytes) -> Iterator[bytes]:
    """Return lines that carry the content of a file from an offset on."""
    import zlib  # noqa: PLC0415  at the end of a job, and only where there is output left

    for start in range(0, len(data), PIECE):
        packed = base64.b64encode(zlib.compress(data[start : start + PIECE], 1)).decode()
        yield line(file=name, at=at + start, zlib=packed)


def told(log: str) -> list[dict[str, Any]]:
    """Return the values of the lines in an engine's log; cut or forged lines are left out."""
    found: list[dict[str, Any]] = []
    for text in log.splitlines():
        if text.startswith(MARK):
            try:
                said: object = json.loads(text[len(MARK) :])
            except (ValueError, RecursionError):
                continue
            if isinstance(said, dict):
                found.append(cast("dict[str, Any]", said))
    return found


def piece_in(said: dict[str, Any]) -> tuple[str, int, bytes] | None:
    """Return the file, the offset and the bytes that a line carries; ``None`` for another kind of line."""
    import zlib  # noqa: PLC0415  see above

    name, at, packed = said.get("file"), said.get("at"), said.get("zlib")
    if not isinstance(name, str) or type(at) is not int or at < 0 or not isinstance(packed, str):
        return None
    try:
        unpacking = zlib.decompressobj()
        return name, at, unpacking.decompress(base64.b64decode(packed), PIECE)
    except (ValueError, zlib.error):
        return None
