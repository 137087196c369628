"""The clients that this server can be added to: where each keeps its configuration, and which entries it needs."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from mcp_background_job.install import script
from mcp_background_job.install.jsonc import Jsonc
from mcp_background_job.install.toml import Toml
from mcp_background_job.install.wishes import Element, Entry, Format, Wish

#: The name of this server in every client.
SERVER = "background-job"

#: Seconds that a client may wait for a stop hook: an hour, after which the turn ends as it does without hooks.
HOOK_TIMEOUT_S = 3600

#: Seconds that Codex waits for the server's first answer; its default of 10 is short on a busy machine.
_STARTUP_TIMEOUT_S = 30

#: Gemini CLI's own default for a request. Without the entry, ``gemini mcp list`` waits 5 s: short on a busy machine.
_GEMINI_TIMEOUT_MS = 600_000

Name = Literal["claude-code", "claude-desktop", "codex", "cursor", "gemini", "opencode", "vscode", "windsurf", "zed"]

_JSONC = Jsonc()
_TOML = Toml()


@dataclass(frozen=True)
class Machine:
    """Where clients look for their files."""

    home: Path = field(default_factory=Path.home)
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    platform: str = sys.platform

    def folder(self, variable: str, *parts: str) -> Path:
        """Return the folder that a variable names, or else a folder below the home directory."""
        said = self.environ.get(variable)
        return Path(said) if said else self.home.joinpath(*parts)

    @property
    def config(self) -> Path:
        """The folder of XDG's configuration files."""
        return self.folder("XDG_CONFIG_HOME", ".config")

    @property
    def apps(self) -> Path:
        """The folder in which desktop programs keep their settings."""
        return self.home / "Library" / "Application Support" if self.platform == "darwin" else self.config


@dataclass(frozen=True)
class Wanted:
    """An entry that one file should have."""

    path: Path
    kind: Format
    wish: Wish


class Client:
    """A client: its name, its files, and the entries that they should have.

    Attributes:
        name: the name that people type.
        title: the name as its makers write it.
        then: what to do after the installation, once it was started again.
    """

    name: Name
    title: str
    then: str = "it reads its configuration when it starts"
    _kind: Format = _JSONC
    _keys: tuple[str, ...] = ("mcpServers",)

    def file(self, machine: Machine, project: Path | None) -> Path | None:
        """Return the file with its list of servers; None if it has none for a project."""
        raise NotImplementedError

    def entry(self, command: list[str]) -> dict[str, Any]:
        """Return its form of an entry for a server that a command starts."""
        return {"command": command[0], "args": command[1:]}

    def hook(self, machine: Machine, project: Path | None, command: list[str]) -> Wanted | None:
        """Return its stop hook; None if it reads no hooks from files."""
        del machine, project, command
        return None

    def server(self, machine: Machine, project: Path | None, command: list[str]) -> Wanted | None:
        """Return the entry of this server; None if the client has no such file."""
        path = self.file(machine, project)
        return Wanted(path, self._kind, Entry((*self._keys, SERVER), self.entry(command))) if path else None

    def read(self, text: str) -> dict[str, Any]:
        """Return the content of its file of servers.

        Raises:
            ValueError: the text cannot be parsed.
        """
        return self._kind.read(text)

    def command_in(self, value: dict[str, Any]) -> tuple[list[str], dict[str, str]] | None:
        """Return the command line and variables with which its file starts this server; None if it does not."""
        found = Entry((*self._keys, SERVER), {}).found_in(value)
        if not isinstance(found, dict) or "command" not in found:
            return None
        return self._command_of(cast("dict[str, Any]", found))

    def _command_of(self, entry: dict[str, Any]) -> tuple[list[str], dict[str, str]]:
        return _words(entry["command"]) + _words(entry.get("args")), _variables(entry.get("env"))

    def _hook_command(self, command: list[str]) -> str:
        return shlex.join([*command, *self._hook_words()])

    def _hook_words(self) -> list[str]:
        return ["hook", "stop", "--client", self.name]

    @property
    def mark(self) -> str:
        """The text that distinguishes our hook from others."""
        return shlex.join(self._hook_words())


class ClaudeCode(Client):
    """Claude Code."""

    name = "claude-code"
    title = "Claude Code"
    then = "/mcp there shows whether this server is connected"

    def file(self, machine: Machine, project: Path | None) -> Path:
        if project:
            return project / ".mcp.json"
        return machine.folder("CLAUDE_CONFIG_DIR") / ".claude.json"

    def entry(self, command: list[str]) -> dict[str, Any]:
        return {"type": "stdio", **super().entry(command)}

    def hook(self, machine: Machine, project: Path | None, command: list[str]) -> Wanted:
        folder = project / ".claude" if project else machine.folder("CLAUDE_CONFIG_DIR", ".claude")
        value = {"hooks": [_hook(self._hook_command(command), HOOK_TIMEOUT_S)]}
        return Wanted(folder / "settings.json", _JSONC, Element(("hooks", "Stop"), value, self.mark))


class ClaudeDesktop(Client):
    """Claude Desktop."""

    name = "claude-desktop"
    title = "Claude Desktop"

    def file(self, machine: Machine, project: Path | None) -> Path | None:
        return None if project else machine.apps / "Claude" / "claude_desktop_config.json"


