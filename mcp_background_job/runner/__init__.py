"""The runner: one small process per job, the job's true parent and subreaper.

It spawns the command, moves its output to the log, answers requests on its socket, keeps the time limit, escalates from
SIGTERM to SIGKILL, reaps, and writes the exit record. It needs no server for any of that, and the process that launched
it cannot reach it. Launched, never imported: ``__main__`` starts one runner by exec, ``spawner`` forks them from a warm
interpreter.
"""

import sys
from types import ModuleType


class _Later(ModuleType):
    """Stands for a module until an attribute of it is used."""

    def __getattr__(self, name: str) -> object:
        sys.modules.pop(self.__name__, None)
        return getattr(__import__(self.__name__), name)


# The memory of runners counts by the hundred. ``dataclasses`` imports this module, with a parser and a disassembler, to
# describe classes without a docstring. All classes here have one.
sys.modules.setdefault("inspect", _Later("inspect"))
