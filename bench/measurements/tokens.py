"""The tokens that a model has to read: the list of tools, and a progress bar that was redrawn ten thousand times."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

from bench.client import facts_of, text_of
from bench.figures import Figure, at_most
from bench.plan import Plan

#: Characters that are counted as one token.
_CHARACTERS_PER_TOKEN = 4
_JOB_TOOLS = {
    "execute_command",
    "wait_for_job",
    "get_job_status",
    "tail_job_output",
    "get_job_output",
    "interact_with_job",
    "kill_job",
    "restart_job",
    "list_jobs",
}
_COMFYUI_TOOLS = {
    "comfyui_status",
    "comfyui_submit",
    "comfyui_job",
    "comfyui_cancel_job",
    "comfyui_cancel_queued_job",
    "comfyui_batch",
    "comfyui_session",
    "comfyui_jobs",
    "comfyui_free",
    "comfyui_models",
    "comfyui_upload",
    "comfyui_nodes",
    "comfyui_errors",
    "comfyui_download",
    "comfyui_clear_history",
    "start_comfyui",
    "stop_comfyui",
    "restart_comfyui",
}
_RUN_TOOLS = {
    "spawn_run",
    "get_run",
    "poll_events",
    "cancel_run",
    "continue_run",
    "list_runs",
    "get_event_artifact",
}
_TOOLSETS = (("job", _JOB_TOOLS, 2400), ("ComfyUI", _COMFYUI_TOOLS, 4200), ("run", _RUN_TOOLS, 1800))
_BAR_BAR = 400

_FRAMES = 10_000
_PROGRAM = f"""\
import sys
for i in range(1, {_FRAMES} + 1):
    done = "#" * (i * 40 // {_FRAMES})
    sys.stdout.write("\\r%5.1f%%|%-40s| %d/{_FRAMES} [99.5 it/s]" % (i / {_FRAMES // 100}, done, i))
    sys.stdout.flush()
print()
"""
_MAX_PAGES = 1000


def measure_tools(plan: Plan) -> list[Figure]:
    """Measure the tools as the server sends them, by toolset."""
    with plan.workspace.ours(plan.workspace.state_dir()) as server:
        tools = {tool["name"]: tool for tool in server.request("tools/list", {})["tools"]}
    assert set(tools) == _JOB_TOOLS | _COMFYUI_TOOLS | _RUN_TOOLS, sorted(tools)
    return [_cost(what, [tools[name] for name in names], bar) for what, names, bar in _TOOLSETS]


def _cost(what: str, tools: list[dict[str, Any]], bar: int) -> Figure:
    characters = sum(len(json.dumps(tool, ensure_ascii=False, separators=(",", ":"))) for tool in tools)
    label = f"tools/list: {len(tools)} {what} tools, characters / {_CHARACTERS_PER_TOKEN}"
    return at_most(label, characters / _CHARACTERS_PER_TOKEN, "tokens", bar=bar, digits=0)


def measure_progress_bar(plan: Plan) -> list[Figure]:
    """Measure a progress bar, read page by page from the beginning until "the end"."""
    program = plan.workspace.file("progress.py")
    with open(program, "w") as file:
        file.write(_PROGRAM)
    with plan.workspace.ours(plan.workspace.state_dir()) as server:
        command = f"{sys.executable} {program}"
        started = facts_of(server.call("execute_command", command=command, wait_s=0))
        ended = facts_of(server.call("wait_for_job", job_id=started["job_id"], wait_s=50))
        assert (ended["status"], ended["exit_code"]) == ("completed", 0), ended
        pages: list[str] = []
        cursor = 0
        while True:
            pages.append(text_of(server.call("get_job_output", job_id=started["job_id"], cursor=cursor)))
            head = pages[-1].splitlines()[0]
            place = re.search(r"bytes (\d+)-(\d+) of (\d+), next cursor (\d+)(, the end)?", head)
            assert place, head
            assert int(place[1]) == cursor, head
            cursor = int(place[4])
            if place[5]:
                break
            assert len(pages) < _MAX_PAGES, head
        size = facts_of(server.call("get_job_status", job_id=started["job_id"]))["output_bytes"]
    assert cursor == size > _FRAMES * 40, f"{cursor} of {size} bytes were read"
    assert f"{_FRAMES}/{_FRAMES}" in pages[-1], pages[-1]
    what = f"a progress bar of {_FRAMES:,} redraws ({size:,} bytes), read to its end in {len(pages)} page(s)"
    return [at_most(what, sum(map(len, pages)) / _CHARACTERS_PER_TOKEN, "tokens", bar=_BAR_BAR, digits=0)]
