"""The newest reports on each running prompt, as files: one per prompt, replaced as a whole.

ComfyUI reports progress, and sends previews, only to the connection that submitted the prompt: one of our servers, or
the feeder. Another process that watches, such as a dashboard, reads the reports here. A line of JSON precedes the
picture. Nothing is written while nobody watches.
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

#: A watcher says so every few seconds; after so many seconds without that, nobody watches.
LOOKED_ON_S = 15.0

#: A file that was not replaced for so many seconds was left by a process that was killed.
_LEFT_S = 3600.0

_MARK = "looked-on"


class LiveFiles:
    """The files in one directory, which is made when somebody first watches."""

    def __init__(self, directory: Path) -> None:
        """Takes the directory."""
        self._directory = directory

    def look_on(self) -> None:
        """Note that somebody watches, and remove the files of killed processes."""
        self._directory.mkdir(mode=0o700, exist_ok=True)
        (self._directory / _MARK).touch(mode=0o600)
        old = time.time() - _LEFT_S
        for path in self._directory.iterdir():
            with contextlib.suppress(FileNotFoundError):  # its prompt has ended meanwhile
                if path.stat().st_mtime < old:
                    path.unlink()

    def is_looked_on(self) -> bool:
        """Tell whether somebody watches."""
        try:
            return time.time() - (self._directory / _MARK).stat().st_mtime < LOOKED_ON_S
        except OSError:  # nobody has ever watched
            return False

    def put(self, prompt_id: str, live: Live) -> None:
        """Replace the report on a prompt."""
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
        """Return a value that changes whenever a prompt's report is replaced; empty if there is none."""
        try:
            seen = self._path(prompt_id).stat()
        except FileNotFoundError:
            return ""
        return f"{seen.st_mtime_ns:x}-{seen.st_ino:x}"

    def get(self, prompt_id: str) -> Live | None:
        """Return the report on a prompt, ``None`` if there is none."""
        try:
            head, _, picture = self._path(prompt_id).read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        return _live_of(json.loads(head), picture)

    def _path(self, prompt_id: str) -> Path:
        # On older servers, a client makes up the id, so it may contain anything.
        return self._directory / hashlib.sha256(prompt_id.encode()).hexdigest()[:32]


def _live_of(head: dict[str, Any], picture: bytes) -> Live:
    form, node_id = head["preview"] or ("", "")
    return Live(
        nodes={name: Node(*values) for name, values in head["nodes"].items()},
        cached=tuple(head["cached"]),
        preview=Preview(picture, form, node_id=node_id) if form else None,
    )
