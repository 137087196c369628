"""Talking to jobs on a cluster, through Slurm's srun and over TCP."""

from __future__ import annotations

import sys

import pytest

from mcp_background_job.core.waiting import Kind, Until
from mcp_background_job.jobs.waiting.wait import WaitRequest
from tests.cluster.conftest import Managers
from tests.patience import PATIENCE_S
from tests.survival.support import ended, output_of, printed, start

pytestmark = [pytest.mark.cluster, pytest.mark.real_process]

_SERVE = """
import socket
server = socket.create_server(("127.0.0.1", 0))
print("port", server.getsockname()[1], flush=True)
server.accept()
"""


@pytest.mark.parametrize("control", ["srun", "tcp"])
@pytest.mark.parametrize("stdin", ["pipe", "pty"])
async def test_input_reaches_a_job_and_its_answers_come_back(managers: Managers, control: str, stdin: str) -> None:
    manager = managers(slurm_control=control)
    job = await start(manager, "read a; echo got $a; read a; exit 7", stdin=stdin, on="slurm")
    await manager.send_input(job, b"one\n")
    await printed(manager, job, "got one")
    await manager.send_input(job, b"two\n")
    end = await ended(manager, job)
    assert (end.status, end.exit_code) == ("failed", 7)
    assert output_of(manager, job.job_id).replace(b"\r", b"").endswith(b"got one\n" + b"two\n" * (stdin == "pty"))


async def test_a_port_is_open_when_a_process_of_the_job_listens_on_its_node(managers: Managers) -> None:
    manager = managers()
    job = await start(manager, f"{sys.executable} -I -S -u -c '{_SERVE}'", on="slurm")
    found = await printed(manager, job, r"port \d+")
    port = int((found.line or "").split()[-1])
    waited = await manager.wait(job, WaitRequest(until=Until(Kind.PORT, port=port), wait_s=PATIENCE_S))
    assert waited.why == "port"
    not_open = await manager.wait(job, WaitRequest(until=Until(Kind.PORT, port=1), wait_s=0.2))
    assert not_open.why == "timeout"
