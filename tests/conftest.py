"""Fixtures of all test folders: a private state directory, a manager, proof of life by the kernel, and a leak check."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import select
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from mcp_background_job.app import build
from mcp_background_job.config import load_settings
from mcp_background_job.executors.local import launcher
from mcp_background_job.jobs.manager import JobManager

# The last place, so that tests import an installed package before this checkout; `tests` and `bench` come from here.
sys.path.append(str(Path(__file__).parent.parent))

from tests.nursery.starts import NURSERY, RUNNERS, SIMULATORS
from tests.patience import HELPER_LIFE_S, PATIENCE_S, TEST_S, scaled

if TYPE_CHECKING:
    from tests.ray.cluster import Ray


#: All toolsets: without the setting, a server offers those that suit the machine. Release 1.0.0 has no word for all.
ALL_TOOLSETS = "jobs,comfyui,runs"

#: prctl(2), <linux/prctl.h>.
_PR_GET_CHILD_SUBREAPER = 37

# The time of one example depends more on the machine's load than on the code.
_USUAL = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("usual", _USUAL)
settings.register_profile("nightly", _USUAL, max_examples=1000)
settings.load_profile("usual")

# If a shell runs the tests in its background, they and all processes that they start ignore SIGINT; with nohup they
# ignore SIGHUP too.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_configure(config: pytest.Config) -> None:
    """Start what the workers share, in the process that starts the workers, if there are any."""
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        for place in (RUNNERS, NURSERY, SIMULATORS):
            place.share()
            config.add_cleanup(place.close)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the tests themselves out of garbage collection: they are millions of objects that all stay."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give every test its time limit: that of its own mark, or the usual one."""
    for item in items:
        if mark := item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(scaled(mark.args[0])), append=False)
        elif config.getoption("timeout") is None:
            item.add_marker(pytest.mark.timeout(TEST_S))


_EXEC = launcher._exec

_HELPER = """\
import os, signal, socket, sys, time

_connections = []


def connect(name):
    \"\"\"Show to the test that this process is alive, until the kernel closes the socket.\"\"\"
    signal.alarm({life})
    sock = socket.socket(socket.AF_UNIX)
    sock.connect({path!r})
    sock.sendall(name.encode() + b"\\n")
    _connections.append(sock)
    return sock


def disconnect():
    \"\"\"Let go of what was inherited by fork, so that it speaks for the parent alone.\"\"\"
    while _connections:
        _connections.pop().close()


def hang():
    \"\"\"Do nothing until the test has closed the connection.\"\"\"
    while True:
        try:
            if not _connections[-1].recv(1):
                break
        except OSError:
            break
    os._exit(98)


def ignore(*numbers):
    for number in numbers or (signal.SIGTERM,):
        signal.signal(number, signal.SIG_IGN)


def fork_into(*functions):
    \"\"\"Run functions in a child that hangs afterwards; returns the child's pid to the parent.\"\"\"
    pid = os.fork()
    if pid == 0:
        try:
            disconnect()
            for function in functions:
                function()
            hang()
        finally:
            os._exit(99)
    return pid


def daemon(*functions):
    \"\"\"Run functions in an orphan in a session of its own, which hangs afterwards.\"\"\"
    pid = os.fork()
    if pid == 0:
        os.setsid()
        fork_into(*functions)
        os._exit(0)
    os.waitpid(pid, 0)


def bare(name):
    \"\"\"Go on as a process without any environment.\"\"\"
    os.execve(sys.executable, [sys.executable, "-I", "-S", "-c", _HEADER + f"connect({{name!r}})\\nhang()\\n"], {{}})


_HEADER = {header!r}
"""


