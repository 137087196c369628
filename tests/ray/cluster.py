"""A whole Ray on this machine, on loopback: a head and two workers, as whoever runs this.

Every node stays in the foreground, is a child of ours and is ended by its pid: ``ray stop`` would end every Ray here.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

from mcp_background_job.errors import EngineUnreachableError
from mcp_background_job.executors.ray.rest import Head
from tests.conftest import processes_of, wait_for_end_of
from tests.patience import ASK_AGAIN_S, PATIENCE_S, scaled, wait_until
from tests.ports import lasting_ports

#: Where ``make test-ray`` has installed Ray: apart from this environment, which must do without.
PACKAGES = Path(__file__).parents[2] / ".ray"

#: Ray gives up what has waited for so long, fifteen minutes where nobody says otherwise. To begin takes some seconds.
START_TIMEOUT_S = int(scaled(20))

#: Bytes for objects, of which there are none, and for jobs: as few as Ray takes.
_BOUNDS = ["--object-store-memory=80000000", "--memory=500000000"]
_COMMON = [
    "--block",
    "--disable-usage-stats",
    "--include-log-monitor=false",
    "--min-worker-port=0",
    "--max-worker-port=0",
    *_BOUNDS,
]

#: Ports that a node is to be told, and the files in which its programs say that they have them. A node ends if one of
#: them takes 15 s for that, which is little on a loaded machine: so we say it before they do.
_AGENTS = {
    "dashboard-agent-listen": "dashboard_agent_listen_port",
    "dashboard-agent-grpc": "metrics_agent_port",
    "runtime-env-agent": "runtime_env_agent_port",
    "metrics-export": "metrics_export_port",
}

#: To start a node, and characters of what it says when it does not.
_ATTEMPTS = 5
_START_S = 3 * PATIENCE_S
_TOLD = 2000

#: Addresses of loopback, one for each node: Ray tells nodes apart by theirs.
HEAD, WORKERS = "127.0.0.2", ("127.0.0.3", "127.0.0.4")


#: What one worker has one of: whoever comes second waits.
ALONE = "ray resources=alone:1"


class Ray:
    """A cluster.

    Attributes:
        address: of its dashboard.
        token: that it asks for.
        directory: where all of it lies.
        head: what talks to its head.
    """

    def __init__(self) -> None:
        """Chooses ports; ``start`` starts it."""
        # A path of its own: pytest's may be longer than a socket address can hold.
        self.directory = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
        self.token = secrets.token_hex(32)
        self._port, self._dashboard, self._client, *rest = lasting_ports(3 + len(_AGENTS) * (1 + len(WORKERS)))
        self._ports = {node: [rest.pop() for _ in _AGENTS] for node in (HEAD, *WORKERS)}
        self.address = f"http://{HEAD}:{self._dashboard}"
        self.head = Head(self.address, self.token)
        self._nodes: dict[str, subprocess.Popen[bytes]] = {}
        #: A node has died: what it had started may live for a while.
        self._has_lost_one = False
        self._is_whole = False

    def start(self) -> None:
        """Start all of it, one after the other: two nodes that start at once take each other's sockets."""
        self.start_head()
        for number in range(len(WORKERS)):
            self.start_worker(number)
        self._is_whole = True

    def mend(self) -> None:
        """Have all of it anew if a test has killed any of it."""
        if not self._is_whole:
            for node in list(self._nodes):
                self.kill(node)
            self.start()

    def start_head(self) -> None:
        """Start a head, which knows nothing of one before."""
        # Left by a head that was killed: its session, and where it was, which Ray takes for a head that is there as
        # long as workers know of it.
        for left in (self._session, self.directory / "t" / "ray_current_cluster"):
            left.unlink(missing_ok=True)
        ports = [f"--port={self._port}", f"--dashboard-port={self._dashboard}"]
        others = [f"--ray-client-server-port={self._client}", f"--dashboard-host={HEAD}", "--num-cpus=0"]
        self._start(HEAD, ["--head", f"--temp-dir={self.directory}/t", *ports, *others])

    def start_worker(self, number: int) -> None:
        """Start a worker with four processors and one GPU."""
        has = ["--num-cpus=4", "--num-gpus=1", *(['--resources={"alone": 1}'] if number == 0 else [])]
        self._start(WORKERS[number], [f"--address={HEAD}:{self._port}", *has])

    def kill(self, node: str) -> None:
        """Have a node die at once, with all that was started there."""
        self._has_lost_one, self._is_whole = True, False
        process = self._nodes.pop(node)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE_S)
        for pid in processes_of(f"{self.directory}/{node}"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    @contextlib.contextmanager
    def silent(self) -> Generator[None]:
        """Have the head say nothing for a while: its dashboard is stopped."""
        pids = [pid for pid in processes_of(str(self.directory)) if _is_dashboard(pid)]
        assert pids
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def stop(self) -> None:
        """End it; nothing of it is left."""
        for process in reversed(self._nodes.values()):
            process.send_signal(signal.SIGTERM)
        for process in self._nodes.values():
            process.wait(PATIENCE_S)
        self._nodes.clear()
        left = wait_for_end_of(processes_of(str(self.directory)))
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.directory, ignore_errors=True)
        assert self._has_lost_one or not left, f"processes of Ray were left behind, and have been killed: {left}"

    def _start(self, node: str, arguments: list[str]) -> None:
        """Start a node, and wait until it is one; on a loaded machine Ray gives up after 30 s."""
        before = self._count()
        for _ in range(_ATTEMPTS):
            node_id = secrets.token_hex(28)
            process = self._nodes[node] = self._process(node, node_id, arguments)
            wait_until(
                lambda process=process: process.poll() is not None or self._session.is_dir(), "session", _START_S
            )
            if self._session.is_dir():
                for name, port in zip(_AGENTS.values(), self._ports[node], strict=True):
                    (self._session / f"{name}_{node_id}").write_text(str(port))
            wait_until(
                lambda process=process: process.poll() is not None or self._count() > before,
                node,
                _START_S,
                pause_s=ASK_AGAIN_S,
            )
            if process.poll() is None:
                return
            self.kill(node)
        raise AssertionError((self.directory / f"{node}.out").read_text()[-_TOLD:])

    @property
    def _session(self) -> Path:
        return self.directory / "t" / "session_latest"

    def _process(self, node: str, node_id: str, arguments: list[str]) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-m", "ray.scripts.scripts", "start", f"--node-ip-address={node}"]
        argv += [f"--{name}-port={port}" for name, port in zip(_AGENTS, self._ports[node], strict=True)]
        argv += [*_COMMON, *arguments]
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            "TMPDIR": str(self.directory),
            "PYTHONPATH": str(PACKAGES),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": self.token,
            "RAY_OVERRIDE_NODE_ID_FOR_TESTING": node_id,
            "RAY_JOB_START_TIMEOUT_SECONDS": str(START_TIMEOUT_S),
            # Processes for tasks, of which there are none, and figures that nobody reads: most of what it would take.
            "RAY_enable_worker_prestart": "0",
            "RAY_prestart_worker_first_driver": "0",
            "RAY_enable_metrics_collection": "0",
            "RAY_task_events_report_interval_ms": "0",
            "OF_THE_TESTS": f"{self.directory}/{node}",
        }
        with (self.directory / f"{node}.out").open("ab") as log:
            return subprocess.Popen(
                argv,
                env=environment,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _count(self) -> int:
        try:
            return len(self.head.nodes())
        except EngineUnreachableError:
            return 0


def _is_dashboard(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return b"dashboard" in Path(f"/proc/{pid}/cmdline").read_bytes().lower()
    return False


def missing() -> bool:
    """Whether Ray is not installed."""
    return not (PACKAGES / "ray").is_dir()
