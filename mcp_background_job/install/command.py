"""The command line that starts this installation again, for a client's configuration.

It never names this package to an index, where the name belongs to another project.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from mcp_background_job.errors import InvalidRequestError

_SCRIPT = "mcp-background-job"

#: The folder of uv's cache that holds the environments of uvx: they vanish when the cache is pruned.
_CACHED = "archive-v0"


def own_command() -> list[str]:
    """Return the words of the command that starts this server.

    Raises:
        InvalidRequestError: this program runs from a cache, and its origin is unknown.
    """
    if _CACHED in Path(sys.prefix).parts:
        return [_uvx(), "--from", _origin(), _SCRIPT]
    for script in (Path(sys.argv[0]), Path(sys.executable).with_name(_SCRIPT)):
        # The name is kept as given: a link such as ~/.local/bin/mcp-background-job stays valid if its target moves.
        if script.name == _SCRIPT and script.is_absolute() and os.access(script, os.X_OK):
            return [str(script)]
    if on_path := shutil.which(_SCRIPT):
        return [on_path] if Path(on_path).is_absolute() else [str(Path(on_path).absolute())]
    return [sys.executable, "-m", "mcp_background_job"]


def _uvx() -> str:
    if uv := os.environ.get("UV"):
        return str(Path(uv).with_name("uvx"))
    return shutil.which("uvx") or "uvx"


def _origin() -> str:
    """Return the argument that ``uvx --from`` was given (PEP 610)."""
    said = metadata.distribution(_SCRIPT).read_text("direct_url.json")
    origin: dict[str, Any] = json.loads(said) if said else {}
    if not origin:
        raise InvalidRequestError(
            "this runs from uv's cache, and where it came from is not known: say the command that starts it, such as "
            f"--command 'uvx --from git+URL {_SCRIPT}'"
        )
    url: str = origin["url"]
    if vcs := origin.get("vcs_info"):
        revision = f"@{vcs['requested_revision']}" if "requested_revision" in vcs else ""
        url = f"{vcs['vcs']}+{url}{revision}"
    if folder := origin.get("subdirectory"):
        url = f"{url}#subdirectory={folder}"
    return url
