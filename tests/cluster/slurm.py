"""A whole Slurm on this machine, on loopback: munge, a controller and some nodes, as whoever runs this.

Every daemon stays in the foreground, is a child of ours and is ended by its pid. One cluster serves all tests of a user
at once, which are other processes; a test that has daemons die has a cluster of its own.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection, Generator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from mcp_background_job.executors.slurm.commands import COMMENT
from tests.conftest import processes_of, wait_for_end_of
from tests.patience import PATIENCE_S, wait_until
from tests.ports import lasting_ports

#: What has to be installed, by the names of Debian's packages, and the program that tells whether it is.
PACKAGES = {"slurmctld": "slurmctld", "slurmd": "slurmd", "slurm-client": "sbatch", "munge": "munged"}

#: Debian keeps daemons where users have no PATH.
PATH = f"/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin:{os.defpath}"

#: Seconds between Slurm's SIGTERM and its SIGKILL, the shortest that sites have; and without a word of a node, after
#: which Slurm takes it for dead.
KILL_WAIT_S = 5
NODE_DEAD_S = 10

_CONFIGURATION = """\
ClusterName=tests
SlurmctldHost=localhost
SlurmUser={user}
SlurmdUser={user}
AuthInfo=socket={munge}/socket
SlurmctldPort={port}
FirstJobId={first_job}
StateSaveLocation={directory}/state
SlurmdSpoolDir={directory}/spool/%n
SlurmctldPidFile={directory}/run/controller.pid
SlurmdPidFile={directory}/run/%n.pid
SlurmctldLogFile={directory}/log/controller
SlurmdLogFile={directory}/log/%n
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
ProctrackType=proctrack/{track}
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,bf_interval=1
SlurmdTimeout={node_dead}
KillWait={kill_wait}
MinJobAge=3600
ReturnToService=2
MpiDefault=none
MailProg=/bin/true
GresTypes=gpu
SlurmdParameters=config_overrides
{nodes}
PartitionName=main Nodes={main} Default=YES MaxTime=INFINITE State=UP
"""

#: Where control groups of version 1 stop processes, as proctrack/cgroup has it.
_FREEZER = "/sys/fs/cgroup/freezer"
_BAD_FS = [sys.executable, str(Path(__file__).with_name("badfs.py"))]

_CGROUPS = "CgroupAutomount=yes\nCgroupMountpoint=/sys/fs/cgroup\n"

#: A node that no job is given to that does not ask for this partition: it sees the shared directory in its own way.
_APART = "PartitionName=apart Nodes={} MaxTime=INFINITE State=UP\n"

_NODE = "NodeName={name} NodeHostname=localhost NodeAddr=127.0.0.1 Port={port} CPUs=8 Gres=gpu:1 Feature={name}"


def missing() -> list[str]:
    """The packages that are not installed."""
    return [package for package, program in PACKAGES.items() if not shutil.which(program, path=PATH)]


class Cluster:
    """A cluster, as who uses it knows it.

    Attributes:
        directory: where all of it lies; nodes see it too.
        environment: what clients need to find it.
    """

    def __init__(self, directory: Path) -> None:
        """Takes where it lies."""
        self.directory = directory
        self.environment = {"PATH": PATH, "SLURM_CONF": str(directory / "slurm.conf")}
        #: Slurm knows what belongs to a job by the kernel's word, and not by descent alone.
        self.tracks_by_cgroup = os.getuid() == 0 and os.path.ismount(_FREEZER) and os.access(_FREEZER, os.W_OK)
        #: Where the node apart and this machine share files, and where these really are.
        self.shared, self.backing = directory / "shared", directory / "backing"

    def run(self, *argv: str) -> str:
        """Run one of Slurm's programs; returns what it prints."""
        done = subprocess.run(
            argv, env=self.environment, capture_output=True, text=True, timeout=PATIENCE_S, check=True
        )
        return done.stdout.strip()

    def state_of(self, native_id: str) -> str:
        """What Slurm says of a job, in its word."""
        return self.run("squeue", "-h", "-t", "all", "-j", native_id, "-o", "%T")

    def native_id_of(self, job_id: str) -> str:
        """Slurm's id of a job of ours."""
        (native_id,) = self._ids_of({job_id}, "-t", "all")
        return native_id

    def has(self, job_id: str) -> bool:
        """Whether Slurm has a job of ours that is not over."""
        return bool(self._ids_of({job_id}))

    def wait_for_state(self, native_id: str, *states: str) -> None:
        """Wait until Slurm says one of these of a job."""
        wait_until(lambda: self.state_of(native_id) in states, f"job {native_id} {states}")

    def clear(self, job_ids: Collection[str]) -> None:
        """End what is left of these jobs of ours, and wait until Slurm has cleared it away."""

        if job_ids and (native_ids := self._ids_of(job_ids)):
            self.run("scancel", *native_ids)
            wait_until(lambda: not self._ids_of(job_ids), "the end of all jobs")

    def _ids_of(self, job_ids: Collection[str], *options: str) -> list[str]:
        lines = self.run("squeue", "-h", *options, "-o", "%i|%k").splitlines()
        pairs = (line.split("|") for line in lines)
        return [native_id for native_id, comment in pairs if comment.removeprefix(COMMENT) in job_ids]

    def badly_shared(self) -> AbstractContextManager[str]:
        """Yield the path of a directory that this machine and the node apart share, as badly as they could."""
        return mounted(self.backing, self.shared)


