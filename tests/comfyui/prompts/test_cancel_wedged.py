"""A server that cannot do as asked is named for what it is: stuck in one of several ways, dead, or not there."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from mcp_background_job.comfyui.prompts import cancel_plan
from mcp_background_job.comfyui.prompts.cancel import is_targeting
from mcp_background_job.comfyui.prompts.cancel_plan import Verdict
from mcp_background_job.comfyui.prompts.wedge import Wedge
from mcp_background_job.comfyui.wire import endpoint
from mcp_background_job.comfyui.wire.answers import SystemStats
from tests.comfyui.prompts.cancel_support import VERSIONS, Control, control_of, controlled, end_of, queued
from tests.comfyui.talk import submit, wait_until_silent
from tests.comfyui_simulator.nodes import graphs
from tests.comfyui_simulator.process import Simulator, free_port
from tests.patience import WAIT_S, scaled, until

pytestmark = pytest.mark.real_process

LONG = 600
FOREVER_S = 200.0


# Stuck -----------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("comfyui.cancel.dead_worker")
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_dead_worker_is_named(version: str, tmp_path: Path) -> None:
    async with controlled(tmp_path, "--version", version) as (control, _):
        prompt_id = await control.submit_running(graphs.sys_exit())
        waiting = await control.submit(graphs.output())
        cancelled = await control.cancel(prompt_id)
        assert (cancelled.verdict, cancelled.wedge) == (Verdict.WEDGED, Wedge.WORKER_DEAD)
        assert any("thread" in sentence for sentence in cancelled.evidence)
        # What only waits can still be taken out.
        assert (await control.cancel(waiting)).verdict is Verdict.CANCELLED


#: The thread that tqdm leaves behind the first sampler; it wakes every 10 s, this one often enough to be seen.
_MONITOR = ("--monitor-period", "0.3")


@pytest.mark.requirement("comfyui.cancel.dead_worker")
async def test_a_dead_worker_is_named_after_any_sampler_too(tmp_path: Path) -> None:
    async with controlled(tmp_path, *_MONITOR) as (control, _):
        await control.submit(graphs.stepped(1, 0.01), wait_s=WAIT_S)
        await control.look()
        prompt_id = await control.submit_running(graphs.sys_exit())
        cancelled = await control.cancel(prompt_id)
        assert (cancelled.verdict, cancelled.wedge) == (Verdict.WEDGED, Wedge.WORKER_DEAD)
        assert any("has ended" in sentence for sentence in cancelled.evidence)


@pytest.mark.requirement("comfyui.cancel.silent")
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_held_interpreter_is_named(version: str, tmp_path: Path) -> None:
    async with controlled(tmp_path, "--version", version) as (control, simulator):
        prompt_id = await control.submit(graphs.gil_hold(FOREVER_S))
        await asyncio.to_thread(wait_until_silent, simulator)
        cancelled = await control.cancel(prompt_id)
        assert (cancelled.verdict, cancelled.wedge) == (Verdict.WEDGED, Wedge.HTTP_DEAD)
        assert any("no answer" in sentence for sentence in cancelled.evidence)


@pytest.mark.requirement("comfyui.cancel.silent")
async def test_a_process_that_is_stopped_is_named_and_goes_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    async with controlled(tmp_path) as (control, simulator):
        prompt_id = await control.submit_running(graphs.stepped(LONG, 0.05))
        simulator.signal(signal.SIGSTOP)
        cancelled = await control.cancel(prompt_id)
        assert (cancelled.verdict, cancelled.wedge) == (Verdict.WEDGED, Wedge.HTTP_DEAD)
        assert any("SIGCONT" in sentence for sentence in cancelled.evidence)
        simulator.signal(signal.SIGCONT)
        assert (await control.cancel(prompt_id)).verdict is Verdict.CANCELLED


async def test_a_held_interpreter_that_is_let_go_is_not_wedged(tmp_path: Path) -> None:
    async with controlled(tmp_path) as (control, simulator):
        graph = graphs.chain(graphs.gil_hold(scaled(2.0)), graphs.stepped(LONG, 0.1))
        prompt_id = await control.submit(graph)
        await asyncio.to_thread(wait_until_silent, simulator)
        cancelled = await control.cancel(prompt_id)
        assert cancelled.verdict is Verdict.CANCELLED
        assert end_of(simulator, prompt_id) == "interrupted"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ladder that gives a step seconds instead of half a minute."""
    monkeypatch.setattr(cancel_plan, "INTERRUPT_S", 3.0)
    monkeypatch.setattr(cancel_plan, "FREE_S", 1.0)


