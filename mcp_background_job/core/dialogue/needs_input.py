"""Tells commands that live as long as their input: watchers and REPLs, which end with success where it is closed.

Judged by the words of the command, since the kernel does not tell that a process has read the end of its input. A
command that is not known here gets no advice; one that is known has ended at once, with success, when it is asked for.
"""

from __future__ import annotations

import re
import shlex
from typing import Literal

from mcp_background_job.core.job import Job
from mcp_background_job.core.states import Outcome

#: What lasts longer than this had something else to do, and ended for another reason. The Tailwind CLI takes seconds.
_AT_ONCE_S = 60.0

#: Words before the program itself.
_BEFORE_IT = re.compile(
    r"\w+=.*|exec|env|sudo|nohup|nice|time|command|npx|bunx|pnpx|uvx|uv|poetry|pipenv|bundle|run|dlx|-y|--yes|--"
)

#: Options with which programs go on until somebody stops them; for these programs the short one too.
_WATCHING = re.compile(r"--?(watch|serve)(=true)?|--serve(dir)?=.*")
_SHORT_WATCHING = re.compile(r"(@tailwindcss/cli|tailwindcss|postcss)(@.*)?")

#: These watch until something has happened, and search for and print whatever they are given.
_ENDS_BY_ITSELF = ("gh", "glab", "kubectl", "az", "git", "grep", "rg", "echo", "printf", "man", "node", "deno", "cargo")

#: Scripts of a package that are watchers or servers by their names.
_PACKAGE_RUNNERS = ("npm", "pnpm", "yarn", "bun")
_WATCHING_SCRIPT = re.compile(r"(.+:)?(dev|watch|serve)(:.+)?")

#: REPLs where they are given nothing to do, and with which options they still are.
_REPL = re.compile(
    r"(python|pypy|ipython|lua|irb|ghci)[\d.]*|node|deno|bash|zsh|sh|dash|fish|mysql|mariadb|redis-cli|mongosh|duckdb|"
    r"R|julia|scala|erl|iex|gdb|lldb|bc|dc|clojure|clj|swipl|ocaml|utop|sbcl"
)
_STILL_REPL = (
    "-i",
    "-q",
    "-u",
    "-B",
    "--quiet",
    "--interactive",
    "--login",
    "-l",
    "--norc",
    "--no-banner",
    "--vanilla",
)
_STAYS_AFTER_SCRIPT = re.compile(r"((python|pypy|lua)[\d.]*|node|julia)")

#: Clients of databases: with which options they do something and end; how many words tell them of their database.
_CLIENTS = {
    "psql": (re.compile(r"-[cflV?].*|--(command|file|list|version|help).*"), 20),
    "mysql": (re.compile(r"-[eV?].*|--(execute|version|help).*"), 20),
    "mariadb": (re.compile(r"-[eV?].*|--(execute|version|help).*"), 20),
    "sqlite3": (re.compile(r"--?(version|help|cmd|init).*"), 1),
}


def missed_input(job: Job, stdin: str, *, has_text: bool) -> str | None:
    """Return what to say of a job that ended at once because its input was closed; ``None`` for any other.

    Args:
        job: which has ended.
        stdin: what it was started with.
        has_text: it was given an input to begin with, and has read that.
    """
    if stdin != "closed" or has_text or job.outcome is not Outcome.COMPLETED or job.started_at is None:
        return None
    if (job.ended_at or job.started_at) - job.started_at > _AT_ONCE_S:
        return None
    needed = stdin_for(job.command)
    if needed is None:
        return None
    return f'its stdin was closed, and what runs like this ends with its input: to have it go on, pass stdin="{needed}"'


def stdin_for(command: str) -> Literal["pipe", "pty"] | None:
    """Return what a command needs as its stdin to go on; ``None`` if it does not live by its input, as far as is known.

    A REPL writes a prompt and answers on a terminal only, unless it is told to with ``-i``.
    """
    words = _program(command)
    if not words:
        return None
    program, arguments = words[0].rpartition("/")[2] if words[0][0] != "@" else words[0], words[1:]
    if _watches(program, arguments):
        return "pipe"
    if _asks(program, arguments):
        return "pipe" if "-i" in arguments else "pty"
    return None


def _program(command: str) -> list[str]:
    """Return the words of the program that has the job's stdin at the end of a command; none if that is unclear."""
    try:
        lexer = shlex.shlex(command, posix=True, punctuation_chars=";&|()\n<")
        lexer.whitespace = " \t\r"
        lexer.whitespace_split = True
        words = list(lexer)
    except ValueError:  # an open quotation mark: a heredoc with an apostrophe, say
        return []
    while words and set(words[-1]) <= set(";&\n"):
        words.pop()
    last: list[str] = []
    for word in words:
        if set(word) <= set(";&|()\n") and word != "|":
            last = []
        else:
            last.append(word)
    last = last[: last.index("|")] if "|" in last else last
    if any("<" in word for word in last):
        return []  # it has an input of its own
    while last and _BEFORE_IT.fullmatch(last[0]):
        last.pop(0)
    return last


def _watches(program: str, arguments: list[str]) -> bool:
    if program in _PACKAGE_RUNNERS:
        script = next((word for word in arguments if word not in ("run", "run-script") and word[:1] != "-"), "")
        return _WATCHING_SCRIPT.fullmatch(script) is not None
    if program in _ENDS_BY_ITSELF:
        return False
    if "-w" in arguments and _SHORT_WATCHING.fullmatch(program):
        return True
    return any(_WATCHING.fullmatch(word) for word in arguments)


def _asks(program: str, arguments: list[str]) -> bool:
    if program in _CLIENTS:
        acts, most = _CLIENTS[program]
        names = [word for word in arguments if not word.startswith("-")]
        return len(names) <= most and not any(map(acts.fullmatch, arguments))
    if program == "php":
        return arguments == ["-a"]
    if _REPL.fullmatch(program) is None:
        return False
    if "-i" in arguments and _STAYS_AFTER_SCRIPT.fullmatch(program):
        return True
    return all(word in _STILL_REPL for word in arguments)
