"""The newest of what was heard of each prompt that runs, as files: one per prompt, replaced as a whole.

ComfyUI tells how far a prompt is, and shows previews, to the one connection that submitted it: of a server of ours, or
of the feeder. Whoever looks from another process, a dashboard for example, reads it here. A line of JSON stands before
the picture. Nothing is written while nobody looks.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mcp_background_job.comfyui.wire.nodes import Live, Node
from mcp_background_job.comfyui.wire.previews import Preview

#: Whoever looks says so every few seconds; after this time without a word nobody does.
LOOKED_ON_S = 15.0

#: A file that nobody has replaced for so long is of a process that was killed.
_LEFT_S = 3600.0

_MARK = "looked-on"


class LiveFiles:
    """The files in one directory, which is made when somebody first looks."""

    def __init__(self, directory: Path) -> None:
        """Names the directory."""
        self._directory = directory

    def look_on(self) -> None:
        """Say that somebody looks; what was left by those who were killed goes."""
        self._directory.mkdir(mode=0o700, exist_ok=True)
        (self._directory / _MARK).touch(mode=0o600)
        old = time.time() - _LEFT_S
        for path in self._directory.iterdir():
            with contextlib.suppress(FileNotFoundError):  # its prompt has ended meanwhile
                if path.stat().st_mtime < old:
                    path.unlink()

    def is_looked_on(self) -> bool:
        """Tell whether somebody looks."""
        try:
            return time.time() - (self._directory / _MARK).stat().st_mtime < LOOKED_ON_S
        except OSError:  # nobody has ever looked
            return False

    def put(self, prompt_id: str, live: Live) -> None:
        """Replace what is known of a prompt."""
        path = self._path(prompt_id)
        part = path.with_suffix(f".{os.getpid()}")
        preview = live.preview
        head = {
            "nodes": {node_id: list(asdict(node).values()) for node_id, node in live.nodes.items()},
            "cached": live.cached,
            "preview": [preview.form, preview.node_id] if preview else None,
        }
        part.write_bytes(json.dumps(head).encode() + b"\n" + (preview.data if preview else b""))
        part.replace(path)

    def drop(self, prompt_id: str) -> None:
        """Forget a prompt that is over."""
        self._path(prompt_id).unlink(missing_ok=True)

    def version(self, prompt_id: str) -> str:
        """Return what differs whenever a prompt has been replaced; empty if nothing is known of it."""
        try:
            seen = self._path(prompt_id).stat()
        except FileNotFoundError:
            return ""
        return f"{seen.st_mtime_ns:x}-{seen.st_ino:x}"

    def get(self, prompt_id: str) -> Live | None:
        """Return what is known of a prompt."""
        try:
            head, _, picture = self._path(prompt_id).read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        return _live_of(json.loads(head), picture)

    def _path(self, prompt_id: str) -> Path:
        # Ids of older servers are whatever a client made up.
        return self._directory / hashlib.sha256(prompt_id.encode()).hexdigest()[:32]


def _live_of(head: dict[str, Any], picture: bytes) -> Live:
    form, node_id = head["preview"] or ("", "")
    return Live(
        nodes={name: Node(*values) for name, values in head["nodes"].items()},
        cached=tuple(head["cached"]),
        preview=Preview(picture, form, node_id=node_id) if form else None,
    )
