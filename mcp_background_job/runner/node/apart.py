"""A runner on a node that shares no files: its job comes in a parcel, and its results go to the engine's log.

The process that the engine has started only waits: engines end it by SIGKILL when its own starter dies. The runner is
its child, in a session of its own. When that process dies, the kernel signals the runner, which then ends its job as
usual.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import tempfile
from dataclasses import replace

from mcp_background_job.errors import BackgroundJobError
from mcp_background_job.jobdir import parcels, records, runners
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.log.format import HEADER
from mcp_background_job.jobdir.records import Exit, Spec, write_all
from mcp_background_job.runner import control, signals
from mcp_background_job.runner.node.main import run
from mcp_background_job.runner.node.site import Node, listening
from mcp_background_job.runner.node.tcp import TcpDoor
from mcp_background_job.runner.supervisor import Supervisor
from mcp_background_job.runner.system import become_subreaper, name_process, signal_at_end_of_parent

#: Variables that the engine sets for itself, or to limit programs: Ray allows one thread.
_NOT_THE_JOBS = ("OMP_NUM_THREADS", "RAY_JOB_STOP_WAIT_TIME_S")
_NOT_THE_JOBS_PREFIX = "MCP_BG_"

#: The exit code of a runner that is gone.
_CRASHED = 70
_SIGNALLED = 128

_CURE = "give a cwd that the nodes have"


def main(directory: str) -> int:
    """Start the runner, and wait for it; returns its exit code."""
    waits_for = os.getpid()
    child = os.fork()
    if child == 0:
        os.setsid()
        signal_at_end_of_parent(signal.SIGTERM)
        if os.getppid() != waits_for:  # it died before the kernel knew that this process wants its signal
            os._exit(_SIGNALLED + signal.SIGTERM)
        return _run(directory)
    for number in (signal.SIGTERM, signal.SIGINT):  # the runner gets the signal too
        signal.signal(number, signal.SIG_IGN)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else _SIGNALLED - code


def _run(directory: str) -> int:
    signals.settle()
    with open(f"{directory}/{parcels.JOB}", "rb") as file:
        parcel = json.loads(file.read())
    os.unlink(f"{directory}/{parcels.JOB}")  # other users of this node may read the files that the engine has unpacked
    if "withdrawn" in parcel:
        print("this job is not run: it was withdrawn")  # noqa: T201  the engine's log
        return _SIGNALLED + signal.SIGTERM
    root = tempfile.mkdtemp(prefix="mcp-bg-")
    try:
        return _run_at(root, directory, parcel)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _run_at(root: str, directory: str, parcel: dict[str, object]) -> int:
    raw = json.dumps(parcel["spec"]).encode()
    spec = records.decode(Spec, raw, "the parcel")
    job = JobDir(f"{root}/jobs/{spec.job_id}")
    shutil.copytree(f"{directory}/{parcels.FILES}", job.path)
    os.makedirs(job.state_dir.open)
    spec = _at_home_in(job, spec, str(parcel["home"]))
    records.write_spec(job, spec)
    node = os.uname().nodename
    site = Apart(node, bytes.fromhex(str(parcel["token"])))
    name_process(runners.name_of_runner(spec.job_id))
    try:
        here = replace(spec, env={**_environment(), **spec.env})
        supervisor = Supervisor(job, here, has_subreaper=become_subreaper(), site=site)
        code = run(supervisor, spec, node, _CURE)
    except (BackgroundJobError, OSError) as error:
        print(f"job {spec.job_id} cannot be run on {node}: {error}")  # noqa: T201
        return _CRASHED
    if not site.has_told and (record := records.read(Exit, job.exit)):  # the job was not started
        site.tell_end(record)
    return code


def _at_home_in(job: JobDir, spec: Spec, home: str) -> Spec:
    """Return a spec with the job's directory as it is here."""
    here = [word.replace(home, job.path) for word in spec.argv]
    stdin_file = spec.stdin_file and spec.stdin_file.replace(home, job.path)
    cwd = os.path.expanduser(spec.cwd) if spec.cwd == parcels.HOME else spec.cwd
    # The machine on which the job was asked for looks after ancestors and the command at the end.
    return replace(spec, argv=here, stdin_file=stdin_file, cwd=cwd, parent=None, ancestors=[], on_end="")


def _environment() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if name not in _NOT_THE_JOBS and not name.startswith(_NOT_THE_JOBS_PREFIX)
    }


class Apart(Node):
    """A node that shares no directory with the machine on which its jobs were asked for.

    Attributes:
        has_told: the end of the job is in the engine's log.
    """

    is_shared = False

    def __init__(self, node: str, token: bytes) -> None:
        """Takes the node's name, and the token that clients must know."""
        super().__init__(node, tcp=True)
        self.has_told = False
        self._token = token
        self._job: JobDir | None = None
        self._fetched: dict[str, int] = {}

    def doors(self, job: JobDir) -> list[control.Door]:
        """Listen at an address that the engine's head can reach, and report it."""
        self._job = job
        host = _own_address(os.environ.get("RAY_ADDRESS", ""))
        listener = listening(socket.AF_INET, (host, 0))
        _print(parcels.line(began={"node": self._node, "host": host, "port": listener.getsockname()[1]}))
        return [TcpDoor(listener, self._token)]

    def leave(self, job: JobDir) -> None:
        """Do nothing: clients connect only to the port, which is closed."""

    def read(self, job: JobDir, file: str, offset: int, limit: int) -> tuple[bytes, int]:
        """Return bytes of a file; a client that asks for bytes behind an offset has those before it."""
        self._fetched[file] = max(offset, self._fetched.get(file, 0))
        try:
            with open(f"{job.path}/{file}", "rb") as opened:
                size = os.fstat(opened.fileno()).st_size
                return os.pread(opened.fileno(), limit, offset), size
        except OSError:
            return b"", 0

    def last_words(self, record: Exit) -> dict[str, object]:
        """First print the end into the engine's log: a client that gets it from here looks there for the rest."""
        self.tell_end(record)
        return super().last_words(record)

    def tell_end(self, record: Exit) -> None:
        """Print all bytes that were not fetched, and the end of the job."""
        self.has_told = True
        job = self._job
        if job is not None:
            start = max(self._fetched.get("output.log", 0), record.output_bytes - parcels.MAX_TOLD)
            _tell_rest_of(job.log, max(start, record.dropped_bytes))
            fetched = self._fetched.get("output.idx", 0)
            _tell_rest_of(job.index, max(fetched, HEADER.size))
            _tell_rest_of(job.index, 0, HEADER.size)
            _tell_rest_of(job.usage, 0)
            if start > self._fetched.get("output.log", 0):
                _print(parcels.line(cut=start))
        _print(parcels.line(ended=json.loads(records.encode(record))))


def _tell_rest_of(path: str, start: int, end: int | None = None) -> None:
    with contextlib.suppress(OSError), open(path, "rb") as file:  # most jobs have no curve
        file.seek(start)
        at = start
        while data := file.read(parcels.PIECE if end is None else end - at):
            for told in parcels.pieces(os.path.basename(path), at, data):
                _print(told)
            at += len(data)


def _print(told: bytes) -> None:
    with contextlib.suppress(OSError):  # a full disk: then only fetched bytes are known of the job
        write_all(1, told)


def _own_address(head: str) -> str:
    """Return this node's address in the network of the engine's head; empty, which means all networks, if unknown."""
    host = head.rpartition(":")[0]
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((host, 9))  # nothing is sent
        return str(sock.getsockname()[0])
    return ""
