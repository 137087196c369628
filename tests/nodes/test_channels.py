"""Connections to runners on nodes, by a relay and over TCP. Slurm is left out: the relay is started as srun would."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mcp_background_job.executors.nodes import client
from mcp_background_job.executors.slurm import relay
from mcp_background_job.executors.slurm.channel import Channels
from mcp_background_job.jobdir import address, records
from mcp_background_job.jobdir.control import NoRunnerError, RunnerTimeoutError
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.records import Exit, StopRequest
from tests.conftest import Liveness
from tests.nodes.support import address_of, end_of, finish, record, start, wait_for_output
from tests.patience import PATIENCE_S, until

pytestmark = pytest.mark.real_process

_STOP = StopRequest(at=0.0, by="test", why="enough", signal="SIGTERM", grace_s=0.2)


@dataclass
class NoSlurm:
    """Starts what srun would start, here; or something else."""

    control: str
    environment: dict[str, str] = field(default_factory=dict[str, str])
    instead: list[str] | None = None
    started: int = 0

    def srun(self, native_id: str, argv: Sequence[str]) -> list[str]:
        assert native_id == "812"
        self.started += 1
        return self.instead or list(argv)


Run = Callable[..., tuple[JobDir, subprocess.Popen[str]]]


class Nodes:
    """Jobs whose runners were started as on nodes, and what is connected to them."""

    def __init__(self, root: Path) -> None:
        self.ends: dict[str, Exit] = {}
        self._root = root
        self._channels: list[Channels] = []
        self._runners: list[subprocess.Popen[str]] = []

    def run(self, command: str, **asked: object) -> tuple[JobDir, subprocess.Popen[str]]:
        job = record(self._root, f"jrun{len(self._runners)}", command, **asked)
        self._runners.append(start(self._root, job, "tcp"))
        address_of(job)
        return job, self._runners[-1]

    def channels(self, slurm: NoSlurm, kept_s: float = PATIENCE_S) -> Channels:
        self._channels.append(Channels(slurm, self.ends.__setitem__, kept_s=kept_s))
        return self._channels[-1]

    async def close(self) -> None:
        for channels in self._channels:
            await channels.close()
        for runner in self._runners:
            runner.terminate()
            finish(runner)


@pytest.fixture
async def nodes(tmp_path: Path) -> AsyncGenerator[Nodes]:
    made = Nodes(tmp_path)
    yield made
    await made.close()


@pytest.mark.parametrize(("control", "stdin"), [("srun", "pipe"), ("srun", "pty"), ("tcp", "pipe"), ("tcp", "pty")])
async def test_input_goes_to_the_job_and_news_and_its_end_come_back(nodes: Nodes, control: str, stdin: str) -> None:
    job, runner = nodes.run("read a; echo got $a; read a; exit 7", stdin=stdin)
    channels = nodes.channels(NoSlurm(control))
    async with await channels.connect(job, "812") as channel:
        assert await channel.send_input(b"one\n", eof=False) == {"ok": True, "unread": 0}
        news = await channel.watch(len("one\n"), leader_exited=False)  # which a terminal echoes
        assert news is not None
        wait_for_output(job, "got one")
        assert await channel.send_input(b"two\n", eof=False) == {"ok": True, "unread": 0}
        await channel.ended()
    assert nodes.ends[job.job_id] == end_of(job), "it was told what is on record"
    assert (finish(runner)[0], end_of(job).exit_code) == (7, 7)


@pytest.mark.parametrize("control", ["srun", "tcp"])
async def test_a_stop_is_told_to_the_runner_and_confirmed_by_it(nodes: Nodes, control: str, liveness: Liveness) -> None:
    job, runner = nodes.run(
        liveness.script("deaf", "ignore()\nconnect('deaf')\ndaemon(lambda: connect('orphan'))\nhang()")
    )
    liveness.expect("deaf", "orphan")
    async with await nodes.channels(NoSlurm(control)).connect(job, "812") as channel:
        assert await channel.stop(_STOP)
        assert await channel.outcome_of_stop() == []
    liveness.assert_dead("deaf", "orphan")
    assert nodes.ends[job.job_id].outcome == "killed"
    assert finish(runner)[0] == 143


async def test_all_who_talk_to_a_job_share_one_relay_which_is_kept_for_a_while(nodes: Nodes) -> None:
    job, _ = nodes.run("exec sleep 1000")
    slurm = NoSlurm("srun")
    channels = nodes.channels(slurm, kept_s=0.05)
    assert not channels.is_open(job.job_id)
    several = await asyncio.gather(*(channels.connect(job, "812") for _ in range(3)))
    assert channels.is_open(job.job_id)
    for channel in several:
        async with channel:
            answer = await channel.ask({"op": "port", "port": 9})
            assert answer == {"listening": False}
    assert slurm.started == 1

    async def is_gone() -> bool:
        return not channels.is_open(job.job_id)

    await until(is_gone, "the end of a relay that nobody uses")
    async with await channels.connect(job, "812") as channel:
        assert await channel.signal(signal.SIGCONT)
    assert slurm.started == 2


async def test_who_is_cancelled_while_a_relay_is_started_leaves_it_to_the_others(nodes: Nodes) -> None:
    job, _ = nodes.run("exec sleep 1000")
    slurm = NoSlurm("srun")
    channels = nodes.channels(slurm)
    impatient = asyncio.ensure_future(channels.connect(job, "812"))
    other = asyncio.ensure_future(channels.connect(job, "812"))

    async def has_begun() -> bool:
        return slurm.started > 0

    await until(has_begun, "a relay")
    impatient.cancel()
    async with await other as channel:
        assert await channel.signal(signal.SIGCONT)
    assert slurm.started == 1


async def test_a_relay_that_never_started_holds_up_nobody_who_has_given_up(
    nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "_END_S", 10 * PATIENCE_S)
    job, _ = nodes.run("exec sleep 1000")
    begun = tmp_path / "begun"
    instead = ["/bin/sh", "-c", f"touch {begun}; exec sleep 1000"]
    slurm = NoSlurm("srun", environment=dict(os.environ), instead=instead)
    channels = nodes.channels(slurm)
    connecting = asyncio.ensure_future(channels.connect(job, "812"))

    async def has_begun() -> bool:
        return begun.exists()

    await until(has_begun, "what is no relay")
    await asyncio.wait_for(channels.close(), PATIENCE_S)
    with pytest.raises(asyncio.CancelledError):
        await connecting


@pytest.mark.parametrize("control", ["srun", "tcp"])
async def test_a_runner_that_died_is_no_confirmed_stop_and_is_not_connected_to_again(
    nodes: Nodes, control: str
) -> None:
    job, runner = nodes.run("read a", stdin="pipe")
    channels = nodes.channels(NoSlurm(control))
    async with await channels.connect(job, "812") as channel:
        runner.kill()
        assert await channel.news() is None
        with pytest.raises(RunnerTimeoutError, match="broke before"):
            await channel.outcome_of_stop()
    with pytest.raises(NoRunnerError):
        await channels.connect(job, "812")
    assert nodes.ends == {}


async def test_who_is_silent_is_asked_whether_it_is_there_and_else_hung_up_on(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, runner = nodes.run("read a; echo $a; read b", stdin="pipe")
    slurm = NoSlurm("srun")
    channels = nodes.channels(slurm)
    async with await channels.connect(job, "812") as channel:
        with monkeypatch.context() as impatient:
            impatient.setattr(client, "_QUIET_S", 0.05)
            waiting = asyncio.ensure_future(channel.watch(0, leader_exited=False))
            await asyncio.wait([waiting], timeout=0.5)
            assert not waiting.done(), "it has no news"
            async with await channels.connect(job, "812") as other:
                await other.send_input(b"one\n", eof=False)
            assert await waiting
            runner.send_signal(signal.SIGSTOP)
            impatient.setattr(client, "_ANSWER_S", 0.2)
            assert await channel.watch(2**62, leader_exited=False) is None
        with pytest.raises(RunnerTimeoutError):
            await channels.connect(job, "812")
    assert not channels.is_open(job.job_id), "Slurm is asked again"
    runner.send_signal(signal.SIGCONT)
    async with await channels.connect(job, "812") as channel:
        assert await channel.signal(signal.SIGCONT)
    assert slurm.started == 2


@pytest.mark.parametrize(
    ("script", "error", "words"),
    [
        (
            "echo 'srun: error: Unable to confirm allocation for job 5: Invalid job id specified' >&2",
            NoRunnerError,
            "Invalid",
        ),
        ("echo 'srun: error: Unable to contact slurm controller' >&2", RunnerTimeoutError, "Unable to contact"),
        ("echo Welcome to the cluster; exit 3", RunnerTimeoutError, "gives no reason"),
    ],
)
async def test_what_srun_complains_of_is_told(nodes: Nodes, script: str, error: type[Exception], words: str) -> None:
    job, _ = nodes.run("exec sleep 1000")
    with pytest.raises(error, match=words):
        await nodes.channels(NoSlurm("srun", instead=["/bin/sh", "-c", script])).connect(job, "812")
    with pytest.raises(RunnerTimeoutError, match="/nowhere/srun cannot be run"):
        await nodes.channels(NoSlurm("srun", instead=["/nowhere/srun"])).connect(job, "812")


async def test_a_job_without_an_address_has_no_runner(nodes: Nodes, tmp_path: Path) -> None:
    job = record(tmp_path, "jnone", "true")
    with pytest.raises(NoRunnerError, match="does not say where the runner is"):
        await nodes.channels(NoSlurm("srun")).connect(job, "812")


async def test_the_token_is_for_its_user_alone_and_whoever_has_another_is_refused(nodes: Nodes) -> None:
    job, _ = nodes.run("exec sleep 1000")
    assert os.stat(job.address).st_mode & 0o777 == 0o600
    records.write(job.address, json.dumps({**address_of(job), "token": "00" * 32}).encode())
    with pytest.raises(NoRunnerError, match="does not know its token"):
        await nodes.channels(NoSlurm("tcp")).connect(job, "812")


async def test_strangers_over_tcp_ask_in_vain_learn_nothing_and_keep_nobody_out(nodes: Nodes) -> None:
    job, runner = nodes.run("read a", stdin="pipe")
    where = address.read(job)
    assert where is not None
    stop = json.dumps({"op": "stop", "by": "", "why": "", "signal": "SIGKILL", "grace_s": 0}).encode()
    refused = b'{"error": "refused'
    for line, answer in (
        (stop, refused),
        (b'{"hello": 5}', refused),
        (b'{"hello": "short"}', refused),
        (b"\xff", refused),
        (b'{"hello": "%s"}\n%s' % (b"a" * 64, stop), refused),
        (b"x" * 600, b""),  # a line without an end
    ):
        heard = (await _stranger(where, line)).splitlines() or [b""]
        assert heard[-1].startswith(answer)
        assert bool(heard[-1]) == bool(answer)
    silent = [await asyncio.open_connection(where.host, where.port) for _ in range(40)]
    async with await nodes.channels(NoSlurm("tcp")).connect(job, "812") as channel:
        await channel.send_input(b"", eof=True)
        await channel.ended()
    for reader, writer in silent:
        assert await reader.read() == b"", "who has proved nothing is told nothing"
        writer.close()
    assert finish(runner)[0] == 1


async def _stranger(where: address.Address, line: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(where.host, where.port)
    try:
        writer.write(line + (b"" if len(line) > 512 else b"\n"))
        with contextlib.suppress(ConnectionResetError):
            async with asyncio.timeout(PATIENCE_S):
                return await reader.read()
        return b""
    finally:
        writer.close()