@contextlib.contextmanager
def mounted(backing: Path, shared: Path) -> Generator[str]:
    """Show a directory at another path through ``badfs``."""
    with subprocess.Popen([*_BAD_FS, str(backing), str(shared)]) as file_system:
        try:
            wait_until(lambda: os.path.ismount(shared) or file_system.poll() is not None, "the mount")
            assert file_system.poll() is None, "it cannot be mounted"
            yield str(shared)
        finally:
            subprocess.run(["/usr/bin/umount", "--lazy", str(shared)], check=True)


class Slurm(Cluster):
    """A cluster that is started here, and ended."""

    def __init__(self, nodes: Sequence[str] = ("n1", "n2"), apart: str = "") -> None:
        """Writes its configuration; ``start`` starts it. ``apart``: a node for who asks for ``partition=apart``."""
        # A path of its own: pytest's may be longer than a socket address can hold.
        super().__init__(Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp")))
        self.directory.chmod(0o755)  # munge demands that nobody else can write there, and that all can enter
        self._main, self._apart = tuple(nodes), apart
        self._nodes = (*nodes, apart) if apart else self._main
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        self._configure()

    def _configure(self) -> None:
        for name in (
            "shared",
            "backing",
            "state",
            "log",
            "run",
            "devices",
            "munge",
            *(f"spool/{node}" for node in self._nodes),
        ):
            (self.directory / name).mkdir(parents=True)
        self._munge.chmod(0o755)
        (self._munge / "key").write_bytes(os.urandom(1024))
        (self._munge / "key").chmod(0o400)
        gpus: list[str] = []
        for number, node in enumerate(self._nodes):
            device = self.directory / "devices" / f"nvidia{number}"
            device.symlink_to("/dev/null")
            gpus.append(f"NodeName={node} Name=gpu File={device}\n")
        (self.directory / "gres.conf").write_text("".join(gpus))
        (self.directory / "cgroup.conf").write_text(_CGROUPS)
        controller, *ports = lasting_ports(1 + len(self._nodes))
        nodes = [_NODE.format(name=name, port=port) for name, port in zip(self._nodes, ports, strict=True)]
        (self.directory / "slurm.conf").write_text(
            _CONFIGURATION.format(
                user=pwd.getpwuid(os.getuid()).pw_name,
                directory=self.directory,
                munge=self._munge,
                port=controller,
                # Control groups are named after jobs, and several clusters may be here at once.
                first_job=controller * 100,
                track="cgroup" if self.tracks_by_cgroup else "linuxproc",
                node_dead=NODE_DEAD_S,
                kill_wait=KILL_WAIT_S,
                nodes="\n".join(nodes),
                main=",".join(self._main),
            )
            + (_APART.format(self._apart) if self._apart else "")
        )

    @property
    def _munge(self) -> Path:
        return self.directory / "munge"

    def start(self) -> None:
        """Start all of it, and wait until its nodes take jobs."""
        files = [f"--{what}-file={self._munge / what}" for what in ("key", "pid", "log", "seed")]
        self._start("munge", ["munged", "--foreground", "--force", f"--socket={self._munge}/socket", *files])
        wait_until((self._munge / "socket").exists, "the socket of munge")
        self.start_controller()
        for node in self._nodes:
            self.start_node(node)
        self.wait_for_nodes()

    def start_controller(self) -> None:
        """Start the controller, which goes on where it was."""
        self._start("controller", ["slurmctld", "-D"])

    def start_node(self, node: str) -> None:
        """Start the daemon of a node."""
        has_own_view = node == self._apart and os.getuid() == 0
        within = [*_BAD_FS, str(self.backing), str(self.shared)] if has_own_view else []
        self._start(node, [*within, "slurmd", "-D", "-N", node])

    def wait_for_nodes(self) -> None:
        """Wait until every node is up, and idle."""
        wait_until(lambda: self._state_of_nodes().count("idle") == len(self._nodes), "idle nodes")

    def kill(self, daemon: str) -> None:
        """Have ``controller`` or a node die at once."""
        process = self._daemons.pop(daemon)
        process.kill()
        process.wait(PATIENCE_S)

    def save(self) -> None:
        """Wait until the controller has all that it knows on its disk, which it writes every five seconds.

        One that dies before does not know of jobs that it has started, and gives their ids to others, whom nodes then
        end as those.
        """
        mark = f"saved-{os.urandom(8).hex()}"
        native_id = self.run("sbatch", "--parsable", "--hold", f"--job-name={mark}", "--wrap=true")
        state = self.directory / "state" / "job_state"
        wait_until(lambda: state.exists() and mark.encode() in state.read_bytes(), "the state of the controller")
        self.run("scancel", native_id)

    @property
    def answers(self) -> bool:
        """Whether the controller answers."""
        return bool(self._state_of_nodes())

    def _state_of_nodes(self) -> list[str]:
        argv = ["sinfo", "-h", "-N", "-o", "%T"]
        asked = subprocess.run(
            argv, env=self.environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
        return asked.stdout.split()

    def stop(self) -> None:
        """End it, with the jobs that it has; nothing of it is left."""
        if "controller" in self._daemons:
            with contextlib.suppress(subprocess.CalledProcessError):
                self.run("scancel", "-u", pwd.getpwuid(os.getuid()).pw_name)
                wait_until(lambda: not self.run("squeue", "-h", "-o", "%i"), "the end of all jobs")
        for process in reversed(self._daemons.values()):  # munge last: the others prove with it who they are
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE_S)
        self._daemons.clear()
        left = wait_for_end_of(processes_of(str(self.directory)))
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._remove_cgroups()
        shutil.rmtree(self.directory)
        assert not left, f"processes of Slurm were left behind, and have been killed: {left}"

    def _remove_cgroups(self) -> None:
        if self.tracks_by_cgroup:
            for node in self._nodes:
                for directory, _, _ in os.walk(f"{_FREEZER}/slurm_{node}", topdown=False):
                    with contextlib.suppress(OSError):  # another cluster has the same node
                        os.rmdir(directory)

    def _start(self, name: str, argv: list[str]) -> None:
        with (self.directory / "log" / f"{name}.out").open("ab") as log:
            self._daemons[name] = subprocess.Popen(
                argv, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
