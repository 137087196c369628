"""Asks the user's login shell for its environment: the one that a terminal would give to a program."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from mcp_background_job.processes.login_helper import ANSWER

_HELPER = str(Path(__file__).parent / "login_helper.py")
_INTERPRETER = [sys.executable, "-I", "-S"]

#: A profile with nvm, pyenv and conda takes one to three seconds. A slower one most likely hangs.
_LIMIT_S = 10.0

#: The second attempt skips the parts for a person at the shell, which are most of the profile.
_PLAIN_LIMIT_S = 5.0


async def login_environment(shell: str, environment: Mapping[str, str]) -> dict[str, str] | None:
    """Return the environment of a login shell that is started with another environment; ``None`` if it gives none.

    May be cancelled: then too, no process of the shell is left.
    """
    attempts = [
        {"argv": _interactively(shell), "limit_s": _LIMIT_S},
        {"argv": [shell, "-lc", _answer()], "limit_s": _PLAIN_LIMIT_S},
    ]
    try:
        helper = await asyncio.create_subprocess_exec(
            *_INTERPRETER,
            _HELPER,
            json.dumps(attempts),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
    except OSError:  # no room for a process; jobs will report that themselves
        return None
    try:
        answer = await cast("asyncio.StreamReader", helper.stdout).read()
    finally:
        cast("asyncio.StreamWriter", helper.stdin).close()  # which ends the shell
        await helper.wait()
    return _variables(answer)


def _interactively(shell: str) -> list[str]:
    """Return the command that makes a shell read everything that a terminal's shell reads.

    bash reads its profile as a login shell and ``.bashrc`` as another one. Many a ``.bashrc``, where nvm adds its
    lines, returns at once unless the shell is interactive. So bash is both in turn, as in a graphical session. zsh and
    fish read everything at once.
    """
    if Path(shell).name == "bash":
        return [shell, "-lc", f"exec {shlex.quote(shell)} -ic {shlex.quote(_answer())}"]
    return [shell, "-lic", _answer()]


def _answer() -> str:
    return shlex.join([*_INTERPRETER, "-c", ANSWER])


def _variables(answer: bytes) -> dict[str, str] | None:
    if not answer:
        return None
    pairs = (entry.partition(b"=") for entry in answer.split(b"\0") if entry)
    return {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}
