"""Commands that run the project in processes of their own, without the seconds that its libraries take to load.

They are for tests of such a process's behaviour. A test of its start, its pid, its place among other processes, or of
Python's own use of its environment runs ``sys.executable -m mcp_background_job``.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from mcp_background_job.executors.local import launcher
from tests.nursery import runners
from tests.patience import PATIENCE_S

_FILES = Path(__file__).parent

#: The environment before any test: a nursery must not look like a process of a test.
_ENVIRONMENT = dict(os.environ)


#: Lies beside the socket and runs in the place of Python, so that the feeders of batches come from the nursery too.
_SHIM = """\
#!{python} -IS
import os, sys
if sys.argv[1:6] == ["-P", "-m", "mcp_background_job", "comfyui", "feed"]:
    os.execv({python!r}, [{python!r}, "-I", "-S", "{relay}", os.path.dirname(__file__) + "/socket", *sys.argv[3:]])
os.execv({python!r}, [{python!r}, *sys.argv[1:]])
"""


#: The sockets that the main process has opened for all workers. The variable goes no further than the workers.
_SHARED: dict[str, str] = json.loads(os.environ.pop(_SHARED_VARIABLE := "TESTS_NURSERIES", "{}"))


#: A file beside the socket: it is locked until the process has loaded, or has failed.
_LOADING = "loading"


class _Place:
    """A process that starts when a test first needs it, and that forks for each connection to its socket.

    Args:
        shared_as: the name under which all workers share the process, if they do.
        environment: the environment in which the process loads.
    """

    def __init__(self, shared_as: str | None, environment: Mapping[str, str]) -> None:
        self._shared_as = shared_as
        self._environment = environment
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._starting = threading.Lock()
        self._has_loaded = False

    def address(self) -> str:
        """Wait until the process has loaded, which may outlast a test's patience; returns the path of its socket."""
        path = self._path()
        if not self._has_loaded:
            with Path(path).with_name(_LOADING).open() as lock:
                fcntl.flock(lock, fcntl.LOCK_SH)
            self._has_loaded = True
        return path

    def _path(self) -> str:
        if self._shared_as in _SHARED:
            return _SHARED[self._shared_as]
        with self._starting:
            if self._directory is None:
                self._directory = tempfile.TemporaryDirectory(prefix="nursery-")
                self._start(f"{self._directory.name}/socket")
            return f"{self._directory.name}/socket"

    def share(self) -> None:
        """Start the process for all workers, before they start: otherwise each worker would load its own."""
        assert self._shared_as is not None
        _SHARED[self._shared_as] = self._path()
        os.environ[_SHARED_VARIABLE] = json.dumps(_SHARED)

    def close(self) -> None:
        """End the process if it was started; its starters have waited for the ends of all that it forked."""
        if self._directory is not None and self._process is not None:
            self._process.communicate(timeout=PATIENCE_S)  # closes its stdin
            self._directory.cleanup()
            self._directory = self._process = None

    def _argv(self, listener: int) -> list[str]:
        raise NotImplementedError

    def _start(self, path: str) -> None:
        with socket.socket(socket.AF_UNIX) as listener, Path(path).with_name(_LOADING).open("w") as lock:
            listener.bind(path)
            listener.listen(128)
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._process = subprocess.Popen(
                [sys.executable, *self._argv(listener.fileno())],
                stdin=subprocess.PIPE,
                stdout=lock,
                pass_fds=[listener.fileno()],
                env=self._environment,
                cwd="/",
            )


class Runners(_Place):
    """The source of runners and spawners; see ``runners.py``."""

    def __init__(self) -> None:
        super().__init__("runners", {"PATH": os.defpath})  # as a launcher starts them

    def start(self, command: list[str], descriptor: int) -> None:
        """Do what ``launcher._exec`` does."""
        runners.start(self.address(), command[command.index(launcher._RUNNER) + 1 :], descriptor)

    def _argv(self, listener: int) -> list[str]:
        return ["-I", "-S", str(_FILES / "runners.py"), str(listener)]


class Nursery(_Place):
    """The source of servers, commands and simulators; see ``process.py``.

    Args:
        package: the package that it loads, with all modules in it.
        shared_as: the name under which all workers share the process, if they do.
        runners: the source of the runners that its processes launch; without it, runners are executed.
        environment: variables that it has in addition to those of the tests.
    """

    def __init__(
        self, package: str, shared_as: str | None = None, runners: Runners | None = None, **environment: str
    ) -> None:
        super().__init__(shared_as, _ENVIRONMENT | environment)
        self._package = package
        self._runners = runners

    def command(self, program: str, *arguments: str) -> list[str]:
        """Return a command that runs a module of the project, or a file that needs its libraries, with arguments."""
        return [sys.executable, "-I", "-S", str(_FILES / "relay.py"), self.address(), program, *arguments]

    def python(self) -> str:
        """Return a program that replaces Python: the nursery forks the feeders of batches, Python runs all else."""
        return self.address().removesuffix("socket") + "python"

    def fork(
        self, argv: Sequence[str], env: Mapping[str, str], cwd: Path, streams: Sequence[int], passed: int
    ) -> Forked:
        """Start a process without a relay, as the leader of a session.

        Args:
            argv: the module and its arguments.
            env: the environment.
            cwd: the working directory.
            streams: the process's stdin, stdout and stderr.
            passed: a further descriptor, which the process has under another number.
        """
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self.address())
        socket.send_fds(connection, [b"\0"], [*streams, passed])
        request = {"argv": argv, "env": dict(env), "cwd": str(cwd), "session": True}
        connection.sendall(ascii(request).encode() + b"\n")
        return Forked(connection)

    def _argv(self, listener: int) -> list[str]:
        given = [self._runners._path()] if self._runners else []
        return [str(_FILES / "process.py"), str(listener), self._package, *given]

    def _start(self, path: str) -> None:
        super()._start(path)
        shim = Path(path).with_name("python")
        shim.write_text(_SHIM.format(python=sys.executable, relay=_FILES / "relay.py"))
        shim.chmod(0o700)


class Forked:
    """A process that a nursery has forked; it ends with the process that asked for it."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lines = connection.makefile()
        self.pid = int(self._lines.readline())
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, or the negative number of the signal; None while the process lives."""
        return self._look(0)

    def wait(self, timeout: float) -> int:
        """Wait for the process's end; returns its exit code, or the negative number of the signal."""
        code = self._look(timeout)
        assert code is not None, f"{self.pid} lives"
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            # It may have ended since.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _look(self, timeout_s: float) -> int | None:
        if self.returncode is None and select.select([self._connection], [], [], timeout_s)[0]:
            self.returncode = int(self._lines.readline())
            self._lines.close()
            self._connection.close()
        return self.returncode


RUNNERS = Runners()

NURSERY = Nursery("mcp_background_job", "servers", RUNNERS)

#: The source of simulated ComfyUIs.
SIMULATORS = Nursery("tests.comfyui_simulator.app", "simulators", PYTHONPATH=str(_FILES.parents[1]))


def program(*arguments: str) -> list[str]:
    """Return a command that serves MCP over stdio, or that runs the command which the arguments name."""
    return NURSERY.command("mcp_background_job", *arguments)
