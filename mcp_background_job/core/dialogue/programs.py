"""Programs that live as long as their input: watchers, and programs that ask and end if their input is closed.

A command that is not known here gets no advice.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from mcp_background_job.core.dialogue.command import program_of, simple_commands

#: The kind of stdin that a program needs to go on.
Needed = Literal["pipe", "pty"]

_NONE = r"(?!)"

#: Options with which programs go on until they are stopped; for some programs also a short one.
_WATCHING = r"--?(watch|serve)(=true)?|--serve(dir)?=.*"
_SHORT_WATCHING = r"(@tailwindcss/cli|tailwindcss|postcss)(@.*)?"

#: Programs that end by themselves when they watch something, or that only search for or print such a word.
_ENDS_BY_ITSELF = ("gh", "glab", "kubectl", "az", "git", "grep", "rg", "echo", "printf", "man", "node", "deno", "cargo")

#: Scripts of a package whose names say that they are watchers or servers.
_PACKAGE_RUNNERS = ("npm", "pnpm", "yarn", "bun")
_WATCHING_SCRIPT = r"(.+:)?(dev|watch|serve)(:.+)?"

#: With this option, the shells' ``read`` shows a prompt and reads the answer. (In zsh, ``-p`` reads from a coprocess.)
_READ_WITH_PROMPT = r"-[A-Za-z]*p.*"


class _Asking(NamedTuple):
    """A program that asks for something to do if it is given nothing. Texts are regular expressions.

    Attributes:
        still: options with which it still asks; with any other it does something and ends.
        asks: options with which it asks, whatever follows them.
        valued: options whose value is the next word.
        words: with at most this many words that are not options it still asks; one may be the name of a database.
        needs: the kind of stdin that it needs to go on; a program that an option tells to ask also does so on a pipe.
    """

    still: str = _NONE
    asks: str = _NONE
    valued: str = _NONE
    words: int = 0
    needs: Needed = "pty"


def _unless(acts: str) -> str:
    """Return an expression that matches all options but those with which a program does something."""
    return rf"(?!(?:{acts})\Z)-.*"


_PYTHON_FLAGS = r"-[bBdEIOPqRsSuvx]*"
_TELLS = r"-h|-v|-V|--help|--version"

#: Rows by the names of programs, without the numbers of releases. Expressions are compiled when they are needed.
_ASKING = {
    "python pypy": _Asking(
        still=rf"{_PYTHON_FLAGS}|{_PYTHON_FLAGS}[WX].+",
        asks=rf"{_PYTHON_FLAGS}(i.*|m(code|asyncio|pdb|ptpython|bpython))",
        valued=rf"{_PYTHON_FLAGS}i?[mWXc]",
    ),
    "ipython ptpython bpython jupyter-console": _Asking(still=_unless(rf"{_TELLS}|-[cm].*")),
    "node nodejs": _Asking(
        still=r"--(?!version|help|test|v8-options|run|check|eval|print|build|completion)[a-z-]+.*|-[rC].+",
        asks=r"-i|--interactive",
        valued=r"-r|--require|--import|-C|--conditions|--loader",
    ),
    "bash sh zsh dash ksh fish": _Asking(
        still=r"-[ils]*|--(login|norc|noprofile|posix)",
        asks=r"-[ls]*i[ls]*|--interactive",
    ),
    "lua luajit": _Asking(still=r"-[EW]|-l.*", asks=r"-i", valued=r"-l"),
    "irb pry": _Asking(still=_unless(rf"{_TELLS}|-e.*"), valued=r"-r|-I"),
    "ghci": _Asking(still=_unless(r"-e.*|-V|--version|--help|-\?"), words=20),
    "R": _Asking(still=_unless(r"-[ef].*|--(file|version|help|slave|no-echo).*"), asks=r"--interactive"),
    "julia": _Asking(still=_unless(rf"{_TELLS}|-\w*[eEL].*|--(eval|print|load).*"), asks=r"-i", valued=r"-[tpJO]"),
    "scala erl iex clojure clj swipl ocaml utop sbcl guile racket jshell groovysh sbt maxima": _Asking(
        still=r"-i|-q|--quiet|--no-banner|--norc",
    ),
    "perl": _Asking(asks=r"-[wlTt]*d.*"),
    "gdb lldb pdb ipdb cgdb": _Asking(
        still=_unless(rf"{_TELLS}|--?b(atch)?|-batch-silent|-P|--?(ex|eval-command|o|one-line)(q|quit|kill)"),
        valued=r"--?(ex|eval-command|o|one-line|x|p|pid|s|source)",
        words=99,
    ),
    "bc dc": _Asking(still=r"-[lqswi]+|--(quiet|mathlib|interactive)", needs="pipe"),
    "psql": _Asking(still=_unless(r"-\w*[cflV?].*|--(command|file|list|version|help).*"), words=20),
    "mysql mariadb": _Asking(still=_unless(r"-\w*[eV?].*|--(execute|version|help).*"), words=20),
    "sqlite": _Asking(still=_unless(r"--?(version|help|cmd|init).*"), words=1),
    "duckdb": _Asking(still=_unless(r"--?(version|help|c|s|f|cmd|init).*"), words=1),
    "redis-cli valkey-cli": _Asking(
        still=_unless(rf"{_TELLS}|-x|--(eval|pipe|scan|bigkeys|latency|stat|rdb).*"),
        valued=r"-[hpanu]",
    ),
    "mongosh mongo": _Asking(still=_unless(rf"{_TELLS}|-f.*|--(eval|file).*"), words=1),
    "clickhouse-client cqlsh pgcli mycli litecli usql": _Asking(
        still=_unless(rf"{_TELLS}|-[cqef].*|--(query|execute|file|command).*"),
        words=20,
    ),
    "sftp ftp lftp": _Asking(still=_unless(r"-[bcefhV].*|--help|--version"), words=20),
}
_BY_NAME = {name: row for names, row in _ASKING.items() for name in names.split()}

#: Commands of programs that do many things, with which they ask.
_ASKS_AS = (
    r"deno( repl.*)?|php -a|bun repl|dotnet fsi|(stack|cabal) (ghci|repl).*|rails (c|console|dbconsole).*|"
    r"(flask|scrapy) shell.*|lein repl|iex -S mix.*|jupyter console.*|(php )?(\S*/)?artisan tinker|"
    r"(python[\d.]* )?(\S*/)?manage\.py (shell|shell_plus|dbshell)"
)


def stdin_for(command: str) -> Needed | None:
    """Return the kind of stdin that a command needs to go on; ``None`` if it is not known to live by its input.

    A program that asks shows its prompt and takes answers on a terminal only, unless it is told to ask.
    """
    if any(map(_reads_with_prompt, simple_commands(command))):
        return "pipe"
    words = program_of(command)
    if not words:
        return None
    program, arguments = words[0].rpartition("/")[2] if words[0][0] != "@" else words[0], words[1:]
    if _watches(program, arguments):
        return "pipe"
    if re.fullmatch(_ASKS_AS, " ".join([program, *arguments])):
        return "pty"
    row = _BY_NAME.get(program.rstrip("0123456789.-"))
    return _needs(row, arguments) if row else None


def _needs(row: _Asking, arguments: list[str]) -> Needed | None:
    words = 0
    rest = iter(arguments)
    for word in rest:
        option = word + next(rest, "") if re.fullmatch(row.valued, word) else word
        if not words and re.fullmatch(row.asks, option):
            return "pipe"
        if not option.startswith("-"):
            words += 1
        elif not re.fullmatch(row.still, option):
            return None
    return row.needs if words <= row.words else None


def _reads_with_prompt(words: list[str]) -> bool:
    return words[:1] == ["read"] and any(re.fullmatch(_READ_WITH_PROMPT, word) for word in words[1:])


def _watches(program: str, arguments: list[str]) -> bool:
    if program in _PACKAGE_RUNNERS:
        script = next((word for word in arguments if word not in ("run", "run-script") and word[:1] != "-"), "")
        return re.fullmatch(_WATCHING_SCRIPT, script) is not None
    if program in _ENDS_BY_ITSELF:
        return False
    if "-w" in arguments and re.fullmatch(_SHORT_WATCHING, program):
        return True
    return any(re.fullmatch(_WATCHING, word) for word in arguments)
