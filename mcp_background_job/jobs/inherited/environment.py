"""The variables that a job has beside those that it inherits, and those that it must not inherit."""

from __future__ import annotations

from collections.abc import Mapping

from mcp_background_job.core.output.window import COLUMNS, ROWS

#: What our own screen shows, and what is drawn for it is found on every machine that has terminals at all.
_TERMINAL = "xterm-256color"

#: A pager waits for keys that nobody presses. Git asks its own variable first, and then its configuration; many others
#: have one too (``PSQL_PAGER``, ``MANPAGER``), and go by ``PAGER`` without it.
_NO_PAGER = {"PAGER": "cat", "GIT_PAGER": "cat"}

#: Told to programs that do not write to a terminal: no questions, no output held back. That they shall not use colours
#: they see for themselves; ``NO_COLOR`` would have node warn wherever a program sets ``FORCE_COLOR`` for its children.
_PLAIN = {"GIT_TERMINAL_PROMPT": "0", "PYTHONUNBUFFERED": "1"}


def plain_output(inherited: Mapping[str, str]) -> dict[str, str]:
    """Return what a job that writes to pipes has instead of what it inherits.

    A terminal that can do nothing (``dumb``, or none) ends every ``set -e`` script that asks tput or clear for
    anything, and answers are rendered whatever is written: so it gets one that can, unless the client has one.
    """
    terminal = inherited.get("TERM", "")
    return {**_no_pager(inherited), **_PLAIN, "TERM": _TERMINAL if terminal in ("", "dumb", "unknown") else terminal}


def terminal_output(inherited: Mapping[str, str]) -> dict[str, str]:
    """Return what a job on a terminal of ours has instead of what it inherits.

    Programs believe the size that the environment tells before they ask the terminal, and the client's is another.
    """
    size = {"COLUMNS": str(COLUMNS), "LINES": str(ROWS)}
    told = {name: value for name, value in size.items() if name in inherited}
    return {**_no_pager(inherited), "TERM": _TERMINAL, **told}


def _no_pager(inherited: Mapping[str, str]) -> dict[str, str]:
    return {**dict.fromkeys((name for name in inherited if name.endswith("PAGER")), "cat"), **_NO_PAGER}


#: Keys of ours: what has them may do what we may. Names are read without regard to case.
_SECRETS = ("MCP_BG_HTTP_TOKEN", "MCP_BG_RAY_TOKEN", "COMFYUI_TOKEN", "COMFYUI_HEADERS")

#: What the SDKs of MCP hand on of a client's environment, and what every process has.
_HANDED_ON = {"HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER", "PWD", "OLDPWD", "SHLVL", "_", "LANG", "TZ", "TMPDIR"}

#: What the programs between a client and a server add: npx, uvx, macOS; and our own settings.
_ADDED_ON_THE_WAY = (
    "LC_",
    "npm_",
    "INIT_CWD",
    "NODE",
    "COLOR",
    "EDITOR",
    "UV",
    "VIRTUAL_ENV",
    "__CF",
    "MCP_",
    "COMFYUI_",
)

#: Variables that a user may well have written into a client's configuration: keys, a proxy. A session has dozens.
_FEW = 6

#: What a shell says of itself and its terminal.
_OF_THE_SHELL = {"PWD", "OLDPWD", "SHLVL", "_", "TERM", "COLUMNS", "LINES"}


def is_secret(name: str) -> bool:
    """Tell whether a variable is a key of ours, which no job may have."""
    return name.upper() in _SECRETS


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without them; one that a process of an older release has may hold some."""
    return {name: value for name, value in environment.items() if not is_secret(name)}


def is_cut_down(environment: Mapping[str, str]) -> bool:
    """Tell whether this is visibly what a client hands to a server, and not the environment of a session."""
    others = [name for name in environment if name not in _HANDED_ON and not name.startswith(_ADDED_ON_THE_WAY)]
    return len(others) <= _FEW


def completed(own: Mapping[str, str], login: Mapping[str, str]) -> dict[str, str]:
    """Return an environment with what the login shell's has beyond it; only the two PATHs become one."""
    added = {
        name: value
        for name, value in login.items()
        if name not in own and name not in _OF_THE_SHELL and not is_secret(name)
    }
    return {**own, **added, "PATH": merged_path(own.get("PATH", ""), login.get("PATH", ""))}


def merged_path(own: str, login: str) -> str:
    """Return one PATH of two: the login shell's, with what only the client has at the end where the client has it.

    What the client has in front of all that both know was put there for this server, by its user or by npx and uvx,
    and is found first. Between the directories that both know the login shell's order holds: ``/usr/bin`` in a client's
    PATH is what systems start with, and must not hide the node that a profile has put before it.
    """
    mine, theirs = _parts(own), _parts(login)
    known = next((place for place, part in enumerate(mine) if part in theirs), len(mine))
    front = mine[:known]
    back = [part for part in mine[known:] if part not in theirs]
    return ":".join([*front, *theirs, *back])


def _parts(path: str) -> list[str]:
    return [part for part in dict.fromkeys(path.split(":")) if part]
