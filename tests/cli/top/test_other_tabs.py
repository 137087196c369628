"""The tabs of renders and of runs: what they show of reports, and what their keys ask for."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_background_job.cli.top.columns import Facts
from tests.cli.top.conftest import Open, TestDesk

STATUS: Facts = {
    "reachable": True,
    "version": "0.3.60",
    "running": [{"prompt_id": "p-run"}],
    "pending": [{"prompt_id": "p-wait"}],
    "vram": ["NVIDIA: 3.0 of 24.0 GB free"],
}
PROMPTS: Facts = {
    "jobs": [
        {
            "prompt_id": "p-done",
            "status": "completed",
            "outputs": 2,
            "duration_s": 12.0,
            "ended_at": "2026-01-01T00:00:00Z",
        },
        {"prompt_id": "p-bad", "status": "failed", "cause": "KeyError at node 7", "ended_at": "2026-01-01T00:00:00Z"},
        {"prompt_id": "p-wait", "status": "pending", "position": 0, "age": "3 s"},
        {
            "prompt_id": "p-run",
            "status": "in_progress",
            "progress": "node 3 KSampler, step 7/20 (35 %)",
            "progress_from": "websocket",
            "age": "9 s",
        },
    ]
}


@pytest.fixture
def comfyui(desk: TestDesk) -> TestDesk:
    desk.answers["comfyui_status"] = STATUS
    desk.answers["comfyui_jobs"] = PROMPTS
    desk.answers["comfyui_job"] = {"prompt_id": "p", "status": "failed", "error": {"node": "7 X"}}
    desk.answers["comfyui_cancel_job"] = {"status": "cancelled", "took_s": 0.4}
    return desk


async def test_that_there_is_no_comfyui_is_said(opened: Open) -> None:
    async with opened(60) as shown:
        await shown.press("2")
        await shown.sees("cannot be had")
        await shown.sees("detail +COMFYUI_URL names no server")


async def test_prompts_that_run_come_first_with_their_progress(opened: Open, comfyui: TestDesk) -> None:
    del comfyui
    async with opened(120) as shown:
        await shown.press("2")
        await shown.sees("1 running, 1 pending, NVIDIA")
        await shown.sees(r"in_progress +p-run .*35 %[^$]*pending +p-wait .*the next[^$]*completed +p-done[^$]*KeyError")
        await shown.sees("error +node 7 X")


async def test_a_prompt_that_another_process_has_submitted_is_seen_to_go_on(opened: Open, comfyui: TestDesk) -> None:
    alone = {"prompt_id": "0a1b2c3d-run", "note": "a cat in the rain", "status": "in_progress", "age": "9 s"}
    comfyui.answers["comfyui_jobs"] = {"jobs": [alone]}
    sampler = {"id": "3", "name": "Base sampler", "state": "running", "step": 7, "steps": 20}
    comfyui.answers["comfyui_live"] = {"heard": True, "done": 2, "total": 6, "nodes": [sampler]}
    async with opened(60) as shown:
        await shown.press("2")
        await shown.sees(r"in_progress +a cat in the.* Base sampler")
    async with opened(160) as shown:
        await shown.press("2")
        await shown.sees(r"a cat in the rain \(0a1b2c3d\) .* Base sampler, step 7/20, 2 of 6 nodes done")
        assert "looking back" not in shown.text, "no more comes at the end of what is known of a prompt"
    assert comfyui.watched[-1] == ("comfyui_live", {"prompt_id": "0a1b2c3d-run"})


async def test_a_prompt_is_cancelled_once_a_person_has_said_so(opened: Open, comfyui: TestDesk) -> None:
    async with opened() as shown:
        await shown.press("2")
        await shown.sees("p-run")
        await shown.press("c")
        await shown.is_asked("Cancel prompt p-run")
        await shown.press("n")
        await shown.no_longer_sees("Cancel prompt p-run")
        await shown.press("c")
        await shown.is_asked("Cancel prompt p-run")
        await shown.press("y")
        await shown.said("cancelled after 0.4 s")
        await shown.press("x")
        await shown.is_asked("Take all pending prompts")
        await shown.press("y")
        await shown.no_longer_sees("Take all pending prompts")
        await shown.sees("p-run")
    assert comfyui.calls("comfyui_cancel_job") == [
        {"prompt_id": "p-run"},
        {"clear_pending": True, "pending_only": True},
    ]


async def test_what_has_ended_is_not_cancelled(opened: Open, comfyui: TestDesk) -> None:
    async with opened() as shown:
        await shown.press("2")
        await shown.sees("p-done")
        await shown.press("end", "c")
        await shown.said("cancel: it has ended")
    assert not comfyui.calls("comfyui_cancel_job")


RUN: Facts = {
    "run_id": "run_1",
    "agent_name": "ada",
    "backend": "codex",
    "status": "input_required",
    "created_at": "2026-01-01T00:00:00Z",
    "cwd": "/src",
    "summary": "asks",
    "last_seq": 3,
}
QUESTION: Facts = {
    "text": "May I run make?",
    "options": [{"option_id": "allow", "name": "Yes"}, {"option_id": "no", "name": "No"}],
}
EVENTS: list[Facts] = [
    {"seq": 1, "type": "agent_message", "data": {"text": "I look at it. " * 20}},
    {"seq": 2, "type": "file_changed", "data": {"path": "a.py", "old_text": "one\n", "new_text": "two\n"}},
    {"seq": 3, "type": "input_required", "data": QUESTION},
]


@pytest.fixture
def runs(desk: TestDesk, monkeypatch: pytest.MonkeyPatch) -> TestDesk:
    async def no_runs() -> Any:
        return None

    monkeypatch.setattr(desk, "house", type(desk.house)(desk.house.manager, desk.house.comfyui, no_runs))
    over = {**RUN, "run_id": "run_0", "status": "completed", "summary": "done"}
    desk.answers["list_runs"] = {"runs": [over, RUN], "elsewhere": 4}
    desk.answers["get_run"] = {
        **RUN,
        "pending_request": {"seq": 3, "type": "input_required", "data": QUESTION},
    }

    def polled(asked: dict[str, Any]) -> Facts:
        events = [event for event in EVENTS if event["seq"] > asked["after_seq"]]
        return {"events": events, "status": "completed", "next_after_seq": 3}

    desk.answers["poll_events"] = polled
    desk.answers["continue_run"] = {**RUN, "mode": "answer"}
    desk.answers["cancel_run"] = {"status": "cancelled", "stopped": True, "leftover_pids": []}
    return desk


async def test_a_run_that_asks_comes_first_and_its_transcript_is_read(opened: Open, runs: TestDesk) -> None:
    del runs
    async with opened(60, 40) as shown:
        await shown.press("3")
        await shown.sees("1 asking, 0 running, 2 listed")
        await shown.sees(r"input_required ada .*\n *completed +ada")
        await shown.sees(r"-one *\n *\+two")
        await shown.sees(r"\? May I run make\? *\n *1\) Yes *\n *2\) No")
        assert max(len(line.rstrip()) for line in shown.lines()) <= 60


async def test_a_question_is_answered_by_the_number_of_a_choice(opened: Open, runs: TestDesk) -> None:
    async with opened() as shown:
        await shown.press("3")
        await shown.sees("input_required")
        await shown.press("a")
        await shown.is_asked(r"ada asks:[^$]*May I run make")
        await shown.press("1", "enter")
        await shown.said("ada was told")
    answer = {"role": "user", "parts": [{"type": "data", "data": {"option_id": "allow"}}]}
    assert runs.calls("continue_run") == [{"run_id": "run_1", "input_message": answer}]


async def test_a_run_is_stopped_once_a_person_has_said_so(opened: Open, runs: TestDesk) -> None:
    async with opened() as shown:
        await shown.press("3")
        await shown.sees("input_required")
        await shown.press("c")
        await shown.is_asked("Stop run_1 of ada")
        await shown.press("y")
        await shown.said("run_1 cancelled: nothing of it is left")
        await shown.press("slash")
        await shown.types("done")
        await shown.press("enter")
        await shown.no_longer_sees("input_required")
    assert runs.calls("cancel_run") == [{"run_id": "run_1"}]


async def test_only_the_tab_that_is_shown_is_looked_at(opened: Open, runs: TestDesk) -> None:
    async with opened() as shown:
        await shown.press("3")
        await shown.sees("input_required")
        await shown.press("1")
        await shown.sees("no jobs")
        groups = {worker.group for worker in shown.app.workers if worker.is_running}
    assert groups <= {"machine", "list"}
    assert runs.calls("list_runs")
