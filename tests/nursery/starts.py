"""Commands that run the project in processes of their own, without the seconds that its libraries take to load.

For tests of what such a process does. A test of how one starts, of its pid, of its place among other processes, or of
what Python itself makes of its environment runs ``sys.executable -m mcp_background_job``.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.patience import PATIENCE_S

_FILES = Path(__file__).parent

#: As it is before any test: a nursery must not look like a process of one.
_ENVIRONMENT = dict(os.environ)


class Nursery:
    """A process that is there when a test first asks for it; see ``process.py``.

    Args:
        environment: what is other in the environment in which it loads.
    """

    def __init__(self, **environment: str) -> None:
        self._environment = _ENVIRONMENT | environment
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def command(self, program: str, *arguments: str) -> list[str]:
        """Return what runs a module of the project, or a file that needs its libraries, with these arguments."""
        if self._directory is None:
            self._directory = tempfile.TemporaryDirectory(prefix="nursery-")
            self._start(f"{self._directory.name}/socket")
        relay = [sys.executable, "-I", "-S", str(_FILES / "relay.py"), f"{self._directory.name}/socket"]
        return [*relay, program, *arguments]

    def close(self) -> None:
        """End it, if it was started; its processes have been waited for by those who started them."""
        if self._directory is not None and self._process is not None:
            self._process.communicate(timeout=PATIENCE_S)  # closes its stdin
            self._directory.cleanup()
            self._directory = self._process = None

    def _start(self, path: str) -> None:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen(128)
            self._process = subprocess.Popen(
                [sys.executable, str(_FILES / "process.py"), str(listener.fileno())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=[listener.fileno()],
                env=self._environment,
                cwd="/",
            )
        assert self._process.stdout
        assert self._process.stdout.readline(), "the nursery has failed"


NURSERY = Nursery()


def program(*arguments: str) -> list[str]:
    """Return what serves MCP over stdio, or runs the command that the arguments name."""
    return NURSERY.command("mcp_background_job", *arguments)
