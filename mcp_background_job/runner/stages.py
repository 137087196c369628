"""Has a shell tell how the stages of its last pipeline ended, which its own exit code does not.

The command is left as it is, word by word. The shell runs a file of ours before it, as it would one of the user's, by
the variable that names such a file; the file undoes that at once, and sets a trap that writes the exit codes into the
job's directory when the shell ends. A command that sets a trap of its own is not given this (``core.pipeline``); what
the shell reads from elsewhere may set one, and then nothing is told.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping

from mcp_background_job.jobdir import records
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.records import Spec

#: Longer lists than this are not those of a pipeline that a person wrote.
_MAX_STAGES = 100

_BASH, _ZSH = "bash", "zsh"


class Stages:
    """The stages of one job's last pipeline."""

    def __init__(self, job: JobDir, spec: Spec) -> None:
        """Touches nothing yet."""
        self._job = job
        self._shell = os.path.basename(spec.argv[0]) if spec.tells_stages else ""
        self._written = os.path.join(job.path, "stages")

    def environment(self, env: Mapping[str, str]) -> dict[str, str]:
        """Return the environment in which the shell tells; if that cannot be had, it is the one that was given."""
        with contextlib.suppress(OSError):  # no room on the disk: the command does without
            if self._shell == _BASH and "BASH_ENV" not in env:
                return {**env, "BASH_ENV": self._file("stages.bash", _in_bash(self._trap('"${PIPESTATUS[@]}"')))}
            if self._shell == _ZSH:
                before = env.get("ZDOTDIR")
                self._file(".zshenv", _in_zsh(before, self._trap('"${pipestatus[@]}"')))
                return {**env, "ZDOTDIR": self._job.path}
        return dict(env)

    def read(self) -> list[int]:
        """Return the exit codes of the stages, none if the shell has told nothing."""
        try:
            with open(self._written, "rb") as file:
                words = file.read().split()
        except OSError:
            return []
        known = [int(word) for word in words if word.isdigit()]
        return known if len(known) == len(words) <= _MAX_STAGES else []

    def _trap(self, statuses: str) -> str:
        # It must not show in the output (set -x), fail (set -e), or be set in another shell than the job's own.
        tell = f'{{ builtin printf "%s " {statuses} >| {_quoted(self._written)}; }} 2>/dev/null || :'
        return f'[ "$PPID" = {os.getpid()} ] && trap {_quoted(tell)} EXIT'

    def _file(self, name: str, text: str) -> str:
        path = os.path.join(self._job.path, name)
        records.write(path, text.encode(errors="surrogateescape"))
        return path


def _in_bash(trap: str) -> str:
    return f"unset BASH_ENV\n{trap}\n"


def _in_zsh(before: str | None, trap: str) -> str:
    back = "unset ZDOTDIR" if before is None else f"export ZDOTDIR={_quoted(before)}"
    users = '"${ZDOTDIR:-$HOME}/.zshenv"'
    return f"{back}\n[ -f {users} ] && . {users}\n{trap}\n"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\"'\"'") + "'"
