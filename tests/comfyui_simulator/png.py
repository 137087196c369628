"""Writes real, small PNG files under ComfyUI's names."""

import re
import struct
import zlib
from pathlib import Path
from typing import Any


def save(output_directory: Path, filename_prefix: str, text: str) -> dict[str, Any]:
    """Write the next file of a prefix, which may name subfolders; returns the file's entry for the history."""
    prefix = Path(filename_prefix)
    subfolder = "" if str(prefix.parent) == "." else str(prefix.parent)
    folder = output_directory / subfolder
    folder.mkdir(parents=True, exist_ok=True)
    filename = f"{prefix.name}_{_next_number(folder, prefix.name):05}_.png"
    (folder / filename).write_bytes(picture(text))
    return {"filename": filename, "subfolder": subfolder, "type": "output"}


def picture(text: str) -> bytes:
    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixel = zlib.compress(b"\0\x33\x66\x99")
    comment = b"prompt\0" + text.encode("latin-1", "replace")
    chunks = [(b"IHDR", header), (b"tEXt", comment), (b"IDAT", pixel), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def stage(step: int, steps: int, size: int = 64) -> bytes:
    """Return a picture of work in progress: each step shows more of a coloured disc."""
    rows = bytearray()
    for y in range(size):
        rows.append(0)
        for x in range(size):
            inside = (x - size / 2) ** 2 + (y - size / 2) ** 2 < (size * 0.45 * step / steps) ** 2
            rows += bytes((40 + 3 * x, 90 + 2 * y, 160) if inside else (24, 24, 32))
    header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(rows))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _next_number(folder: Path, name: str) -> int:
    pattern = re.compile(re.escape(name) + r"_(\d+)_\.png")
    numbers = [int(match[1]) for path in folder.iterdir() if (match := pattern.fullmatch(path.name))]
    return max(numbers, default=0) + 1
