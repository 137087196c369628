"""The static files of the page, read once: what is not among them is not there, whatever a path says.

A page of thirty modules would be thirty requests, each of which begins when the one before has told of it. So a browser
is given one script and one style, made of the files here as they are read; see ``bundle``.
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache

from mcp_background_job.web.bundle import bundled

_TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
}

INDEX, SCRIPT, STYLE = "index.html", "page.js", "page.css"


@dataclass(frozen=True)
class StaticFile:
    """A file as it is sent. Its version is another one when its content is."""

    content: bytes
    packed: bytes
    media_type: str
    version: str


@cache
def static_files() -> dict[str, StaticFile]:
    """Return all of them, by their names."""
    page = bundled()
    script, style = _file(SCRIPT, page.script), _file(STYLE, page.style)
    html = page.html(*(f"/static/{name}?{file.version}" for name, file in ((STYLE, style), (SCRIPT, script))))
    return {INDEX: _file(INDEX, html), SCRIPT: script, STYLE: style}


def _file(name: str, text: str) -> StaticFile:
    content = text.encode()
    version = hashlib.sha256(content).hexdigest()[:16]
    return StaticFile(content, gzip.compress(content, mtime=0), _TYPES[name.rpartition(".")[2]], version)
