"""Makes a shell report how the stages of its pipelines ended, which its own exit code does not.

The command is not changed. Before it, the shell runs a file of this program, as it would run one of the user's, by the
variable that names such a file. The file undoes that at once, and sets traps that write exit codes into the job's
directory: when the shell ends, those of the pipeline that it ran last; and in bash, before each command, those of the
pipeline before, if a stage failed that was not the last. A command that sets a trap of its own does not get this
(``core.telling``). Code that the shell reads from elsewhere may set one, and then nothing more is known. Background
processes are reported in the same way: ``runner.children``.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping

from mcp_background_job.core.aftermath import hidden_failure, not_known
from mcp_background_job.jobdir import records
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.records import Spec
from mcp_background_job.runner.children import Children, quoted

#: A longer list is not that of a pipeline that a person wrote.
_MAX_STAGES = 100

#: Bytes: much more than all combinations of exit codes need; each combination is written once.
_MAX_PASSED = 64 * 1024

#: The code that bash runs before each command: only this comparison, while no stage but a last one fails. It must not
#: show in the output (set -x), fail (set -e), or leave anything behind: its variables are those of a subshell.
_IN_PASSING = """case "${PIPESTATUS[@]}" in *[1-9]*\\ *) (
_mcp_bg="${PIPESTATUS[@]}"
while IFS= builtin read -r _mcp_bg_line; do [[ $_mcp_bg_line != "$_mcp_bg" ]] || builtin exit; done < FILE
builtin printf "%s\\n" "$_mcp_bg" >> FILE
) ;; esac"""

#: With these variables, bash reads a file of the user's, or shows and does something else in this one.
_BASH_IS_SET_BY = ("BASH_ENV", "SHELLOPTS", "BASHOPTS")

_BASH, _ZSH = "bash", "zsh"


class Stages:
    """The stages of one job's pipelines."""

    def __init__(self, job: JobDir, spec: Spec) -> None:
        """Touches nothing yet."""
        self._job = job
        tells = spec.tells_stages or spec.tells_passed or spec.background
        self._shell = os.path.basename(spec.argv[0]) if tells else ""
        self._spec = spec
        self._written = os.path.join(job.path, "stages")
        self._passed = os.path.join(job.path, "stages.passed")
        self.children = Children(job, spec.background)
        self._is_asked = False

    def environment(self, env: Mapping[str, str]) -> dict[str, str]:
        """Return an environment in which the shell reports; the given one if that is not possible."""
        with contextlib.suppress(OSError):  # no room on the disk: the command runs without this
            if self._shell == _BASH and not any(name in env for name in _BASH_IS_SET_BY):
                return self._asked(env, "BASH_ENV", self._file("stages.bash", _in_bash(self._traps("PIPESTATUS"))))
            if self._shell == _ZSH:
                self._file(".zshenv", _in_zsh(env.get("ZDOTDIR"), self._traps("pipestatus")))
                return self._asked(env, "ZDOTDIR", self._job.path)
        return dict(env)

    def _asked(self, env: Mapping[str, str], name: str, value: str) -> dict[str, str]:
        self._is_asked = True
        return {**env, name: value}

    def read(self) -> list[int]:
        """Return the exit codes of the stages; none if the shell has reported nothing."""
        try:
            with open(self._written, "rb") as file:
                words = file.read().split()
        except OSError:
            return []
        return _codes(words)

    def _read_passed(self) -> list[list[int]]:
        with contextlib.suppress(OSError), open(self._passed, "rb") as file:
            return [_codes(line.split()) for line in file.read(_MAX_PASSED).splitlines()]
        return []

    def hidden(self, stages: list[int], exit_code: int | None) -> str | None:
        """Return the sentence that a stage failed, or may have, which the exit code of the shell does not show.

        Args:
            stages: the exit codes that were read.
            exit_code: exit code of the shell; if it failed, nothing is said about other stages that may have.
        """
        pipelines = [told.split("\n") for told in self._spec.pipelines]
        failure = hidden_failure([*self._read_passed(), stages], pipelines)
        if failure or exit_code != 0:
            return failure
        # A trap that did not run was replaced by another; or the shell became another program and had no time for it.
        missing = bool(self._shell) and (not self._is_asked or (self._spec.tells_stages and not stages))
        untold = self._spec.untold or (pipelines[-1][0] if missing and pipelines else None)
        return not_known(untold) if untold else None

    def _traps(self, statuses: str) -> str:
        # They must not be set in another shell than the job's own; see also above.
        ends, steps = list[str](), list[str]()
        if self._spec.tells_stages:
            ends.append(f'builtin printf "%s " "${{{statuses}[@]}}" >| {quoted(self._written)}')
        if self._spec.tells_passed:
            steps.append(_IN_PASSING.replace("FILE", quoted(self._passed)))
        if self._spec.background:
            ends.append(self.children.end())
        if self._spec.tells_each:
            steps.append(self.children.step())
        step = f"! {{ {'; '.join(steps)}; }} 2>/dev/null"
        if self._spec.background:
            self._file(*self.children.file(step if self._spec.tells_each else ""))
        traps = [f"trap {quoted('{ ' + '; '.join(ends) + '; } 2>/dev/null || :')} EXIT"] if ends else []
        traps += [f"trap {quoted(step.replace('KNOWN', quoted('')))} DEBUG"] if steps else []
        return f'[ "$PPID" = {os.getpid()} ] && {{ {"; ".join(traps)}; }}'

    def _file(self, name: str, text: str) -> str:
        path = os.path.join(self._job.path, name)
        records.write(path, text.encode(errors="surrogateescape"))
        return path


def _codes(words: list[bytes]) -> list[int]:
    known = [int(word) for word in words if word.isdigit()]
    return known if len(known) == len(words) <= _MAX_STAGES else []


def _in_bash(trap: str) -> str:
    # A function, so $_ ends up as before, and nothing of it is left.
    return f'_mcp_bg() {{ unset BASH_ENV; {trap}; unset -f _mcp_bg; builtin : "$1"; }}; _mcp_bg "$_"\n'


def _in_zsh(before: str | None, trap: str) -> str:
    back = "unset ZDOTDIR" if before is None else f"export ZDOTDIR={quoted(before)}"
    users = '"${ZDOTDIR:-$HOME}/.zshenv"'
    return f"{back}\n[ -f {users} ] && . {users}\n{trap}\n"
