"""Runs Python code as a user other than root, since file modes and the rules of signals do not bind root."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import psutil
import pytest

from tests.conftest import processes_of, wait_for_end_of

#: The user id of ``nobody``, who owns no files.
NOBODY = 65534

_PROJECT = Path(__file__).parent.parent
_PACKAGES = Path(psutil.__file__).parent.parent

#: Loads the project's packages, and starts the same interpreter again, as a server starts a runner.
_TRY = "import psutil, mcp_background_job.app, os\nos.execv(sys.executable, [sys.executable, '-c', ''])\n"

#: Interpreters to try: that of the tests may lie in a home directory which other users cannot enter.
_INTERPRETERS = (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}")

#: Directories of the project and its packages, for processes of that user and for those that they start.
PLACES = (str(_PROJECT), str(_PACKAGES))

_PATHS = f"import sys\nsys.path[:0] = {list(PLACES)!r}\n"


class Nobody:
    """Another user, with a directory of its own.

    Attributes:
        home: the user's directory.
    """

    def __init__(self, home: Path, interpreter: str) -> None:
        self.home = home
        self._interpreter = interpreter

    def start(self, code: str, *arguments: str) -> subprocess.Popen[str]:
        """Start code that can import the project and its packages, with pipes for stdin and stdout."""
        environment = {"HOME": str(self.home), "PATH": os.defpath, "MCP_BG_STATE_DIR": str(self.home / "state")}
        return subprocess.Popen(
            [*python_as_nobody(self._interpreter, code), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=self.home,
        )

    def run(self, code: str, *arguments: str) -> str:
        """Run code until it ends, fail if its exit code is not 0, and return what it printed."""
        with self.start(code, *arguments) as process:
            printed, _ = process.communicate()
        assert process.returncode == 0
        return printed


def python_as_nobody(interpreter: str, code: str) -> list[str]:
    """Return the command line that runs code as that user; the code can import the project and its packages."""
    return [*_as_nobody(), interpreter, "-I", "-c", _PATHS + code]


def _as_nobody() -> list[str]:
    if os.getuid() != 0:
        return []  # this user is not root either
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]


def find_interpreter() -> str | None:
    """Return an interpreter that ``nobody`` may execute and that can load the project's packages, or None."""
    for interpreter in _INTERPRETERS:
        try:
            command = python_as_nobody(interpreter, _TRY)
            if subprocess.run(command, check=False, stderr=subprocess.DEVNULL, cwd="/").returncode == 0:
                return interpreter
        except FileNotFoundError:
            continue
    return None


@pytest.fixture(scope="session")
def interpreter_of_nobody() -> str:
    """An interpreter for ``nobody``; skips the test if there is none."""
    found = find_interpreter()
    if found is None:
        pytest.skip("no other user can be had here, or can run the project")
    return found


@pytest.fixture
def nobody(interpreter_of_nobody: str) -> Generator[Nobody]:
    """A user other than root; after the test, the user's directory is removed."""
    home = Path(tempfile.mkdtemp(prefix="nobody-"))
    if os.getuid() == 0:
        os.chown(home, NOBODY, NOBODY)
    yield Nobody(home, interpreter_of_nobody)
    left = wait_for_end_of(processes_of(str(home)))
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 9)
    shutil.rmtree(home)
    assert not left, f"processes were left behind, and have been killed: {left}"
