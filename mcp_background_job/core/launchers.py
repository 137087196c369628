"""Which processes only stand between a client and the program that it runs."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "fish", "ash", "busybox"})

_INTERPRETERS = ("python", "node", "bun", "perl", "ruby")

#: Programs that run another and wait for it. Programs that become the other, as ``env`` does, are never seen.
_LAUNCHERS = frozenset(
    {
        *("uv", "uvx", "pipx", "poetry", "pdm", "hatch", "rye", "conda", "mamba", "micromamba", "mise"),
        *("npx", "npm", "npx-cli.js", "npm-cli.js", "pnpm", "yarn", "bunx"),
        *("timeout", "gtimeout", "time", "script", "stdbuf", "strace", "sudo"),
    }
)


def is_launcher(argv: Sequence[str]) -> bool:
    """Tell whether a process with these arguments was started only to start another one.

    An interactive shell is no launcher: a person uses it.
    """
    if not argv:
        return False
    program, *rest = argv
    name = _name(program)
    if name in _SHELLS:
        return any(not word.startswith("-") for word in rest)
    if name.startswith(_INTERPRETERS):
        return any(_name(word) in _LAUNCHERS for word in rest[:1])
    return name in _LAUNCHERS


def _name(word: str) -> str:
    # npm and others put a description in place of their own name: "npm exec this-server".
    return posixpath.basename(word.split(" ", 1)[0]).removeprefix("-")