async def _deaf(control: Control, graph: graphs.Graph, wedge: Wedge) -> None:
    prompt_id = await control.submit_running(graph)
    cancelled = await control.cancel(prompt_id)
    assert (cancelled.verdict, cancelled.wedge) == (Verdict.WEDGED, wedge)
    assert cancelled.interrupts >= 2
    assert (await control.prompts.get(prompt_id)).status == "in_progress"


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("graph", "wedge"), [("busy", Wedge.BUSY_STEP), ("sleeping", Wedge.IDLE_HANG)])
async def test_a_deaf_step_is_busy_or_hangs(graph: str, wedge: Wedge, tmp_path: Path) -> None:
    async with controlled(tmp_path, *_MONITOR) as (control, _):
        await control.submit(graphs.stepped(1, 0.01), wait_s=WAIT_S)
        await control.look()
        await _deaf(control, getattr(graphs, graph)(FOREVER_S), wedge)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("what", ["timer", "network"])
async def test_a_step_that_waits_for_something_outside_is_busy_and_said_to_hardly_compute(
    what: str, tmp_path: Path
) -> None:
    async with controlled(tmp_path) as (control, _):
        prompt_id = await control.submit_running(graphs.waiting(what, FOREVER_S))
        cancelled = await control.cancel(prompt_id)
        assert (cancelled.verdict, cancelled.wedge) == (Verdict.WEDGED, Wedge.BUSY_STEP)
        assert any("hardly computes" in sentence for sentence in cancelled.evidence)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("graph", ["busy", "sleeping"])
async def test_of_a_comfyui_on_another_machine_nothing_is_said_to_be_seen(
    graph: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_local(_host: str) -> bool:
        return False

    monkeypatch.setattr(endpoint, "_is_local", is_local)
    async with controlled(tmp_path) as (control, _):
        prompt_id = await control.submit_running(getattr(graphs, graph)(FOREVER_S))
        cancelled = await control.cancel(prompt_id)
        assert (cancelled.wedge, cancelled.far_host) == (Wedge.BUSY_STEP, "127.0.0.1")
        assert any("nothing of its process can be seen" in sentence for sentence in cancelled.evidence)


@pytest.mark.nightly
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("graph", "wedge"), [("busy", Wedge.BUSY_STEP), ("sleeping", Wedge.IDLE_HANG)])
async def test_a_deaf_step_is_given_its_time_and_then_named_before_clients_give_up(
    version: str, graph: str, wedge: Wedge, tmp_path: Path
) -> None:
    async with controlled(tmp_path, "--version", version) as (control, _):
        await control.look()
        await _deaf(control, getattr(graphs, graph)(FOREVER_S), wedge)


# Dead ------------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("comfyui.cancel.died")
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_server_that_dies_of_the_interrupt_is_said_to_have_died(version: str, tmp_path: Path) -> None:
    flags = ("--version", version, "--die-after-interrupt", "0.2")
    async with controlled(tmp_path, *flags) as (control, _):
        prompt_id = await control.submit_running(graphs.sleeping(FOREVER_S))
        cancelled = await control.cancel(prompt_id)
        assert cancelled.verdict is Verdict.SERVER_DIED
        kept = control.journal.get(prompt_id)
        assert kept
        assert kept.end is None


