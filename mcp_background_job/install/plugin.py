"""The folder ``plugin/`` of the repository: files for hosts of plugins, bundles and registries, made from one table.

Every command line in it is the script on the PATH, so nothing is ever fetched. The skills are written by hand.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from mcp_background_job import __version__
from mcp_background_job.install import clients, script
from mcp_background_job.install.clients import SERVER, Machine, Name, client

_COMMAND = [script.NAME]
_TITLE = "Background jobs"
#: At most 100 characters: the limit of the MCP registry.
_ABOUT = "Runs commands in the background, waits for them without polling, really kills them; and ComfyUI."
_AUTHOR = {"name": "The mcp-background-job authors"}

#: The address of releases. Before publishing, put the owner here, and the bundle's checksum into server.json.
_RELEASES = "https://github.com/OWNER/mcp-background-job/releases/download"
_UNKNOWN_CHECKSUM = "0" * 64

#: Hosts and registries read Semantic Versioning, which writes Python's ``1.1.0.dev0`` as ``1.1.0-dev.0``.
_VERSION = __version__.replace(".dev", "-dev.")

_ABOUT_IT = {"name": script.NAME, "version": _VERSION, "description": _ABOUT}
_DESCRIBED = {**_ABOUT_IT, "author": _AUTHOR, "license": "MIT", "keywords": ["background", "jobs", "comfyui", "mcp"]}


def table() -> dict[str, Any]:
    """Return the files by their paths in the repository; files that are not JSON as texts."""
    return {
        ".claude-plugin/marketplace.json": _marketplace("./plugin"),
        "plugin/.claude-plugin/marketplace.json": _marketplace("./"),
        "plugin/.claude-plugin/plugin.json": _DESCRIBED,
        "plugin/.codex-plugin/plugin.json": _pointing("./hooks/codex.json"),
        "plugin/.cursor-plugin/plugin.json": _pointing("./hooks/cursor.json"),
        "plugin/.mcp.json": {"mcpServers": {SERVER: {"command": _COMMAND[0], "args": []}}},
        "plugin/hooks/hooks.json": _hooks("claude-code"),
        "plugin/hooks/codex.json": _hooks("codex"),
        "plugin/hooks/cursor.json": {"version": 1, **_hooks("cursor")},
        "plugin/monitors/monitors.json": [
            {
                "name": "endings",
                "command": f"{_COMMAND[0]} endings --follow",
                "description": "Jobs, renders and runs of this project that have ended, or ask something",
            }
        ],
        "plugin/gemini-extension.json": {**_ABOUT_IT, "mcpServers": {SERVER: client("gemini").entry(_COMMAND)}},
        "plugin/opencode.json": {
            "$schema": "https://opencode.ai/config.json",
            "mcp": {SERVER: client("opencode").entry(_COMMAND)},
        },
        f"plugin/.opencode/plugins/{script.NAME}.js": script.plugin(_COMMAND).value["text"],
        "plugin/manifest.json": _bundle(),
        "plugin/server.json": _registry(),
    }


def texts() -> dict[str, str]:
    """Return the contents of the files."""
    return {
        path: content if isinstance(content, str) else json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        for path, content in table().items()
    }


def _marketplace(source: str) -> dict[str, Any]:
    plugin = {"name": script.NAME, "source": source, "description": _ABOUT}
    return {"name": script.NAME, "owner": _AUTHOR, "metadata": {"description": _ABOUT}, "plugins": [plugin]}


def _pointing(hooks: str) -> dict[str, Any]:
    return {**_DESCRIBED, "mcpServers": "./.mcp.json", "skills": "./skills/", "hooks": hooks}


def _hooks(name: Name) -> dict[str, Any]:
    """Return the file of hooks that an installation into an empty home directory would give a client."""
    wanted = client(name).hook(Machine(Path("/"), {}, "linux"), None, _COMMAND)
    if wanted is None or not isinstance(wanted.wish, clients.Element):
        raise AssertionError(f"{name} has no hooks in a file")
    return wanted.wish.granted_in({}, first=True)


def _bundle() -> dict[str, Any]:
    """Return the manifest of a bundle (.mcpb): uv makes the environment from the project in it."""
    return {
        "manifest_version": "0.4",
        **_ABOUT_IT,
        "display_name": _TITLE,
        "author": _AUTHOR,
        "license": "MIT",
        "server": {
            "type": "uv",
            "entry_point": "mcp_background_job/__main__.py",
            # Hosts that know the type do not need this; the schema still demands it.
            "mcp_config": {"command": "uv", "args": ["run", "--directory", "${__dirname}", *_COMMAND]},
        },
        "compatibility": {"platforms": ["darwin", "linux"], "runtimes": {"python": ">=3.11"}},
    }


def _registry() -> dict[str, Any]:
    """Return the entry of the MCP registry: its package is a file of a release, not a name in an index."""
    bundle = f"{_RELEASES}/v{_VERSION}/{script.NAME}-{_VERSION}.mcpb"
    return {
        "$schema": "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json",
        "name": f"io.github.OWNER/{script.NAME}",
        "title": _TITLE,
        "description": _ABOUT,
        "version": _VERSION,
        "packages": [
            {
                "registryType": "mcpb",
                "identifier": bundle,
                "fileSha256": _UNKNOWN_CHECKSUM,
                "transport": {"type": "stdio"},
            }
        ],
    }


def main() -> None:
    """Write the files below the directory that the argument names."""
    for path, text in texts().items():
        file = Path(sys.argv[1], path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
