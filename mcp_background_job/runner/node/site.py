"""The differences of a runner on a node: how clients reach it, how it is ended, and its last words."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import sys
import time

from mcp_background_job.core.states import Outcome
from mcp_background_job.jobdir import records
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.records import Exit
from mcp_background_job.runner import control
from mcp_background_job.runner.site import Site

#: Variables of the engine's script: seconds between its SIGTERM and its SIGKILL, and the end of the job's time, in
#: seconds since the epoch. If the latter is empty, a file of this name has it, as squeue prints it.
KILL_WAIT_VARIABLE = "MCP_BG_KILL_WAIT_S"
END_VARIABLE = "MCP_BG_ENDS_AT"
_END_FILE = "ends_at"

#: Seconds: the longest grace period, and the part of the engine's patience that is kept for ending and recording the
#: job.
_MAX_GRACE_S = 5.0
_RESERVE_S = 2.0

#: Slurm's KillWait, if none is given.
_KILL_WAIT_S = 30.0

#: If a signal comes at most this many seconds before the end of a job's time, or after it, that end is taken for its
#: reason: engines look at the clock only every 30 to 60 seconds.
_NEAR_END_S = 90.0

_SQUEUE_TIME = "%Y-%m-%dT%H:%M:%S"

#: struct ucred of <sys/socket.h>
_CREDENTIALS = struct.Struct("iII")

_BACKLOG = 64


class Node(Site):
    """A node of a cluster."""

    is_shared = True
    signals_all = True

    def __init__(self, node: str, *, tcp: bool) -> None:
        """Takes the node's name, and whether clients may connect over TCP."""
        self._node = node
        self._tcp = tcp
        self._directory = ""

    def doors(self, job: JobDir) -> list[control.Door]:
        """Listen at an abstract name, since the job's directory may be no place for sockets."""
        self._directory = job.path
        name = f"mcp-bg-{job.job_id}-{os.urandom(8).hex()}"
        doors: list[control.Door] = [LocalDoor(listening(socket.AF_UNIX, f"\0{name}"))]
        # Another machine starts a relay with the interpreter and the package that are known to work here.
        argv = [sys.executable, os.path.abspath(sys.argv[0])]
        address: dict[str, object] = {"node": self._node, "host": os.uname().nodename, "socket": name, "argv": argv}
        if self._tcp:
            from mcp_background_job.runner.node.tcp import TcpDoor  # noqa: PLC0415  hashlib, for those who want it

            listener = listening(socket.AF_INET, ("", 0))
            token = os.urandom(32)
            doors.append(TcpDoor(listener, token))
            address.update(port=listener.getsockname()[1], token=token.hex())
        records.write(job.address, json.dumps(address).encode())
        return doors

    def leave(self, job: JobDir) -> None:
        """Remove the address of the runner."""
        with contextlib.suppress(OSError):
            os.unlink(job.address)

    def stop(self) -> tuple[float, Outcome]:
        """Return the seconds that the engine leaves to the job, and the outcome: whether its own time is over."""
        grace_s = min(_MAX_GRACE_S, _kill_wait_s() - _RESERVE_S)
        ends_at = _ends_at(os.environ.get(END_VARIABLE) or _text_of(f"{self._directory}/{_END_FILE}"))
        is_time = ends_at is not None and time.time() >= ends_at - _NEAR_END_S
        return max(0.0, grace_s), Outcome.TIMED_OUT if is_time else Outcome.KILLED

    def last_words(self, record: Exit) -> dict[str, object]:
        """Return the exit record itself: clients on other machines may see the file much later."""
        return {"ended": json.loads(records.encode(record))}


class LocalDoor(control.Door):
    """A socket at which clients of the same node connect."""

    def accept(self) -> control.Connection | None:
        """Accept only this user and root: abstract names have no modes."""
        try:
            sock, _ = self._sock.accept()
        except OSError:
            return None
        _, user, _ = _CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
        if user not in (os.geteuid(), 0):
            sock.close()
            return None
        return control.Connection(sock)


def listening(family: int, address: str | tuple[str, int]) -> socket.socket:
    """Return a socket that listens and does not block.

    Raises:
        OSError: it cannot listen there.
    """
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.bind(address)
        sock.listen(_BACKLOG)
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)  # noqa: FBT003  its only form
    return sock


def _kill_wait_s() -> float:
    try:
        return float(os.environ[KILL_WAIT_VARIABLE])
    except (KeyError, ValueError):
        return _KILL_WAIT_S


def _text_of(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def _ends_at(text: str) -> float | None:
    """Return seconds since the epoch; ``None`` if the job has no end, or an unknown one."""
    try:
        return float(text) if text.isdecimal() else time.mktime(time.strptime(text, _SQUEUE_TIME))
    except (ValueError, OverflowError):  # "NONE", "N/A", nothing
        return None