@pytest.mark.requirement("comfyui.cancel.died")
async def test_a_server_that_is_replaced_meanwhile_is_said_to_have_died(tmp_path: Path) -> None:
    port = str(free_port())
    flags = ("--port", port, "--die-after-interrupt", "0.1")
    async with controlled(tmp_path, *flags) as (control, first):
        prompt_id = await control.submit_running(graphs.sleeping(FOREVER_S))
        cancelling = asyncio.create_task(control.cancel(prompt_id))
        await asyncio.to_thread(first.wait)
        with await asyncio.to_thread(Simulator.start, "--startup-delay", "0", "--port", port):
            assert (await cancelling).verdict is Verdict.SERVER_DIED
            assert (await control.prompts.get(prompt_id)).status == "lost_to_restart"


async def test_a_server_that_dies_while_pending_ones_are_dropped_is_an_error(tmp_path: Path) -> None:
    async with controlled(tmp_path) as (control, simulator):
        prompt_id = await control.submit_running(graphs.sleeping(FOREVER_S))
        os.kill(simulator.pid, signal.SIGKILL)
        await asyncio.to_thread(simulator.wait)
        cancelled = await control.cancel(prompt_id, clear_pending=True)
        assert cancelled.verdict is Verdict.UNREACHABLE
        assert cancelled.dropped == ()


# Not there -------------------------------------------------------------------------------------------------------

FAULTS = {
    "a queue that answers 500": (("--queue-status", "500"), "error of its own"),
    "a page": (("--html",), "not ComfyUI"),
    "access refused": (("--forbid",), "refuses access"),
}


@pytest.mark.requirement("comfyui.unreachable")
@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("prompt_id", [None, "00000000-0000-4000-8000-000000000000"])
async def test_no_answer_is_never_an_empty_queue(name: str, prompt_id: str | None, tmp_path: Path) -> None:
    flags, why = FAULTS[name]
    async with controlled(tmp_path, *flags) as (control, _):
        cancelled = await control.cancel(prompt_id)
        assert cancelled.verdict is Verdict.UNREACHABLE
        assert why in cancelled.detail


@pytest.mark.requirement("comfyui.unreachable")
async def test_where_nobody_listens_the_queue_is_unknown(tmp_path: Path) -> None:
    async with control_of(free_port(), tmp_path) as control:
        cancelled = await control.cancel(None)
        assert cancelled.verdict is Verdict.UNREACHABLE
        assert "nothing listens there" in cancelled.detail


async def test_a_server_that_hangs_from_the_beginning_is_wedged_and_not_idle(tmp_path: Path) -> None:
    async with controlled(tmp_path, "--hang") as (control, _):
        cancelled = await control.cancel(None)
        assert (cancelled.verdict, cancelled.wedge) == (Verdict.WEDGED, Wedge.HTTP_DEAD)


# A broken history ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
async def test_outputs_that_are_no_numbers_are_read_all_the_same(version: str, tmp_path: Path) -> None:
    async with controlled(tmp_path, "--version", version) as (control, _):
        prompt_id = await control.submit(graphs.nan_ui(), wait_s=WAIT_S)
        assert (await control.cancel(prompt_id)).verdict is Verdict.FINISHED


async def _break_history(control: Control, simulator: Simulator) -> str:
    """Run a prompt whose output is no JSON; without a websocket, which would take the server down with it."""
    await control.events.close()
    prompt_id = await asyncio.to_thread(submit, simulator, graphs.bad_ui())

    async def is_over() -> bool:
        return prompt_id not in queued(simulator)

    await until(is_over, "it is over")
    return prompt_id


async def test_one_broken_output_does_not_hide_how_a_newer_server_s_prompt_ended(tmp_path: Path) -> None:
    async with controlled(tmp_path) as (control, simulator):
        broken = await _break_history(control, simulator)
        assert (await control.cancel(broken)).verdict is Verdict.FINISHED


async def test_an_end_that_an_old_server_cannot_tell_is_unknown_and_not_cancelled(tmp_path: Path) -> None:
    async with controlled(tmp_path, "--version", "old") as (control, simulator):
        broken = await _break_history(control, simulator)
        cancelled = await control.cancel(broken)
        assert cancelled.verdict is Verdict.UNREACHABLE
        assert "GET /history answered 500" in cancelled.detail