class Liveness:
    """Listens for processes that connect: alive once accepted, dead when the kernel has closed their end."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        # A path of its own: pytest's may be longer than a socket address can hold.
        self._socket_path = f"{tempfile.gettempdir()}/alive-{time.monotonic_ns()}"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self._socket_path)
        self._listener.listen(1024)
        self._alive: dict[str, list[socket.socket]] = {}
        self._received: dict[str, bytes] = {}
        self._header = f"import sys\nsys.path.insert(0, {str(directory)!r})\nfrom alive import *\n"
        helper = _HELPER.format(path=self._socket_path, life=HELPER_LIFE_S, header=self._header)
        (directory / "alive.py").write_text(helper)

    def script(self, name: str, body: str) -> str:
        """Return a shell command that runs this Python code, in which ``connect(name)`` shows that it is alive."""
        path = self._directory / f"{name}.py"
        path.write_text(self._header + body)
        return f"{sys.executable} -I -S {path}"

    def holder(self, name: str) -> str:
        """Return a shell command for a process that connects and hangs."""
        return self.script(name, f"connect({name!r})\nhang()\n")

    def expect(self, *names: str) -> None:
        """Wait until a process has connected under each of these names."""
        deadline = time.monotonic() + PATIENCE_S
        while missing := [name for name in names if name not in self._alive]:
            self._accept(deadline, f"no sign of life from {', '.join(missing)}")

    def expect_many(self, name: str, count: int) -> None:
        """Wait until this many processes have connected under one name."""
        deadline = time.monotonic() + PATIENCE_S
        while len(self._alive.get(name, [])) < count:
            self._accept(deadline, f"only {len(self._alive.get(name, []))} of {count} {name}")

    def count(self, name: str) -> int:
        """Return how many processes have connected under a name, those in the backlog too."""
        while select.select([self._listener], [], [], 0)[0]:
            self._accept(time.monotonic() + PATIENCE_S, "lost a connection")
        return len(self._alive.get(name, []))

    def is_alive(self, name: str) -> bool:
        """Tell whether any process that connected under the name is alive at this moment."""
        return any([not self._is_closed(name, sock) for sock in self._alive[name]])  # noqa: C419  all are read

    def assert_dead(self, *names: str) -> None:
        """Fail if any process that ever connected is alive: under these names or, without names, under any."""
        self.count("")
        living = [name for name in names or self._alive if self.is_alive(name)]
        assert not living, f"still alive: {living}"

    def assert_alive(self, *names: str) -> None:
        """Fail if no process under one of these names is alive."""
        dead = [name for name in names if not self.is_alive(name)]
        assert not dead, f"dead: {dead}"

    def wait_dead(self, *names: str) -> None:
        """Wait until every process under these names is dead, as the kernel tells by closing its socket."""
        deadline = time.monotonic() + PATIENCE_S
        for name in names:
            for sock in self._alive[name]:
                while not self._is_closed(name, sock, deadline - time.monotonic()):
                    assert time.monotonic() < deadline, f"{name} is still alive"

    def wait_received(self, name: str, expected: bytes) -> None:
        """Wait until a process has written this to its socket."""
        deadline = time.monotonic() + PATIENCE_S
        while expected not in self._received.get(name, b""):
            assert time.monotonic() < deadline, f"{name} sent only {self._received.get(name)!r}"
            assert not self._is_closed(name, self._alive[name][0], deadline - time.monotonic()), f"{name} died"

    def received(self, name: str) -> bytes:
        """Return what a process has written to its socket after its name."""
        self.is_alive(name)
        return self._received.get(name, b"")

    def end_all(self) -> None:
        """End the helpers that are still alive: each of them ends when its peer closes the connection."""
        for socks in self._alive.values():
            for sock in socks:
                sock.close()
        self._alive.clear()

    def close(self) -> None:
        """Stop listening."""
        self.end_all()
        self._listener.close()
        os.unlink(self._socket_path)

    def _accept(self, deadline: float, complaint: str) -> None:
        self._await(self._listener, deadline, complaint)
        sock, _ = self._listener.accept()
        name = b""
        while not name.endswith(b"\n"):
            self._await(sock, deadline, "a process that connected does not say its name")
            byte = sock.recv(1)
            if not byte:
                sock.close()  # killed between connecting and speaking
                return
            name += byte
        self._alive.setdefault(name.decode().strip(), []).append(sock)

    @staticmethod
    def _await(sock: socket.socket, deadline: float, complaint: str) -> None:
        if not select.select([sock], [], [], max(0.0, deadline - time.monotonic()))[0]:
            pytest.fail(complaint)

    def _is_closed(self, name: str, sock: socket.socket, patience_s: float = 0.0) -> bool:
        while select.select([sock], [], [], max(0.0, patience_s))[0]:
            try:
                data = sock.recv(65536)
            except ConnectionResetError:
                return True
            if not data:
                return True
            self._received[name] = self._received.get(name, b"") + data
            patience_s = 0.0
        return False


def all_pids() -> frozenset[int]:
    """Return the pids of this machine's processes."""
    return frozenset(int(name) for name in os.listdir("/proc") if name.isdecimal())


def processes_of(directory: str, apart_from: frozenset[int] = frozenset()) -> dict[int, str]:
    """Return the processes that have a directory in their environment or arguments, or hold a file in it open.

    Jobs inherit the variable that names the state directory. Runners hold files of their jobs open.

    Args:
        directory: a directory that no process may use any more.
        apart_from: pids from before the directory existed; they are not looked at, since looking at all takes long.
    """
    marker = os.fsencode(directory)
    found: dict[int, str] = {}
    for pid in all_pids() - apart_from - {os.getpid()}:
        with contextlib.suppress(OSError):
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            if marker in command or marker in Path(f"/proc/{pid}/environ").read_bytes() or _holds(pid, directory):
                found[pid] = command.replace(b"\0", b" ").decode(errors="replace").strip()
    return found


