"""A runner on a node, started without an engine, but as an engine would start it."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import pwd
import shutil
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

from mcp_background_job.executors.nodes.package import runner_package
from mcp_background_job.jobdir import records
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.records import Exit, Spec
from tests.patience import PATIENCE_S, wait_until

#: Minor versions of Python that a node may have.
RELEASES = range(9, 15)

#: Variables that an engine gives to the processes that it starts.
ENGINE = {"SLURM_JOB_ID": "812", "SLURMD_NODENAME": "n1"}


def pythons() -> dict[str, str]:
    """Return interpreters of this machine that a node might have: one path for each version."""
    home = pwd.getpwuid(os.getuid()).pw_dir  # tests have a HOME of their own
    found = {f"3.{minor}": _python(home, minor) for minor in RELEASES}
    found[f"3.{sys.version_info.minor}"] = sys.executable
    return {release: path for release, path in found.items() if path}


def _python(home: str, minor: int) -> str:
    candidates = [shutil.which(f"python3.{minor}") or "", *glob.glob(f"{home}/.pyenv/versions/3.{minor}.*/bin/python")]
    for path in filter(None, candidates):  # a shim of pyenv may stand for nothing
        asked = [path, "-c", "import sys; print(sys.version_info[1])"]
        answer = subprocess.run(asked, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        if answer.stdout.strip() == str(minor):
            return path
    return ""


def record(root: Path, job_id: str, command: str, **asked: Any) -> JobDir:
    """Record a job in a directory as for a cluster: without marks."""
    job = JobDir(str(root / "jobs" / job_id))
    os.makedirs(job.path)
    spec: dict[str, Any] = {
        "cwd": "/",
        "env": {"PATH": os.environ["PATH"], "OWN": "mine", "SLURM_JOB_ID": "of the login machine"},
        "max_output": 2**24,
        **asked,
    }
    argv = ["/bin/bash", "-c", command]
    records.write_spec(
        job,
        Spec(job_id=job_id, command=command, argv=argv, created_at=time.time(), cookie="0-0-x", max_jobs=1, **spec),
    )
    return job


def start(root: Path, job: JobDir, *options: str, python: str = sys.executable, **env: str) -> subprocess.Popen[str]:
    """Start a job's runner; its output stands for the engine's log."""
    package = runner_package(str(root))
    return subprocess.Popen(
        [python, "-I", "-S", package, job.path, *options],
        env={**ENGINE, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(runner: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for a runner; returns its exit status and its output."""
    output, _ = runner.communicate(timeout=PATIENCE_S)
    return runner.returncode, output


def end_of(job: JobDir) -> Exit:
    """Return a job's exit record."""
    end = records.read(Exit, job.exit)
    assert end is not None, os.listdir(job.path)
    return end


def wait_for_output(job: JobDir, text: str) -> None:
    """Wait until a job has written a text."""
    log = Path(job.log)
    wait_until(lambda: log.exists() and text.encode() in log.read_bytes(), f"{text} in the log of {job.job_id}")


class Relay:
    """The near end of a relay that was started without an engine."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._heard: dict[int, list[Any]] = {}

    def ask(self, client: int, **request: object) -> Any:
        """Ask as one client; returns the next message that the client gets."""
        assert self._process.stdin
        self._process.stdin.write(f"{client} {json.dumps(request)}\n".encode())
        self._process.stdin.flush()
        return self.hear(client)

    def hear(self, client: int) -> Any:
        """Return the next message that a client gets; ``None`` if the runner has closed the connection."""
        assert self._process.stdout
        while not self._heard.get(client):
            number, _, said = self._process.stdout.readline().partition(b" ")
            self._heard.setdefault(int(number), []).append(json.loads(said) if said else None)
        return self._heard[client].pop(0)


@contextlib.contextmanager
def relayed(python: str, package: str, job: JobDir) -> Generator[Relay]:
    """Start a relay to the runner of a job; the relay ends when its stdin is closed."""
    argv = [python, "-I", "-S", package, "--relay", job.path]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == b"mcp-bg-relay 1\n"
        yield Relay(process)
        process.stdin.close()
        assert process.wait(PATIENCE_S) == 0


def address_of(job: JobDir) -> dict[str, Any]:
    """Return the address of a job's runner."""
    wait_until(lambda: os.path.exists(job.address), f"the address of {job.job_id}")
    return json.loads(Path(job.address).read_bytes())
