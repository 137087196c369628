"""Has bash tell how the background processes ended that it has reaped itself: the runner inherits only what is left.

It goes the way of ``runner.stages``. When the shell ends, it asks itself about the last one. Where there may be
several, the trap sees before each command whether there is a new one. Then it runs ``children.step``, which adds to
``children.ends`` what finds out about that one when the shell ends. Two that begin without a command between them that
the shell stops at, ``(a) & (b) &``, are seen as one, the second.
"""

from __future__ import annotations

import os
import re

from mcp_background_job.core.aftermath import is_background_failure
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.records import ChildExit

#: ``wait`` by itself has the shell forget all of them, and then nothing is told. To wait for them before would have a
#: ctrl-c end the shell's wait only, and not the shell.
_STEP = 'case ${!-} in ""|KNOWN) ;; *) builtin . STEP ;; esac'

#: Of those that are alive at the end of the shell, the runner is told by the kernel. What the shell has no knowledge of
#: has a line with its complaint before its own.
_END_OF_ONE = (
    "builtin kill -0 %s 2>/dev/null || "
    '{ builtin wait %s 2>&1 && builtin printf "%s 0\\n" || builtin printf "%s %%s\\n" "$?"; }\n'
)

_LINE = re.compile(rb"(\d+) (\d+)")

#: Much more than the ends of as many processes as are remembered.
_MAX_READ = 64 * 1024


class Children:
    """The background processes of one job's shell."""

    def __init__(self, job: JobDir, commands: list[str]) -> None:
        """Touches nothing yet; ``commands`` are those that the shell puts in the background."""
        self._commands = commands
        self._step, self._ends, self._ended = (
            os.path.join(job.path, f"children.{what}") for what in ("step", "ends", "ended")
        )

    def step(self) -> str:
        """Return what the shell does before each command, with KNOWN where the pid of the last one goes."""
        return _STEP.replace("STEP", quoted(self._step))

    def end(self) -> str:
        """Return what it does when it ends."""
        last = self.step().replace("KNOWN", quoted(""))
        return f"{last}; [[ ! -e {quoted(self._ends)} ]] || builtin . {quoted(self._ends)} >> {quoted(self._ended)}"

    def file(self, trap: str) -> tuple[str, str]:
        """Return name and text of the file that is run for each new one; ``trap`` is that of each command, or empty."""
        before, _, behind = trap.partition("KNOWN")
        note = f'builtin printf \'{_END_OF_ONE}\' "$!" "$!" "$!" "$!" >> {quoted(self._ends)}\n'
        again = f'builtin trap {quoted(before)}"$!"{quoted(behind)} DEBUG\n' if trap else ""
        return "children.step", note + again

    def failures(self) -> list[ChildExit]:
        """Return those of them that failed, as far as the shell has told."""
        try:
            with open(self._ended, "rb") as file:
                lines = file.read(_MAX_READ).splitlines()
        except OSError:
            return []
        codes: dict[int, int] = {}
        for before, line in zip([b"0 0", *lines], lines):
            if (ended := _LINE.fullmatch(line)) and _LINE.fullmatch(before):
                codes.setdefault(int(ended[1]), int(ended[2]))
        are_these = len(self._commands) == len(codes) and all(self._commands)
        names = self._commands if are_these else [""] * len(codes)
        if len(self._commands) == 1:
            names = self._commands * len(codes)
        return [
            ChildExit(pid=pid, command=name, exit_code=code, signal=None)
            for (pid, code), name in zip(codes.items(), names)
            if is_background_failure(name, code, None)
        ]


def quoted(text: str) -> str:
    """Return a text as one word of a shell."""
    return "'" + text.replace("'", "'\"'\"'") + "'"