@pytest.mark.requirement("comfyui.cancel.finished")
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_broken_history_of_another_does_not_hide_that_a_prompt_finished(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = tmp_path / "gate"
    async with controlled(tmp_path, "--version", version) as (control, simulator):
        await _break_history(control, simulator)
        prompt_id = await asyncio.to_thread(submit, simulator, graphs.gated(gate, deaf=True))
        await control.until_running(prompt_id)
        interrupt = control.client.interrupt

        async def interrupt_and_let_go(prompt_id: str, *, read_s: float) -> None:
            await interrupt(prompt_id, read_s=read_s)
            await asyncio.to_thread(gate.touch)

        monkeypatch.setattr(control.client, "interrupt", interrupt_and_let_go)
        cancelled = await control.cancel(prompt_id)
        assert (cancelled.verdict, cancelled.interrupts) == (Verdict.FINISHED, 1)


# Old servers that stop whatever runs -----------------------------------------------------------------------------


@pytest.mark.requirement("comfyui.cancel.hit_instead")
@pytest.mark.parametrize(("step_s", "said"), [(0.3, "was interrupted meanwhile"), (20.0, "runs now, and may stop")])
async def test_a_prompt_that_an_old_server_stopped_instead_is_named(
    step_s: float, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = tmp_path / "gate"
    async with controlled(tmp_path, "--version", "old", "--old-interrupt") as (control, _):
        first = await control.submit_running(graphs.gated(gate, deaf=True))
        second = await control.submit(graphs.stepped(LONG, step_s))
        interrupt = control.client.interrupt

        async def interrupt_too_late(prompt_id: str, *, read_s: float) -> None:
            await asyncio.to_thread(gate.touch)
            await control.until_running(second)
            await control.until_begun(second)
            await interrupt(prompt_id, read_s=read_s)

        monkeypatch.setattr(control.client, "interrupt", interrupt_too_late)
        cancelled = await control.cancel(first)
        assert cancelled.verdict is Verdict.FINISHED
        assert f"{second} {said}" in cancelled.detail


VERSIONS_THAT_TARGET = {
    "0.3.56": False,
    "0.3.57": True,
    "v0.3.64": True,
    "0.33.0": True,
    "0.2": False,
    "unknown": False,
}


@pytest.mark.parametrize("version", VERSIONS_THAT_TARGET)
def test_who_looks_for_whom_an_interrupt_is_is_known_by_its_version(version: str) -> None:
    assert is_targeting(SystemStats(version, "", "", (), 0, 0, ())) is VERSIONS_THAT_TARGET[version]


@pytest.mark.requirement("comfyui.cancel.hit_instead")
async def test_a_prompt_that_a_second_interrupt_stopped_instead_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = tmp_path / "gate"
    async with controlled(tmp_path, "--version", "old", "--old-interrupt") as (control, simulator):
        deaf = graphs.gated(gate, deaf=True)
        first = await control.submit_running(graphs.chain(deaf, graphs.stepped(LONG, 0.02)))
        await control.until_begun(first)
        second = await control.submit(graphs.stepped(LONG, 0.02))
        interrupt = control.client.interrupt
        sent: list[str] = []

        async def second_too_late(prompt_id: str, *, read_s: float) -> None:
            if sent:
                await asyncio.to_thread(gate.touch)
                await control.until_running(second)
                await control.until_begun(second)
            sent.append(prompt_id)
            await interrupt(prompt_id, read_s=read_s)

        monkeypatch.setattr(control.client, "interrupt", second_too_late)
        cancelled = await control.cancel(first)
        assert (cancelled.verdict, cancelled.interrupts) == (Verdict.CANCELLED, 2)
        assert end_of(simulator, second) == "interrupted"
        assert second in cancelled.detail


@pytest.mark.requirement("comfyui.cancel.others")
async def test_on_an_old_server_the_next_prompt_survives_an_interrupt_that_is_in_time(tmp_path: Path) -> None:
    async with controlled(tmp_path, "--version", "old", "--old-interrupt") as (control, _):
        first = await control.submit_running(graphs.stepped(LONG, 0.1))
        second = await control.submit(graphs.stepped(3, 0.1))
        assert (await control.cancel(first)).verdict is Verdict.CANCELLED
        assert await control.until_over(second) == "completed"