class Codex(Client):
    """Codex. Without ``required``, its first turn begins before it has our tools."""

    name = "codex"
    title = "Codex"
    then = "trust the stop hook there once with /hooks"
    _kind = _TOML
    _keys = ("mcp_servers",)

    def file(self, machine: Machine, project: Path | None) -> Path:
        return (project / ".codex" if project else machine.folder("CODEX_HOME", ".codex")) / "config.toml"

    def entry(self, command: list[str]) -> dict[str, Any]:
        return {**super().entry(command), "required": True, "startup_timeout_sec": _STARTUP_TIMEOUT_S}

    def hook(self, machine: Machine, project: Path | None, command: list[str]) -> Wanted:
        value = {"hooks": [_hook(self._hook_command(command), HOOK_TIMEOUT_S)]}
        return Wanted(self.file(machine, project), _TOML, Element(("hooks", "Stop"), value, self.mark))


class Cursor(Client):
    """Cursor."""

    name = "cursor"
    title = "Cursor"

    def file(self, machine: Machine, project: Path | None) -> Path:
        return (project or machine.home) / ".cursor" / "mcp.json"

    def hook(self, machine: Machine, project: Path | None, command: list[str]) -> Wanted:
        value = {"command": self._hook_command(command), "timeout": HOOK_TIMEOUT_S}
        path = (project or machine.home) / ".cursor" / "hooks.json"
        return Wanted(path, _JSONC, Element(("hooks", "stop"), value, self.mark))


class Gemini(Client):
    """Gemini CLI. Its hooks have their times in milliseconds."""

    name = "gemini"
    title = "Gemini CLI"

    def file(self, machine: Machine, project: Path | None) -> Path:
        return (project or machine.folder("GEMINI_CLI_HOME")) / ".gemini" / "settings.json"

    def entry(self, command: list[str]) -> dict[str, Any]:
        return {**super().entry(command), "timeout": _GEMINI_TIMEOUT_MS}

    def hook(self, machine: Machine, project: Path | None, command: list[str]) -> Wanted:
        value = {"hooks": [_hook(self._hook_command(command), HOOK_TIMEOUT_S * 1000)]}
        return Wanted(self.file(machine, project), _JSONC, Element(("hooks", "AfterAgent"), value, self.mark))


class OpenCode(Client):
    """opencode."""

    name = "opencode"
    title = "opencode"
    _keys = ("mcp",)

    def file(self, machine: Machine, project: Path | None) -> Path:
        folder = project or machine.config / "opencode"
        # It reads both names. If the .jsonc file exists, its user knows that one.
        return next((path for path in (folder / "opencode.jsonc",) if path.exists()), folder / "opencode.json")

    def entry(self, command: list[str]) -> dict[str, Any]:
        return {"type": "local", "command": command, "enabled": True}

    def hook(self, machine: Machine, project: Path | None, command: list[str]) -> Wanted:
        folder = project / ".opencode" if project else machine.config / "opencode"
        return Wanted(folder / "plugins" / f"{script.NAME}.js", script.Script(), script.plugin(command))

    def _command_of(self, entry: dict[str, Any]) -> tuple[list[str], dict[str, str]]:
        return _words(entry["command"]), _variables(entry.get("environment"))


class VSCode(Client):
    """VS Code."""

    name = "vscode"
    title = "VS Code"
    _keys = ("servers",)

    def file(self, machine: Machine, project: Path | None) -> Path:
        return project / ".vscode" / "mcp.json" if project else machine.apps / "Code" / "User" / "mcp.json"

    def entry(self, command: list[str]) -> dict[str, Any]:
        return {"type": "stdio", **super().entry(command)}


class Windsurf(Client):
    """Windsurf."""

    name = "windsurf"
    title = "Windsurf"

    def file(self, machine: Machine, project: Path | None) -> Path | None:
        return None if project else machine.home / ".codeium" / "windsurf" / "mcp_config.json"


class Zed(Client):
    """Zed."""

    name = "zed"
    title = "Zed"
    _keys = ("context_servers",)

    def file(self, machine: Machine, project: Path | None) -> Path:
        return project / ".zed" / "settings.json" if project else machine.config / "zed" / "settings.json"


CLIENTS: tuple[Client, ...] = (
    ClaudeCode(),
    ClaudeDesktop(),
    Codex(),
    Cursor(),
    Gemini(),
    OpenCode(),
    VSCode(),
    Windsurf(),
    Zed(),
)


def client(name: Name) -> Client:
    """Return the client with this name."""
    return next(known for known in CLIENTS if known.name == name)


def _words(said: Any) -> list[str]:
    """Return the words of a command line from a file that people write, so it may hold anything."""
    return [*map(str, cast("list[Any]", said))] if isinstance(said, list) else [said] if isinstance(said, str) else []


def _variables(said: Any) -> dict[str, str]:
    known = cast("dict[str, Any]", said) if isinstance(said, dict) else {}
    return {name: str(value) for name, value in known.items()}


def _hook(command: str, timeout: int) -> dict[str, Any]:
    return {"type": "command", "command": command, "timeout": timeout}
