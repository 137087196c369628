"""What is submitted is journalled first, and neither lost nor sent twice, whatever becomes of the answer."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mcp_background_job.comfyui.prompts.graphs import workflow
from mcp_background_job.comfyui.prompts.prompts import of_journal
from mcp_background_job.comfyui.wire.trouble import Trouble
from mcp_background_job.core.comfyui.submission import Stage, Submission
from mcp_background_job.errors import UnreachableError
from tests.comfyui.prompts.cancel_support import VERSIONS, Control, control_of, controlled, end_of, listening, queued
from tests.comfyui_simulator.nodes import graphs
from tests.comfyui_simulator.process import Simulator, free_port
from tests.patience import PATIENCE_S, WAIT_S, until

pytestmark = pytest.mark.real_process

LONG = 600

#: A connection that goes on, in /proc/net/tcp.
_ESTABLISHED = "01"

#: Bytes. What is asked before a prompt is sent has a few hundred.
_LONGER_THAN_QUESTIONS = 10_000


def _the_one(control: Control) -> Submission:
    [kept] = control.journal.newest(control.client.endpoint.url, 10)
    return kept


def _most_unread(port: int) -> int:
    """Return how many bytes of one connection the server at a port of this machine has not read, at most."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return max((int(line[4].partition(":")[2], 16) for line in lines if _goes_on_at(port, line)), default=0)


def _goes_on_at(port: int, line: list[str]) -> bool:
    return line[1].endswith(f":{port:04X}") and line[3] == _ESTABLISHED


@pytest.mark.requirement("comfyui.submit.waits")
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_prompt_that_ends_in_time_comes_back_with_its_outputs(version: str, tmp_path: Path) -> None:
    async with controlled(tmp_path, "--version", version) as (control, _):
        submitted = await control.submitter.submit(
            workflow.of_api(graphs.with_output(graphs.stepped(2, 0.05))), note="tea", wait_s=WAIT_S
        )
        assert submitted.prompt
        assert submitted.prompt.status == "completed"
        assert submitted.prompt.finished
        assert submitted.prompt.finished.outputs
        kept = _the_one(control)
        assert (kept.stage, kept.end, kept.note, kept.number) == (Stage.ACCEPTED, "completed", "tea", submitted.number)


@pytest.mark.parametrize("version", VERSIONS)
async def test_what_goes_to_the_front_runs_before_what_waits(version: str, tmp_path: Path) -> None:
    async with controlled(tmp_path, "--version", version) as (control, _):
        running = await control.submit_running(graphs.stepped(LONG, 0.1))
        later = await control.submit(graphs.stepped(LONG, 0.1))
        sooner = await control.submitter.submit(workflow.of_api(graphs.stepped(LONG, 0.1)), front=True)
        queue = await control.client.queue()
        assert (queue.position(sooner.prompt_id), queue.position(later)) == (1, 2)
        await control.cancel(running, clear_pending=True)


# Refused ---------------------------------------------------------------------------------------------------------

REFUSED = {
    "a checkpoint that is missing": (graphs.load_checkpoint("missing.safetensors"), "missing.safetensors"),
    "a class that is unknown": (graphs.single("NoSuchNode"), "NoSuchNode"),
    "no output": ({"1": graphs.node("SimLoadCheckpoint", ckpt_name="simulated.safetensors")}, "outputs"),
}


@pytest.mark.requirement("comfyui.submit.refused")
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", REFUSED)
async def test_a_graph_that_is_refused_says_why_and_runs_nothing(version: str, name: str, tmp_path: Path) -> None:
    graph, why = REFUSED[name]
    async with controlled(tmp_path, "--version", version) as (control, simulator):
        submitted = await control.submitter.submit(workflow.of_api(graph))
        assert submitted.prompt is None
        told = submitted.refused + " ".join(f"{one.node_id} {one.message}" for one in submitted.node_errors)
        assert why in told
        assert queued(simulator) == set()
        assert _the_one(control).stage is Stage.REFUSED
        assert (await control.prompts.get(submitted.prompt_id)).status == "failed"


@pytest.mark.requirement("comfyui.submit.partly")
@pytest.mark.parametrize("version", VERSIONS)
async def test_the_bad_branch_of_a_graph_is_named_and_the_rest_runs(version: str, tmp_path: Path) -> None:
    graph = graphs.output() | {"7": graphs.node("SimSleep")}  # without its seconds
    async with controlled(tmp_path, "--version", version) as (control, _):
        submitted = await control.submitter.submit(workflow.of_api(graph), wait_s=WAIT_S)
        assert [error.node_id for error in submitted.node_errors] == ["7"]
        assert submitted.prompt
        assert submitted.prompt.status == "completed"
        assert submitted.prompt.finished
        assert {file.node_id for file in submitted.prompt.finished.outputs} == {"9"}


# Answers that are lost -------------------------------------------------------------------------------------------


@dataclass
class Lossy:
    """A way to a server on which answers to submissions are lost."""

    server_port: int
    loses: bytes = b"POST /prompt"
    delivers: bool = True
    lost: list[bytes] = field(default_factory=list[bytes])

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n")
            if head.startswith(self.loses) and not self.delivers:
                self.lost.append(head)
                return
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.server_port)
            # Whatever happens, cancelled in the midst of the wait below as well: nobody else closes it.
            with contextlib.closing(server_writer):
                server_writer.write(head)
                down = self._lose(server_reader) if head.startswith(self.loses) else _pump(server_reader, writer)
                ways = {asyncio.ensure_future(_pump(reader, server_writer)), asyncio.ensure_future(down)}
                try:
                    # When either end hangs up, so does the other.
                    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for one in ways:
                        one.cancel()
                    await asyncio.wait(ways)

    async def _lose(self, answer: asyncio.StreamReader) -> None:
        self.lost.append(await answer.readuntil(b"\r\n"))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


