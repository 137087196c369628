"""What the command lines of a text would fetch from an index: of shell, of prose, and of lists in JSON or Python."""

from __future__ import annotations

import re
from collections.abc import Iterator

#: They run the first thing that they are told, or what an option names, and fetch it first.
_RUN = {("uvx",), ("npx",), ("bunx",), ("pipx", "run"), ("uv", "tool", "run"), ("npm", "exec"), ("pnpm", "dlx")}

#: They install all that they are told.
_INSTALL = {
    *((name, "install") for name in ("pip", "pip3", "pipx", "npm", "conda")),
    *((name, "add") for name in ("uv", "poetry", "pdm", "npm", "pnpm", "yarn", "bun")),
    *(("uv", "pip", "install"), ("uv", "tool", "install"), ("pipx", "inject"), ("pipx", "upgrade"), ("npm", "i")),
}

#: By their first word.
_COMMANDS = {first: [command for command in _RUN | _INSTALL if command[0] == first] for first, *_ in _RUN | _INSTALL}

#: Options that name what is fetched in the place of the command; then that is only what runs.
_FROM = {"--from", "--spec", "--package"}

#: Other options with a value, of which the first two fetch it too.
_WITH = {"--with", "-w"}
_VALUED = {*_WITH, "-p", "--python", "-c", "--constraint", "--constraints", "-e", "--editable", "-r", "--index"}

_WORD = re.compile(r"[^\s\"'`,{}()]+")
_GOES_ON = re.compile(r"(?:\\|(?<=[,\[{(]))[ \t]*\n")
_ARGUMENTS = re.compile(r"[\"']args[\"']\s*:\s*\[")
_ENDS = {"&&", "||", "|", ";", "#", "&"}


def fetched(text: str) -> Iterator[str]:
    """Return the names that a text would have fetched."""
    for line in _ARGUMENTS.sub(" ", _GOES_ON.sub(" ", text)).splitlines():
        words = [word.strip("[:;.") or word for word in _WORD.findall(line) if word not in ("[", "]", ":")]
        for at, word in enumerate(words):
            for command in _COMMANDS.get(word, ()):
                if tuple(words[at : at + len(command)]) == command:
                    yield from _named(words[at + len(command) :], only_first=command in _RUN)


def _named(words: list[str], *, only_first: bool) -> Iterator[str]:
    is_from = False
    rest = iter(words)
    for word in rest:
        option, _, value = word.partition("=")
        if word in _ENDS:
            return
        if option in _FROM | _VALUED:
            value = value or next(rest, "")
            is_from |= option in _FROM
            if option in _FROM | _WITH:
                yield value
        elif not word.startswith("-"):
            if not is_from:
                yield word
            if only_first:
                return
