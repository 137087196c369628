"""Batches, sessions, lists and the history at the terminal."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client

from mcp_background_job.config import load_settings
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.server.build import build_server
from tests.cli.comfyui_line import ENDLESS, ComfyUILine, Renderer
from tests.cli.command_line import end_of, line_of, on_terminal, read_until
from tests.comfyui_simulator.nodes import graphs
from tests.patience import WAIT

pytestmark = pytest.mark.real_process

NO_PROMPT = "00000000-0000-4000-8000-000000000000"


def only_line(text: str) -> str:
    [line] = text.splitlines()
    assert line.startswith("mcp-background-job: ")
    return line


def cells(text: str) -> list[dict[str, str]]:
    """Return tab-separated lines as the cells of each by their headings."""
    heading, *lines = [line.split("\t") for line in text.splitlines() if "\t" in line]
    return [dict(zip(heading, line, strict=True)) for line in lines]


def endless_batch(renderer: Renderer, *options: str) -> str:
    """Submit a batch of three endless renders."""
    path = renderer.file(graphs.stepped(*ENDLESS))
    return renderer.ok("submit", path, "--override", "1.inputs.seed=1,2,3", *options).strip()


def see_running(renderer: Renderer, batch_id: str) -> None:
    """Look at a batch until a prompt of it runs."""
    for _ in range(30):
        if "running_prompts" in renderer.json("batch", batch_id):
            return
    pytest.fail(f"nothing of batch {batch_id} runs")


# -- batches -----------------------------------------------------------------------------------------------------------


def test_values_for_inputs_make_a_batch_that_is_followed_to_its_end(renderer: Renderer) -> None:
    path = renderer.file(graphs.with_output(graphs.stepped(2, 0.02)))
    values = ("--override", "1.inputs.steps=1,2", "--override", "9.inputs.text=a cat, blue", "--note", "cats")
    out, err = renderer.ends(0, "submit", path, *values, "--follow")
    first, *_, last = out.splitlines()
    assert re.fullmatch(r"batch \w+ “cats” (pending|running): \d of 2 over.*", first)
    assert (match := re.fullmatch(r"batch (\w+) “cats” succeeded in .* s: 2 of 2 over \(2 completed\)", last))
    assert (err, "\x1b" in out) == ("", False)
    [row] = cells(renderer.ok("batch"))
    assert (row["BATCH"], row["STATUS"], row["OVER"], row["NOTE"]) == (match[1], "succeeded", "2 of 2", "cats")
    notes = sorted((row["STATUS"], row["FILES"], row["NOTE"]) for row in cells(renderer.ok("jobs")))
    assert notes == [("completed", "1", f"cats: steps={steps}, text=a cat, blue") for steps in (1, 2)]


def test_several_workflows_make_a_batch_whose_failures_say_which_and_why(renderer: Renderer) -> None:
    good, bad = renderer.file(graphs.output()), renderer.file(graphs.raising())
    refused = renderer.file(graphs.load_checkpoint("nope.safetensors"))
    out, _ = renderer.ends(3, "submit", good, bad, refused, "--wait", WAIT)
    assert re.match(r"batch \w+ failed in .*: 3 of 3 over \(1 completed, 2 failed\)\n", out)
    assert f"“{Path(bad).stem}”: node 1 SimRaise: RuntimeError: deliberate failure" in out
    assert f"“{Path(refused).stem}”: node 1 SimLoadCheckpoint: Value not in list" in out
    batch_id = out.split()[1]
    errors = {row["NOTE"]: row for row in cells(renderer.ok("errors", "--batch", batch_id))}
    assert errors[Path(bad).stem]["TYPE"] == "RuntimeError"
    assert "nope.safetensors" in errors[Path(refused).stem]["MESSAGE"]
    assert len(errors) == 2


def test_people_read_failures_with_their_tracebacks(renderer: Renderer) -> None:
    renderer.ends(3, "submit", renderer.file(graphs.raising("\x1b[2Jboom")), "--note", "portrait", "--wait", WAIT)
    child, terminal = on_terminal(renderer.cli, "comfyui", "errors")
    seen = read_until(terminal, b"__module__").decode()
    assert re.search(r"prompt [0-9a-f-]{36} “portrait” failed .* s ago", seen)
    assert "at node 1 SimRaise: RuntimeError: \\x1b[2Jboom" in seen
    assert end_of(child)[0] == 0
    os.close(terminal)


def test_the_newest_are_listed_whatever_their_place_in_their_batch(renderer: Renderer) -> None:
    path = renderer.file(graphs.output())
    renderer.ok("submit", path, "--note", "older", "--wait", WAIT)
    renderer.ok("submit", path, "--override", "9.inputs.text=1,2", "--note", "newer", "--wait", WAIT)
    renderer.simulator.stop()  # which would have known them too
    out, err = renderer.ends(6, "jobs", "--limit", "1")
    assert [row["NOTE"] for row in cells(out)] == ["newer: text=2"]
    assert "raise --limit" in err.splitlines()[0]


def test_ctrl_c_leaves_the_batch_running_and_a_cancel_ends_it(renderer: Renderer) -> None:
    child = renderer.open("batch", endless_batch(renderer), "--follow")
    batch_id = line_of(child.stdout).split()[1].decode()
    child.send_signal(signal.SIGINT)
    code, _, err = end_of(child)
    assert code == 130
    assert f"batch {batch_id} goes on" in only_line(err.decode())
    see_running(renderer, batch_id)
    out, _ = renderer.ends(124, "batch", batch_id, "--wait", "0.1")
    assert f"batch {batch_id} running: 0 of 3 over, 1 running" in out
    assert "in_progress " in out
    out, _ = renderer.ends(0, "batch", "cancel", batch_id)
    assert f"batch {batch_id} cancelling" in out
    assert "2 pending prompts were cancelled" in out
    assert "--interrupt stops it now" in out
    known = renderer.json("batch", "cancel", batch_id, "--interrupt")
    assert known["cancel_summary"]["mode"] == "immediate"
    out, _ = renderer.ends(4, "batch", batch_id, "--wait", WAIT)
    assert re.match(rf"batch {batch_id} cancelled in .*: 3 of 3 over \(3 cancelled\)\n", out)


def test_a_batch_of_which_nothing_is_known_is_not_said_to_be_canceled(renderer: Renderer) -> None:
    batch_id = endless_batch(renderer, "--max-queued", "1")
    see_running(renderer, batch_id)
    renderer.simulator.stop()
    out, err = renderer.ends(6, "batch", "cancel", batch_id, "--interrupt")
    assert f"batch {batch_id} cancelling" in out
    assert "ComfyUI gives no answer" in out
    assert "comfyui start" in err


def test_a_batch_is_paused_and_resumed(renderer: Renderer) -> None:
    batch_id = endless_batch(renderer, "--max-queued", "1")
    assert f"batch {batch_id} paused" in renderer.ok("batch", "pause", batch_id)
    assert renderer.json("batch")["batches"][0]["status"] == "paused"
    assert f"batch {batch_id} paused" in renderer.ends(124, "batch", batch_id, "--follow", "--wait", "0.1")[0]
    assert renderer.json("batch", "resume", batch_id)["status"] in ("pending", "running")
    renderer.ok("batch", "cancel", batch_id, "--interrupt")
    assert "cannot be paused" in only_line(renderer.ends(2, "batch", "pause", batch_id)[1])


def test_failed_prompts_run_again(renderer: Renderer) -> None:
    path = renderer.file(graphs.chain(graphs.stepped(*ENDLESS), graphs.output()))
    out, _ = renderer.ends(3, "submit", path, "--prompt-timeout", "0.5s", "--wait", WAIT)
    batch_id = out.split()[1]
    assert "stopped at its time limit of 0.5 s" in out
    assert "1 failed prompts run again" in renderer.ok("batch", "retry-failed", batch_id)
    assert "1 failed" in renderer.ends(3, "batch", batch_id, "--wait", WAIT)[0]


def test_a_batch_is_followed_on_a_terminal_with_a_bar(renderer: Renderer) -> None:
    path = renderer.file(graphs.chain(graphs.raising(), graphs.stepped(*ENDLESS)))
    other = renderer.file(graphs.stepped(*ENDLESS))
    child, terminal = on_terminal(renderer.cli, "comfyui", "submit", path, other, "--follow")
    seen = read_until(terminal, b"1 of 2 over (1 failed)").decode() + read_until(terminal, b"/100000").decode()
    assert "━" in seen
    assert f"{Path(other).stem}: step " in seen
    [row] = cells(renderer.ok("batch"))
    renderer.ok("batch", "cancel", row["BATCH"], "--interrupt")
    seen = read_until(terminal, b"comfyui errors --batch").decode()
    assert f"batch {row['BATCH']} cancelled" in seen
    assert "\x1b[?25h" in seen  # the cursor is back
    assert end_of(child)[0] == 4
    os.close(terminal)


# -- sessions ----------------------------------------------------------------------------------------------------------


def test_submissions_are_tracked_in_the_session_of_the_directory(renderer: Renderer, tmp_path: Path) -> None:
    name = renderer.json("new-session", "cats")["name"]
    prompt_id = renderer.json("submit", renderer.file(graphs.output()), "--note", "portrait", "--wait", WAIT)[
        "prompt_id"
    ]
    assert f"prompt {NO_PROMPT} is tracked in session cats" in renderer.ok("track", NO_PROMPT, "--note", "by hand")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    child = renderer.cli.open("comfyui", "session", "--json", cwd=elsewhere)
    assert json.loads(end_of(child)[1])["name"] == "elsewhere"
    rows = {row["NAME"]: (row["PROMPTS"], row["CURRENT"]) for row in cells(renderer.ok("sessions"))}
    assert rows == {"cats": ("2", "here")}
    rows = {row["NAME"]: (row["PROMPTS"], row["CURRENT"]) for row in cells(renderer.ok("sessions", "-A"))}
    assert rows == {"cats": ("2", "here"), f"elsewhere ({elsewhere})": ("0", "-")}
    out = renderer.ok("session", "show", name)
    assert out.startswith("session cats (s")
    statuses = {row["PROMPT"]: row["STATUS"] for row in cells(out)}
    assert statuses == {prompt_id: "completed", NO_PROMPT: "unknown"}

    file = tmp_path / "cats.json"
    renderer.ok("session", "export", "cats", "--output", str(file))
    content = json.loads(file.read_text())
    assert [job["note"] for job in content["jobs"]] == ["portrait", "by hand"]
    assert json.loads(renderer.ok("session", "export")) == content
    taken = renderer.json("session", "import", str(file))
    assert (taken["name"], taken["prompts"], taken["session_id"] == content["id"]) == ("cats", 2, False)
    again = json.loads(renderer.ok("session", "export", taken["session_id"]))
    assert again == content | {"id": taken["session_id"]}
    folder = file.with_name("folder")
    folder.mkdir()
    for number in range(3):
        kept = content | {"id": f"kept-{number}"}
        (folder / f"{number}.json").write_text(json.dumps(kept))
    (folder / "notes.json").write_text("[]")
    all_of_them = renderer.json("session", "import", str(folder), code=1)
    assert [one["session_id"] for one in all_of_them["imported"]] == ["kept-0", "kept-1", "kept-2"]
    assert [one["file"] for one in all_of_them["failures"]] == ["notes.json"]
    once_more = renderer.json("session", "import", str(folder), code=1)
    assert (once_more["imported"], once_more["skipped"]) == ([], 3)


# -- the history -------------------------------------------------------------------------------------------------------


def test_a_cleared_history_forgets_nothing_of_ours(renderer: Renderer) -> None:
    path = renderer.file(graphs.output())
    first, _ = [renderer.json("submit", path, "--wait", WAIT)["prompt_id"] for _ in range(2)]
    out = renderer.ok("clear-history", "--keep", "1")
    assert out.startswith("1 entry removed from the history, 1 kept; 1 of those removed can still be asked for with ")
    assert "completed" in renderer.ok("job", first)
    assert renderer.ok("clear-history") == "nothing was removed: the history has 1 entry\n"


# -- nobody there, wrong usage -----------------------------------------------------------------------------------------


def test_without_an_answer_the_journal_is_listed_and_it_is_said(renderer: Renderer) -> None:
    running = renderer.submit(graphs.stepped(*ENDLESS))
    renderer.simulator.stop()
    for command in ("jobs", "session"):
        out, err = renderer.ends(6, command)
        assert [row["PROMPT"] for row in cells(out)] == [running]
        assert "unreachable (refused)" in only_line(err)
        assert "mcp-background-job comfyui start" in err
    assert renderer.json("errors", code=6)["reachable"] is False
    assert "comfyui start" in only_line(renderer.ends(6, "clear-history")[1])


def test_a_batch_waits_for_a_server_that_is_not_there(nobody: ComfyUILine) -> None:
    batch_id = nobody.ok("submit", nobody.file(graphs.output()), "--override", "9.inputs.text=1,2").strip()
    child = nobody.open("batch", batch_id, "--follow")
    while b"comfyui start" not in (line := line_of(child.stdout)):
        assert line
    assert b"pending: 0 of 2 over; " in line
    out, _ = nobody.ends(0, "batch", "cancel", batch_id)
    assert "2 pending prompts were cancelled" in out
    code, out, _ = end_of(child)
    assert (code, b"cancelled" in out) == (4, True)


def test_what_does_not_exist_is_not_found(nobody: ComfyUILine) -> None:
    assert "there is no batch 'bnone'" in only_line(nobody.ends(8, "batch", "cancel", "bnone")[1])
    assert "there is no session 'dogs'" in only_line(nobody.ends(8, "errors", "--session", "dogs")[1])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["submit", "WORKFLOW", "--override", "9.inputs.cfg=1"], "node 9 SimOutput has no input 'cfg'"),
        (["submit", "WORKFLOW", "--override", "9.inputs.seed=1e999"], "cannot be sent as JSON"),
        (
            ["submit", "WORKFLOW", "--override", "9.inputs.seed=1,2", "--override", "9.inputs.text=a", "--combine=zip"],
            "--combine product",
        ),
        (["submit", "WORKFLOW", "WORKFLOW", "--front"], "--front is for a single prompt"),
        (["submit", "WORKFLOW", "--max-queued", "0"], "--max-queued '0': give 1 or more"),
        (["submit", "WORKFLOW", "--prompt-timeout", "0"], "--prompt-timeout 0: more than 0 seconds"),
        (["batch", "--follow"], "--wait and --follow take the id of one batch"),
        (["jobs", "--status", "happy"], "give some of pending, in_progress"),
        (["clear-history", "--keep=-1"], "--keep '-1': give 0 or more"),
        (["session", "import", "WORKFLOW"], "is not a session"),
        (["session", "export", "--output", "/no/such/file"], "/no/such/file cannot be written"),
    ],
    ids=str,
)
def test_wrong_usage_is_told_in_one_line(nobody: ComfyUILine, arguments: list[str], told: str) -> None:
    path = nobody.file(graphs.output())
    out, err = nobody.ends(2, *(path if argument == "WORKFLOW" else argument for argument in arguments))
    assert out == ""
    assert told in only_line(err)


# -- the same as over MCP ----------------------------------------------------------------------------------------------


async def test_json_is_what_the_tools_return(
    renderer: Renderer, manager: JobManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMFYUI_PORT", str(renderer.port))
    good, bad = renderer.file(graphs.output()), renderer.file(graphs.raising())
    batch = renderer.json("submit", good, bad, "--wait", WAIT, code=3)
    batch_id = batch["batch_id"]
    session_id = renderer.json("sessions")["sessions"][0]["session_id"]
    async with Client(build_server(manager, load_settings())) as client:

        async def tool(name: str, /, **arguments: Any) -> Any:
            return _ageless((await client.call_tool(name, arguments, raise_on_error=False)).structured_content)

        assert batch == await tool("comfyui_batch", batch_id=batch_id)
        assert _ageless(renderer.json("batch")) == await tool("comfyui_batch")
        assert renderer.json("jobs", "--batch", batch_id) == await tool("comfyui_jobs", batch=batch_id)
        assert renderer.json("errors") == await tool("comfyui_errors")
        assert renderer.json("session", session_id) == await tool("comfyui_session", name=session_id)


def _ageless(known: Any) -> dict[str, Any]:
    batches = [{key: value for key, value in row.items() if key != "age"} for row in known.get("batches", ())]
    return {**known, "batches": batches} if batches else known