@contextlib.asynccontextmanager
async def _lossy(simulator: Simulator, directory: Path, *, delivers: bool) -> AsyncGenerator[tuple[Control, Lossy]]:
    way = Lossy(simulator.port, delivers=delivers)

    async with listening(way.carry) as port, control_of(port, directory) as control:
        yield control, way


@pytest.mark.requirement("comfyui.submit.once")
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_submission_that_was_taken_is_found_though_its_answer_is_lost(version: str, tmp_path: Path) -> None:
    async with (
        controlled(tmp_path, "--version", version) as (_, simulator),
        _lossy(simulator, tmp_path, delivers=True) as (control, way),
    ):
        prompt_id = await control.submit(graphs.stepped(LONG, 0.1))
        assert len(way.lost) == 1
        assert queued(simulator) == {prompt_id}
        assert _the_one(control).stage is Stage.ACCEPTED
        await control.cancel(prompt_id)


@pytest.mark.requirement("comfyui.submit.once")
async def test_a_submission_that_did_not_arrive_is_said_not_to_have(tmp_path: Path) -> None:
    async with (
        controlled(tmp_path) as (_, simulator),
        _lossy(simulator, tmp_path, delivers=False) as (control, way),
    ):
        with pytest.raises(UnreachableError, match="nothing was submitted"):
            await control.submit(graphs.stepped(LONG, 0.1))
        assert len(way.lost) == 1
        assert queued(simulator) == set()
        assert _the_one(control).stage is Stage.REFUSED


@pytest.mark.requirement("comfyui.submit.once")
async def test_where_nobody_listens_nothing_was_submitted(tmp_path: Path) -> None:
    async with control_of(free_port(), tmp_path) as control:
        with pytest.raises(UnreachableError, match="nothing was submitted"):
            await control.submit(graphs.output())
        assert _the_one(control).stage is Stage.REFUSED
        listed = of_journal(_the_one(control))
        assert (listed.status, "refused" in listed.reason) == ("not_sent", False)


@pytest.mark.requirement("comfyui.submit.once")
async def test_a_server_that_dies_after_it_took_a_submission_leaves_the_truth_open_until_it_is_back(
    tmp_path: Path,
) -> None:
    port = str(free_port())
    async with controlled(tmp_path, "--port", port) as (control, simulator):
        simulator.signal(signal.SIGSTOP)
        graph = graphs.stepped(LONG, 0.1)
        next(iter(graph.values()))["_meta"] = {"title": "x" * _LONGER_THAN_QUESTIONS}
        submitting = asyncio.create_task(control.submit(graph))

        async def is_sent() -> bool:
            return _most_unread(int(port)) > _LONGER_THAN_QUESTIONS

        await until(is_sent, "a server that only takes connections has got it")
        simulator.signal(signal.SIGKILL)
        with pytest.raises(UnreachableError, match="is unknown"):
            await submitting
        kept = _the_one(control)
        assert (kept.stage, kept.end) == (Stage.SENDING, None)
        assert (await control.prompts.get(kept.prompt_id)).status == "unknown"
        with await asyncio.to_thread(Simulator.start, "--startup-delay", "0", "--port", port):
            assert (await control.prompts.get(kept.prompt_id)).status == "lost_to_restart"


@pytest.mark.requirement("comfyui.submit.once")
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_server_that_wakes_up_after_the_answer_was_given_up_is_not_said_to_have_nothing(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The submission lies in its sockets: it may be looked for before it is read."""
    async with controlled(tmp_path, "--version", version) as (control, simulator):
        await control.events.client_id()
        request = control.client._request

        async def request_of_the_impatient(method: str, path: str, **options: object) -> object:
            if path == "/prompt":
                simulator.signal(signal.SIGSTOP)
                try:
                    return await request(method, path, **{**options, "read_s": 0.3})  # pyright: ignore[reportArgumentType]
                finally:
                    simulator.signal(signal.SIGCONT)
            return await request(method, path, **options)  # pyright: ignore[reportArgumentType]

        monkeypatch.setattr(control.client, "_request", request_of_the_impatient)
        for _ in range(3):
            prompt_id = await control.submit(graphs.sleeping(0), wait_s=WAIT_S)
            assert end_of(simulator, prompt_id) == "success"


@pytest.mark.requirement("comfyui.submit.once")
async def test_a_submission_that_is_read_after_it_was_looked_for_is_not_said_to_be_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with controlled(tmp_path) as (control, simulator):
        submit, locate = control.client.submit, control.client.finished
        read: list[asyncio.Task[object]] = []

        async def answer_is_given_up(graph: graphs.Graph, **options: Any) -> None:
            async def read_it() -> None:
                await asyncio.wait_for(looked.wait(), PATIENCE_S)
                await submit(graph, **options)

            read.append(asyncio.create_task(read_it()))
            raise UnreachableError("no answer", trouble=Trouble.SILENT)

        async def look(prompt_id: str, **options: Any) -> object:
            found = await locate(prompt_id, **options)
            looked.set()
            return found

        looked = asyncio.Event()
        monkeypatch.setattr(control.client, "submit", answer_is_given_up)
        monkeypatch.setattr(control.client, "finished", look)
        prompt_id = await control.submit(graphs.stepped(LONG, 0.1))
        await read[0]
        assert queued(simulator) == {prompt_id}
        await control.cancel(prompt_id)