def _holds(pid: int, directory: str) -> bool:
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{pid}/fd/{name}").startswith(directory):
                return True
    return False


def is_subreaper() -> bool:
    """Tell whether this process inherits the orphans among its descendants."""
    answer = ctypes.c_int()
    assert ctypes.CDLL(None).prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(answer), 0, 0, 0) == 0
    return bool(answer.value)


def wait_for_end_of(processes: dict[int, str]) -> dict[int, str]:
    """Wait for processes that are about to end; returns those that have not ended."""
    deadline = time.monotonic() + PATIENCE_S / 2
    left: dict[int, str] = {}
    for pid, command in processes.items():
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            if not select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
                left[pid] = command
        finally:
            os.close(descriptor)
    return left


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left(tmp_path_factory: pytest.TempPathFactory) -> Generator[None]:
    """Give all tests one home and one directory for temporary files; at the end, no file and no process may be left."""
    tmp_path_factory.getbasetemp()  # pytest keeps its own directory, for a look into a failure
    with tempfile.TemporaryDirectory(prefix="tests-") as directory, pytest.MonkeyPatch.context() as patch:
        Path(directory).chmod(0o711)  # lets processes of other users in
        for variable, name in (("HOME", "home"), ("TMPDIR", "tmp")):
            (Path(directory) / name).mkdir()
            patch.setenv(variable, str(Path(directory) / name))
        patch.setenv("MCP_BG_TOOLSETS", ALL_TOOLSETS)
        patch.setenv("MCP_BG_PLACES", "local")  # the machine may have Slurm's programs
        patch.setattr(tempfile, "tempdir", None)
        patch.setattr(launcher, "_exec", RUNNERS.start)
        yield
        NURSERY.close()
        SIMULATORS.close()
        RUNNERS.close()
        processes = wait_for_end_of(processes_of(directory))
        for pid in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        files = [str(path) for place in Path(directory).iterdir() for path in place.iterdir()]
        assert (files, processes) == ([], {}), "tests left this behind; the processes have been killed"
        # Orphans of all later tests would become its children, and stay in the process table, since it waits for none.
        assert not is_subreaper(), "a test made its own process a subreaper"


@pytest.fixture
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[str]:
    """A state directory of the test's own; after the test, none of its processes may be left."""
    for variable in [name for name in os.environ if name.startswith("MCP_BG_")]:
        monkeypatch.delenv(variable)
    path = str(tmp_path / "state")
    monkeypatch.setenv("MCP_BG_STATE_DIR", path)
    # The tests may run with as few variables as a client gives: then each server would ask a login shell.
    monkeypatch.setenv("MCP_BG_LOGIN_ENV", "never")
    monkeypatch.setenv("MCP_BG_TOOLSETS", ALL_TOOLSETS)
    monkeypatch.setenv("MCP_BG_PLACES", "local")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    before = all_pids()
    yield path
    left: dict[int, str] = {}
    # A runner that ends may just have started another one: look again until nothing changes.
    while (now := wait_for_end_of(processes_of(str(tmp_path), before))) and now.keys() - left.keys():
        left |= now
        for pid in now:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
    assert not left, f"processes were left behind, and have been killed: {left}"


@pytest.fixture
def runners_by_exec(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this process start its spawner and its runners by exec, as outside of tests."""
    monkeypatch.setattr(launcher, "_exec", _EXEC)


@pytest.fixture
async def manager(state_dir: str) -> AsyncGenerator[JobManager]:
    """A job manager in this process, with its spawner."""
    manager = build(load_settings(state_dir=state_dir))
    await manager.places.start()
    yield manager
    manager.close()


@pytest.fixture
def liveness(tmp_path: Path) -> Generator[Liveness]:
    """A listener that proves, by the kernel, whether processes are alive."""
    liveness = Liveness(tmp_path)
    yield liveness
    liveness.close()


@pytest.fixture
def ray_cluster(ray_of_all: Ray) -> Ray:
    """A Ray cluster for several folders of tests: a head and two workers, each with four processors and one GPU."""
    ray_of_all.mend()
    return ray_of_all


@pytest.fixture(scope="session")
def ray_of_all() -> Generator[Ray]:
    """The shared cluster, not yet mended after the last test."""
    if "RAY_CLUSTER" not in os.environ:
        pytest.skip("make test-ray runs this, against a real Ray")
    from tests.ray.cluster import Ray, missing  # noqa: PLC0415  no other test needs it

    if missing():
        pytest.skip("Ray cannot be installed")
    ray = Ray()
    try:
        yield ray
    finally:
        ray.stop()
