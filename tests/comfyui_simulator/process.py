"""Starts simulators as processes of their own, and leaves nothing of them behind."""

import contextlib
import http.client
import os
import random
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.comfyui_simulator import children
from tests.comfyui_simulator.parent import PARENT_VARIABLE
from tests.nursery.starts import SIMULATORS, Forked
from tests.patience import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]

_MODULE = "tests.comfyui_simulator"

#: Ports below the range for outgoing connections, from which the kernel might give ours away by chance.
_PORTS = range(20_000, 32_000)


class DidNotStartError(Exception):
    """The simulator ended or took too long before its port was bound."""


class PortTakenError(DidNotStartError):
    """Another program listens on the simulator's port."""


class Simulator:
    """One simulator process, which leads a session of its own."""

    def __init__(self, process: subprocess.Popen[bytes] | Forked, port: int, directory: Path, ready: int) -> None:
        self.process = process
        self.port = port
        self.directory = directory
        self._ready = ready
        self._terminal: threading.Thread | None = None
        self._temporary: tempfile.TemporaryDirectory[str] | None = None

    @classmethod
    def start(
        cls,
        *flags: str,
        directory: Path | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        pty: bool = False,
        wait: bool = True,
        anew: bool = False,
    ) -> Self:
        """Start a simulator and, unless `wait` is false, wait until its port is bound.

        With `cwd`, the command is ``python main.py`` in that directory. Otherwise the simulator comes from the nursery,
        without a command line of its own, unless `anew` is true. The log and the outputs lie in `directory`, by default
        a temporary one that ends with the simulator. Without ``--port`` among the flags, the simulator takes a free
        port.
        """
        temporary = tempfile.TemporaryDirectory(prefix="simulator-") if directory is None else None
        folder = directory if temporary is None else Path(temporary.name)
        assert folder is not None
        port = int(flags[flags.index("--port") + 1]) if "--port" in flags else free_port()
        given = () if "--port" in flags else ("--port", str(port))
        if "--output-directory" not in flags:
            given += ("--output-directory", str(folder / "output"))
        program = [_MODULE]
        if anew or cwd is not None:
            program = [sys.executable, "main.py"] if cwd is not None else [sys.executable, "-m", _MODULE]
        command = [*program, *given, *flags]
        simulator = cls._spawn(command, port, folder, dict(os.environ if env is None else env), cwd or ROOT, pty=pty)
        simulator._temporary = temporary
        if wait:
            try:
                simulator.wait_until_bound()
            except PortTakenError:  # between the choice and the bind, as by another run of the tests
                if "--port" in flags:
                    raise
                return cls.start(*flags, directory=directory, env=env, cwd=cwd, pty=pty, anew=anew)
        return simulator

    @classmethod
    def _spawn(
        cls, command: list[str], port: int, directory: Path, env: dict[str, str], cwd: Path, *, pty: bool
    ) -> Self:
        ready, announce = os.pipe()
        env |= {
            PARENT_VARIABLE: os.readlink(f"/proc/self/fd/{announce}"),
            children.CHILDREN_VARIABLE: str(directory / "children"),
        }
        log = (directory / "log").open("ab")
        leader, follower = os.openpty() if pty else (None, log.fileno())
        try:
            process = _start(command, cwd, env, follower, announce)
        finally:
            os.close(announce)
            log.close()
            if leader is not None:
                os.close(follower)
        simulator = cls(process, port, directory, ready)
        if leader is not None:
            simulator._read_terminal(leader)
        return simulator

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log_path(self) -> Path:
        return self.directory / "log"

    @property
    def output_directory(self) -> Path:
        return self.directory / "output"

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def wait_until_bound(self) -> None:
        """Wait for the line with the port, or for the end of the process that should have written it."""
        line = b""
        deadline = time.monotonic() + PATIENCE_S
        while not line.endswith(b"\n"):
            if not select.select([self._ready], [], [], max(0.0, deadline - time.monotonic()))[0]:
                self.stop()
                raise DidNotStartError(f"no port after {PATIENCE_S:.0f} s")
            read = os.read(self._ready, 16)
            if not read:
                code = self.wait()
                log = self.log()
                self.stop()
                error = PortTakenError if f"Port {self.port} is already in use" in log else DidNotStartError
                raise error(f"exited with {code} before its port was bound:\n{log}")
            line += read
        self.port = int(line)

    def wait_until_answering(self, patience_s: float = PATIENCE_S) -> None:
        """Wait until requests are answered: for a server that was restarted, since it announces nothing."""
        deadline = time.monotonic() + patience_s
        while not self._answers():
            assert time.monotonic() < deadline, f"nobody answers on port {self.port}"
            # Nothing announces that a port is bound.
            select.select([], [], [], 0.02)

    def _answers(self) -> bool:
        # A connection alone proves nothing: while a process executes itself anew, its old listener may accept one more.
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=1)
        try:
            connection.request("GET", "/prompt")
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return True

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self, patience_s: float = PATIENCE_S) -> int:
        """Wait for the end; returns the exit code, or the negative number of the signal."""
        return self.process.wait(patience_s)

    def stop(self) -> None:
        """Kill the process and everything that it has started, at once; harmless if it is over."""
        for number in (signal.SIGCONT, signal.SIGKILL):
            # Its group outlives it as long as a child lives, and the kernel reuses its pid only after that.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if self._owns_group():
                    os.killpg(self.pid, number)
        self.process.wait(PATIENCE_S)
        children.kill_all(self.directory / "children")
        if self._ready >= 0:
            os.close(self._ready)
            self._ready = -1
        if self._terminal is not None:
            self._terminal.join(PATIENCE_S)
        if self._temporary is not None:
            self._temporary.cleanup()

    def _owns_group(self) -> bool:
        """Tell whether the group is still the simulator's: its leader is not reaped, or a registered child is in it."""
        if self.process.poll() is None:
            return True
        registered = self.directory / "children"
        names = registered.read_text().split() if registered.exists() else []
        for pid in map(int, names):
            with contextlib.suppress(ProcessLookupError):
                if os.getpgid(pid) == self.pid:
                    return True
        return False

    def _read_terminal(self, leader: int) -> None:
        """Copy the process's output from its terminal to the log, until no process has the terminal open."""

        def copy() -> None:
            with self.log_path.open("ab", buffering=0) as log, contextlib.suppress(OSError):
                while data := os.read(leader, 65536):
                    log.write(data)
            os.close(leader)

        self._terminal = threading.Thread(target=copy, daemon=True)
        self._terminal.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Simulator {self.pid} on {self.url}, exit code {self.process.returncode}>"


def _start(
    command: list[str], cwd: Path, env: dict[str, str], output: int, announce: int
) -> subprocess.Popen[bytes] | Forked:
    if command[0] == _MODULE:
        with Path(os.devnull).open() as nothing:
            return SIMULATORS.fork(command, env, cwd, [nothing.fileno(), output, output], announce)
    return subprocess.Popen(
        command,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        pass_fds=[announce],
        start_new_session=True,
    )


def free_port() -> int:
    while True:
        port = random.choice(_PORTS)  # noqa: S311  no secret
        with socket.socket() as candidate, contextlib.suppress(OSError):
            candidate.bind(("127.0.0.1", port))
            return port
