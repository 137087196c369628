"""Two projects, a model on loopback, and what all clients share: a home directory of their own."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.patience import PATIENCE_S, wait_until

ROOT = Path(__file__).parent.parent.parent
OURS = Path(sys.prefix) / "bin" / "mcp-background-job"

#: Beside the job: a client starts, and its model answers.
CLIENT_S = 2 * PATIENCE_S

_ROWS, _COLUMNS = 40, 120
_READ_SIZE = 65536

#: The program sits at a terminal of its own, which is what makes it interactive.
_AT_TERMINAL = "import os, sys; os.login_tty(0); os.execvp(sys.argv[1], sys.argv[1:])"


@dataclass(frozen=True)
class Request:
    """What a client asked of its model.

    Attributes:
        at: when, in seconds since the epoch.
        turn: whether it is one of the conversation, and no title or the like.
        starts: whether it was answered with the call that starts the job.
        said: the conversation so far, as JSON.
    """

    at: float
    turn: bool
    starts: bool
    said: str


class Stage:
    """Where clients are run.

    Attributes:
        home: their home directory.
        url: of the model.
        environment: theirs; whoever prepares a client adds to it.
        ended: the file that the job makes at its end.
    """

    def __init__(self, directory: Path, job_s: float) -> None:
        """Takes an empty directory, and how long the job takes that the model starts."""
        self.directory = directory
        self.ended = directory / "ended"
        self.home = directory / "home"
        for name in ("mine", "other", "home", "tmp"):
            (directory / name).mkdir()
        command = f"sleep {job_s}; touch {self.ended}; exit 3"
        self._running: list[subprocess.Popen[bytes]] = []
        self._screens: list[Screen] = []
        model = [sys.executable, "-m", "tests.clients.model", str(directory), command]
        self._running.append(subprocess.Popen(model, cwd=ROOT, start_new_session=True))
        wait_until((directory / "port").exists, "the model listens")
        self.url = f"http://127.0.0.1:{(directory / 'port').read_text()}"
        self.environment = {
            "PATH": f"{OURS.parent}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "TMPDIR": str(directory / "tmp"),
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
        }

    def install(self, client: str, *options: str) -> None:
        """Have this project's own command write the client's configuration."""
        subprocess.run(
            [OURS, "install", client, *options],
            cwd=self.home,
            env=self.environment,
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def run(self, argv: Sequence[str], project: str) -> subprocess.Popen[bytes]:
        """Run a client without a terminal."""
        with (self.directory / f"{project}.out").open("wb") as out:
            return self._start(argv, project, stdin=subprocess.DEVNULL, out=out.fileno())

    def sit_at(self, argv: Sequence[str], project: str) -> None:
        """Run a client at a terminal."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
        self._start([sys.executable, "-c", _AT_TERMINAL, *argv], project, stdin=theirs, out=theirs)
        os.close(theirs)
        self._screens.append(Screen(ours))

    def _start(self, argv: Sequence[str], project: str, *, stdin: int, out: int) -> subprocess.Popen[bytes]:
        where, names = self.directory / project, self.environment
        is_leader = argv[1:2] != ["-c"]  # at a terminal it becomes the leader of a session itself
        process = subprocess.Popen(
            argv, cwd=where, env=names, stdin=stdin, stdout=out, stderr=out, start_new_session=is_leader
        )
        self._running.append(process)
        return process

    def requests(self) -> list[Request]:
        """Return what the model was asked so far, oldest first."""
        path = self.directory / "requests.jsonl"
        lines = path.read_text().split("\n")[:-1] if path.exists() else []
        return [Request(**json.loads(line)) for line in lines]

    def turns(self) -> list[Request]:
        """Return those requests that are turns of a conversation."""
        return [request for request in self.requests() if request.turn]

    def close(self) -> None:
        """End what still runs, with all that belongs to it."""
        for process in reversed(self._running):
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGTERM)
        for process in self._running:
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        for screen in self._screens:
            screen.close()


class Screen:
    """A terminal at which a client sits; what it shows is read, so that the client goes on, and not kept."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # EIO: nobody sits there any more
            while os.read(self._descriptor, _READ_SIZE):
                pass

    def close(self) -> None:
        """Let go of the terminal, at which nobody sits any more."""
        self._reader.join()
        os.close(self._descriptor)


def write_json(path: Path, value: Mapping[str, object]) -> None:
    """Write a configuration file that a person would have already."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
