"""Makes bash report the ends of background processes that it has reaped itself: the runner inherits only the others.

It works as ``runner.stages`` does. When the shell ends, it asks itself about the last background process. If there may
be several, the trap checks before each command whether there is a new one. It then runs ``children.step``, which adds
lines to ``children.ends`` that find out the end of that process when the shell ends. If two begin without a command
between them at which the shell stops, as in ``(a) & (b) &``, only the second is seen.
"""

from __future__ import annotations

import os
import re

from mcp_background_job.core.aftermath import is_background_failure
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.records import ChildExit

#: After a plain ``wait`` the shell forgets all of them, and nothing is reported. To wait for them earlier would be
#: wrong: a ctrl-c would end only the shell's wait, and not the shell.
_STEP = 'case ${!-} in ""|KNOWN) ;; *) builtin . STEP ;; esac'

#: The kernel reports to the runner on processes that are alive at the end of the shell. If the shell does not know a
#: process, a line with its complaint stands before the line with the code.
_END_OF_ONE = (
    "builtin kill -0 %s 2>/dev/null || "
    '{ builtin wait %s 2>&1 && builtin printf "%s 0\\n" || builtin printf "%s %%s\\n" "$?"; }\n'
)

_LINE = re.compile(rb"(\d+) (\d+)")

#: Bytes: much more than the ends of all remembered processes need.
_MAX_READ = 64 * 1024


class Children:
    """The background processes of one job's shell."""

    def __init__(self, job: JobDir, commands: list[str]) -> None:
        """Touches nothing yet; ``commands`` are the ones that the shell puts in the background."""
        self._commands = commands
        self._step, self._ends, self._ended = (
            os.path.join(job.path, f"children.{what}") for what in ("step", "ends", "ended")
        )

    def step(self) -> str:
        """Return the shell code to run before each command, with KNOWN in place of the last known pid."""
        return _STEP.replace("STEP", quoted(self._step))

    def end(self) -> str:
        """Return the shell code to run at the shell's end."""
        last = self.step().replace("KNOWN", quoted(""))
        return f"{last}; [[ ! -e {quoted(self._ends)} ]] || builtin . {quoted(self._ends)} >> {quoted(self._ended)}"

    def file(self, trap: str) -> tuple[str, str]:
        """Return name and text of the file that runs for each new process; ``trap``: that of each command, or empty."""
        before, _, behind = trap.partition("KNOWN")
        note = f'builtin printf \'{_END_OF_ONE}\' "$!" "$!" "$!" "$!" >> {quoted(self._ends)}\n'
        again = f'builtin trap {quoted(before)}"$!"{quoted(behind)} DEBUG\n' if trap else ""
        return "children.step", note + again

    def failures(self) -> list[ChildExit]:
        """Return the ends of the processes that failed, as far as the shell has reported them."""
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
    """Return a text quoted as one word of a shell."""
    return "'" + text.replace("'", "'\"'\"'") + "'"
