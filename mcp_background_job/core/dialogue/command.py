"""Which program has a job's stdin at the end of its command: found by the words, behind all wrappers."""

from __future__ import annotations

import re
import shlex

from mcp_background_job.core.values import frozen

#: Levels of shells within shells that are read.
_MAX_DEPTH = 5

_ASSIGNMENT = r"\w+=(?s:.*)"
_SHELLS = ("bash", "sh", "zsh", "dash", "ksh", "fish")
_GIVEN_COMMAND = r"-[A-Za-z]*c"
_KEYWORDS = frozenset(("if", "then", "else", "elif", "while", "until", "do", "{", "!", "time"))
_OPERATORS = frozenset(";&|()\n")


@frozen
class _Wrapper:
    """A program that runs another with its own stdin.

    Attributes:
        valued: options whose value is the next word.
        words: how many words of its own follow the options.
        verbs: it runs another program only with one of these; without any, it always does.
    """

    valued: frozenset[str] = frozenset()
    words: int = 0
    verbs: frozenset[str] = frozenset()


def _wrapper(valued: str = "", *, words: int = 0, verbs: str = "") -> _Wrapper:
    return _Wrapper(frozenset(valued.split()), words, frozenset(verbs.split()))


_WRAPPERS = {
    "exec": _wrapper("-a"),
    "command": _wrapper(),
    "builtin": _wrapper(),
    "env": _wrapper("-u --unset -C --chdir"),
    "sudo": _wrapper("-u --user -g --group -h --host -p --prompt -C -D --chdir -R --chroot -T -r -t -U"),
    "doas": _wrapper("-u -C"),
    "nohup": _wrapper(),
    "time": _wrapper("-f --format -o --output"),
    "nice": _wrapper("-n --adjustment"),
    "ionice": _wrapper("-c --class -n --classdata"),
    "chrt": _wrapper("-T -P -D", words=1),
    "taskset": _wrapper(words=1),
    "setsid": _wrapper(),
    "setarch": _wrapper(words=1),
    "stdbuf": _wrapper("-i --input -o --output -e --error"),
    "timeout": _wrapper("-s --signal -k --kill-after", words=1),
    "gtimeout": _wrapper("-s --signal -k --kill-after", words=1),
    "flock": _wrapper("-w --wait --timeout -E --conflict-exit-code", words=1),
    "strace": _wrapper("-o -e -s -P -u"),
    "ltrace": _wrapper("-o -e -s -u"),
    "prlimit": _wrapper(),
    "caffeinate": _wrapper("-t -w"),
    "xvfb-run": _wrapper("-s --server-args -n --server-num -f -e -w"),
    "dbus-run-session": _wrapper(),
    "npx": _wrapper("-p --package"),
    "bunx": _wrapper("-p --package"),
    "pnpx": _wrapper("--package"),
    "npm": _wrapper("-p --package", verbs="exec x"),
    "pnpm": _wrapper("-C --dir --filter", verbs="exec dlx"),
    "yarn": _wrapper("--cwd", verbs="exec dlx"),
    "bun": _wrapper("--cwd", verbs="x"),
    "uvx": _wrapper("--from --with -p --python"),
    "uv": _wrapper("--with -p --python --extra --group --directory --project --env-file --package", verbs="run"),
    "pipx": _wrapper("--spec --python", verbs="run"),
    "poetry": _wrapper("-C --directory -P --project", verbs="run"),
    "pipenv": _wrapper(verbs="run"),
    "pdm": _wrapper("-p --project", verbs="run"),
    "hatch": _wrapper("-e --env", verbs="run"),
    "rye": _wrapper("--pyproject", verbs="run"),
    "conda": _wrapper("-n --name -p --prefix --cwd", verbs="run"),
    "mamba": _wrapper("-n --name -p --prefix --cwd", verbs="run"),
    "micromamba": _wrapper("-n --name -p --prefix --cwd", verbs="run"),
    "bundle": _wrapper(verbs="exec"),
    "direnv": _wrapper(words=1, verbs="exec"),
    "dotenv": _wrapper("-f --file -e", verbs="run"),
    "doppler": _wrapper("-p --project -c --config", verbs="run"),
    "op": _wrapper("--env-file", verbs="run"),
}


def program_of(command: str) -> list[str]:
    """Return the words of the program that has the job's stdin at the end of a command; none if that is unclear."""
    return _program(command, _MAX_DEPTH)


def simple_commands(command: str) -> list[list[str]]:
    """Return the words of each simple command that has the job's stdin; none if there are pipes or other inputs."""
    words = _words(command)
    if "|" in words or any("<" in word for word in words):
        return []
    commands: list[list[str]] = [[]]
    for word in words:
        if set(word) <= _OPERATORS:
            commands.append([])
        elif commands[-1] or word not in _KEYWORDS:
            commands[-1].append(word)
    return commands


def _last(command: str) -> list[str]:
    """Return the words of the last simple command, up to a pipe; none if it has an input of its own."""
    words = _words(command)
    while words and set(words[-1]) <= set(";&\n"):
        words.pop()
    last: list[str] = []
    for word in words:
        if set(word) <= _OPERATORS and word != "|":
            last = []
        else:
            last.append(word)
    last = last[: last.index("|")] if "|" in last else last
    return [] if any("<" in word for word in last) else last


def _words(command: str) -> list[str]:
    try:
        lexer = shlex.shlex(command, posix=True, punctuation_chars=";&|()\n<")
        lexer.whitespace = " \t\r"
        lexer.whitespace_split = True
        return list(lexer)
    except ValueError:  # an open quotation mark, for example in a heredoc with an apostrophe
        return []


def _program(command: str, depth: int) -> list[str]:
    words = _unwrapped(_last(command))
    inner = _given_command(words)
    return words if inner is None or not depth else _program(inner, depth - 1)


def _unwrapped(words: list[str]) -> list[str]:
    while words:
        if re.fullmatch(_ASSIGNMENT, words[0]):
            words = words[1:]
            continue
        wrapper = _WRAPPERS.get(words[0].rpartition("/")[2])
        wrapped = _behind(words[1:], wrapper) if wrapper else None
        if wrapped is None:
            return words
        words = wrapped
    return words


def _behind(words: list[str], wrapper: _Wrapper) -> list[str] | None:
    """Return the command that a wrapper runs; ``None`` if it runs nothing."""
    words = _without_options(words, wrapper)
    if wrapper.verbs:
        if not words or words[0] not in wrapper.verbs:
            return None
        words = _without_options(words[1:], wrapper)
    return words[wrapper.words :]


def _without_options(words: list[str], wrapper: _Wrapper) -> list[str]:
    at = 0
    while at < len(words) and words[at].startswith("-"):
        at += 2 if words[at] in wrapper.valued else 1
        if words[at - 1] == "--":
            break
    return words[at:]


def _given_command(words: list[str]) -> str | None:
    """Return the text that a shell is given to run; ``None`` if this is no shell, or it runs no text."""
    if not words or words[0].rpartition("/")[2] not in _SHELLS:
        return None
    for at, word in enumerate(words[1:], 1):
        if re.fullmatch(_GIVEN_COMMAND, word):
            return next((text for text in words[at + 1 :] if not text.startswith("-")), None)
        if not word.startswith("-"):
            return None
    return None
