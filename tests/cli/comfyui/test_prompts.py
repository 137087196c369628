from __future__ import annotations

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
from tests.cli.comfyui_line import COMMANDS, ENDLESS, ComfyUILine, Renderer
from tests.cli.command_line import CommandLine, end_of, line_of, on_terminal, read_until
from tests.comfyui_simulator.nodes import graphs
from tests.comfyui_simulator.process import Simulator
from tests.patience import WAIT

pytestmark = pytest.mark.real_process

NO_PROMPT = "00000000-0000-4000-8000-000000000000"


def only_line(text: str) -> str:
    [line] = text.splitlines()
    assert line.startswith("mcp-background-job: ")
    return line


# -- status ------------------------------------------------------------------------------------------------------------


def test_status_lists_what_runs_and_what_waits(renderer: Renderer) -> None:
    running = renderer.submit_endless("--note", "portrait")
    pending = renderer.submit(graphs.stepped(*ENDLESS))
    text = renderer.ok("status")
    assert f"answers at {renderer.simulator.url}: 1 running, 1 pending" in text.splitlines()[0]
    rows = [line.split("\t") for line in text.splitlines() if "\t" in line]
    assert rows[0] == ["PROMPT", "STATUS", "AGE", "NOTE", "PROGRESS"]
    assert [row[:2] + row[3:4] for row in rows[1:]] == [[running, "in_progress", "portrait"], [pending, "pending", "-"]]
    assert "step " in rows[1][4]
    known = renderer.json("status")
    assert known["reachable"] is True
    assert [entry["prompt_id"] for entry in known["running"] + known["pending"]] == [running, pending]
    assert known["process"]["pid"] == renderer.simulator.pid


def test_status_is_a_table_on_a_terminal(renderer: Renderer) -> None:
    running = renderer.submit_endless("--note", "[bold]\x1b[2Jportrait")
    child, terminal = on_terminal(renderer.cli, "comfyui", "status")
    text = read_until(terminal, b"portrait").decode()
    assert "─" in text
    assert running in text
    assert "[bold]\\x1b[2J" in text
    assert end_of(child)[0] == 0
    os.close(terminal)


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (["--forbid"], "forbidden"),
        (["--html"], "not_comfyui"),
        (["--queue-status", "500"], "broken"),
        (["--hang"], "silent"),
    ],
)
def test_status_of_a_server_without_an_answer_is_no_empty_queue(
    cli: CommandLine, tmp_path: Path, flags: list[str], why: str
) -> None:
    with Simulator.start(*flags) as simulator:
        renderer = Renderer(cli, tmp_path, simulator)
        out, err = renderer.ends(6, "status")
        assert f"unreachable ({why})" in only_line(err)
        assert out.splitlines()[0].split()[:2] == ["queue", "unknown"]
        known = renderer.json("status", code=6)
        assert (known["reachable"], known["why"]) == (False, why)
        assert "pending" not in known


def test_nobody_there_is_said_with_what_to_type(nobody: ComfyUILine) -> None:
    out, err = nobody.ends(6, "status")
    assert "unreachable (refused)" in only_line(err)
    assert "mcp-background-job comfyui start" in err
    assert "start_comfyui" not in out + err
    assert nobody.json("status", code=6)["why"] == "refused"


# -- submit ------------------------------------------------------------------------------------------------------------


def test_submit_prints_nothing_but_the_id_when_piped(renderer: Renderer) -> None:
    done = renderer("submit", renderer.file(graphs.stepped(*ENDLESS)))
    assert (done.returncode, done.stderr) == (0, b"")
    [prompt_id] = done.stdout.decode().split()
    assert renderer.json("status")["running"][0]["prompt_id"] == prompt_id


def test_submit_waits_for_the_end_and_names_the_outputs(renderer: Renderer) -> None:
    path = renderer.file(graphs.with_output(graphs.stepped(2, 0.05), filename_prefix="picture"))
    out, err = renderer.ends(0, "submit", path, "--wait", WAIT, "--note", "portrait")
    assert "“portrait” completed in " in out.splitlines()[0]
    assert "picture_00001_.png" in out
    assert err == ""


def test_a_failed_render_says_where_and_why(renderer: Renderer) -> None:
    out, _ = renderer.ends(3, "submit", renderer.file(graphs.out_of_memory()), "--wait", WAIT)
    assert "failed at node 1 SimRaise: torch.OutOfMemoryError: simulated CUDA out of memory" in out.splitlines()[0]
    assert "sim_nodes.py" in out
    known = renderer.json("submit", renderer.file(graphs.out_of_memory()), "--wait", WAIT, code=3)
    assert known["error"]["type"] == "torch.OutOfMemoryError"


def test_a_wait_that_runs_out_says_how_far_the_render_is(renderer: Renderer) -> None:
    path = renderer.file(graphs.chain(graphs.stepped(1, 0.0), graphs.stepped(*ENDLESS)))
    known = renderer.json("submit", path, "--wait", "5", code=124)  # by then, the second node is heard of
    assert (known["status"], known["progress_from"]) == ("in_progress", "websocket")
    assert "node 2 SimStepped" in known["progress"]
    assert "1 of 2 nodes done" in known["progress"]


def test_front_goes_before_all_pending_ones(renderer: Renderer) -> None:
    renderer.submit_endless()
    later = renderer.submit(graphs.stepped(*ENDLESS))
    first = renderer.submit(graphs.stepped(*ENDLESS), "--front")
    assert [entry["prompt_id"] for entry in renderer.json("status")["pending"]] == [first, later]
    assert "pending, 2 before it" in renderer.ok("job", later)


def test_a_refused_workflow_says_what_is_wrong_with_each_node(renderer: Renderer) -> None:
    path = renderer.file(graphs.load_checkpoint("missing.safetensors"))
    out, err = renderer.ends(7, "submit", path)
    assert out == ""
    lines = err.splitlines()
    assert "refused, nothing was put into the queue" in lines[0]
    assert "node 1 SimLoadCheckpoint: Value not in list" in lines[1]
    assert renderer.json("submit", path, code=7)["status"] == "refused"


def test_a_graph_of_which_only_a_part_runs_is_warned_of(renderer: Renderer) -> None:
    broken = {f"2{key}": node for key, node in graphs.load_checkpoint("missing.safetensors").items()}
    broken["29"]["inputs"]["after"] = ["21", 0]
    out, err = renderer.ends(0, "submit", renderer.file(graphs.output() | broken))
    assert len(out.split()) == 1
    assert "only a part of the graph runs" in err
    assert "SimLoadCheckpoint" in err


def test_nothing_is_submitted_to_nobody(nobody: ComfyUILine) -> None:
    out, err = nobody.ends(6, "submit", nobody.file(graphs.output()), "--follow")
    assert out == ""
    assert "nothing was submitted" in only_line(err)


@pytest.mark.parametrize("content", ["no json", '{"nodes": []}', "{}", None])
def test_what_is_no_workflow_is_told_in_one_line(nobody: ComfyUILine, tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "given.json"
    if content is not None:
        path.write_text(content)
    out, err = nobody.ends(2, "submit", str(path))
    assert out == ""
    assert str(path) in only_line(err)


# -- following ---------------------------------------------------------------------------------------------------------


def _line_with(child: Any, what: bytes) -> bytes:
    # There may be lines before it: that the prompt is pending, and that it runs, but no node yet.
    while what not in (line := line_of(child.stdout)):
        assert line
    return line


def test_followed_into_a_pipe_it_writes_a_line_for_each_node(renderer: Renderer, tmp_path: Path) -> None:
    gates = [tmp_path / "first", tmp_path / "second"]
    child = renderer.open("submit", renderer.file(graphs.chain(*map(graphs.gated, gates))), "--follow")
    for number, gate in enumerate(gates):
        line = _line_with(child, f"node {number + 1} SimGated".encode())
        assert f"{number} of 2 nodes done".encode() in line
        gate.touch()
    code, out, err = end_of(child)
    assert (code, err) == (0, b"")
    assert b"completed in" in out.splitlines()[0]
    assert b"\x1b" not in out


def test_followed_on_a_terminal_it_draws_a_bar(renderer: Renderer) -> None:
    path = renderer.file(graphs.chain(graphs.stepped(1, 0.0), graphs.stepped(*ENDLESS)))
    child, terminal = on_terminal(renderer.cli, "comfyui", "submit", path, "--follow")
    seen = read_until(terminal, b"/100000 0 %").decode()
    seen += read_until(terminal, b"1 of 2 nodes done").decode()
    assert re.search(r"━.* step \d+/100000 0 %.*node 2 SimStepped 1 of 2 nodes done", seen, re.DOTALL)
    renderer.ok("cancel")
    seen = read_until(terminal, b"cancelled at node 2").decode()
    assert "\x1b[?25h" in seen  # the cursor is back
    assert end_of(child)[0] == 4
    os.close(terminal)


def test_a_render_that_was_submitted_elsewhere_is_followed_by_the_log(renderer: Renderer) -> None:
    prompt_id = renderer.submit_endless()
    child, terminal = on_terminal(renderer.cli, "comfyui", "job", prompt_id, "--follow")
    assert b"/100000" in read_until(terminal, b"as the log has it")
    renderer.ok("cancel", prompt_id)
    read_until(terminal, b"cancelled at node 1")
    assert end_of(child)[0] == 4
    os.close(terminal)


def test_a_pending_render_is_followed_to_its_turn(renderer: Renderer) -> None:
    first = renderer.submit_endless()
    child = renderer.open("submit", renderer.file(graphs.output()), "--follow")
    assert b"pending, 1 before it" in line_of(child.stdout)
    renderer.ok("cancel", first)
    code, out, _ = end_of(child)
    assert code == 0
    assert b"completed" in out


def test_following_as_json_gives_the_end_alone(renderer: Renderer) -> None:
    known = renderer.json("submit", renderer.file(graphs.with_output(graphs.stepped(3, 0.1))), "--follow")
    assert known["status"] == "completed"
    assert [file["type"] for file in known["outputs"]] == ["output"]


def test_following_ends_when_its_wait_does(renderer: Renderer) -> None:
    prompt_id = renderer.submit_endless()
    out, _ = renderer.ends(124, "job", prompt_id, "--follow", "--wait", "0.3")
    assert "in_progress" in out.splitlines()[-2]


def test_ctrl_c_leaves_the_render_running_and_says_so(renderer: Renderer) -> None:
    child = renderer.open("submit", renderer.file(graphs.stepped(*ENDLESS)), "--follow")
    prompt_id = line_of(child.stdout).split()[1].decode()
    child.send_signal(signal.SIGINT)
    code, _, err = end_of(child)
    assert code == 130
    assert f"prompt {prompt_id} goes on" in only_line(err.decode())
    assert renderer.json("status")["running"][0]["prompt_id"] == prompt_id


def test_following_outlasts_a_restart_that_carries_the_render_over(restartable: Renderer) -> None:
    prompt_id = restartable.submit_endless()
    child = restartable.open("job", prompt_id, "--follow")
    assert b"in_progress" in line_of(child.stdout)
    restartable.ok("restart", "--force", "--requeue", "all")
    restartable.ok("cancel", prompt_id)
    code, out, err = end_of(child)
    assert (code, err) == (4, b"")
    assert b"cancelled at node 1" in out


def test_following_gives_up_on_a_server_that_is_gone(renderer: Renderer) -> None:
    child = renderer.open("submit", renderer.file(graphs.stepped(*ENDLESS)), "--follow")
    _line_with(child, b"in_progress")
    renderer.simulator.stop()
    code, out, _ = end_of(child)
    assert code == 6
    assert b"unknown: unreachable" in out


# -- job ---------------------------------------------------------------------------------------------------------------


def test_job_shows_what_a_render_made(renderer: Renderer) -> None:
    prompt_id = renderer.submit(graphs.output(filename_prefix="picture"))
    assert "completed in" in renderer.ok("job", prompt_id, "--wait", WAIT)
    text = renderer.ok("job", prompt_id)
    assert text.splitlines()[0].startswith(f"prompt {prompt_id} completed in ")
    assert "picture_00001_.png (images of node 9, output)" in text
    assert renderer.json("job", prompt_id)["outputs"][0]["file"] == "picture_00001_.png"


def test_an_id_or_a_word_with_bytes_that_are_no_utf8_is_not_found(renderer: Renderer) -> None:
    odd = os.fsdecode(b"bad\xff")

    out, err = renderer.ends(8, "job", odd)
    _, said = renderer.ends(0, "nodes", odd)

    assert out.startswith("prompt bad")
    assert "neither the server nor the journal knows this id" in out
    assert err == ""
    assert said == "mcp-background-job: no name contains that\n"


def test_an_unknown_prompt_is_not_found(renderer: Renderer) -> None:
    out, _ = renderer.ends(8, "job", NO_PROMPT, "--follow")
    assert "neither the server nor the journal knows this id" in out
    assert renderer.json("job", NO_PROMPT, code=8)["status"] == "unknown"


def test_the_id_of_a_background_job_is_recognised(nobody: ComfyUILine) -> None:
    job_id = nobody.cli.start("--", "true")
    _, err = nobody.ends(2, "job", job_id)
    assert "id of a background job" in only_line(err)


def test_of_a_prompt_that_nobody_answers_for_nothing_is_known(nobody: ComfyUILine) -> None:
    out, _ = nobody.ends(6, "job", NO_PROMPT, "--follow")
    assert "unknown: unreachable" in out


# -- cancel ------------------------------------------------------------------------------------------------------------


def test_cancel_stops_the_one_that_runs_and_says_so(renderer: Renderer) -> None:
    prompt_id = renderer.submit_endless()
    out, _ = renderer.ends(0, "cancel")
    assert out.startswith(f"prompt {prompt_id}: cancelled after ")
    assert renderer.json("status")["running"] == []
    known = renderer.json("cancel", prompt_id)
    assert known["status"] == "cancelled"


def test_cancel_touches_no_other(renderer: Renderer) -> None:
    running = renderer.submit_endless()
    pending = renderer.submit(graphs.stepped(*ENDLESS))
    renderer.ok("cancel", pending)
    assert [entry["prompt_id"] for entry in renderer.json("status")["running"]] == [running]
    assert renderer.json("status")["pending"] == []
    assert "cancelled" in renderer.ends(4, "job", pending)[0]


def test_cancel_can_clear_the_queue(renderer: Renderer) -> None:
    running = renderer.submit_endless()
    pending = [renderer.submit(graphs.stepped(*ENDLESS)) for _ in range(2)]
    known = renderer.json("cancel", "--clear-pending")
    assert (known["status"], known["prompt_id"], known["dropped_pending"]) == ("cancelled", running, pending)
    # An empty queue is what was asked for.
    assert renderer.json("cancel", "--clear-pending")["status"] == "nothing_running"


def test_cancel_without_a_render_says_so(renderer: Renderer) -> None:
    out, _ = renderer.ends(8, "cancel")
    assert "nothing_running" in out
    assert renderer.json("cancel", NO_PROMPT, code=8)["status"] == "not_found"


def test_a_render_that_had_ended_is_said_to_have(renderer: Renderer) -> None:
    done = renderer.json("submit", renderer.file(graphs.output()), "--wait", WAIT)["prompt_id"]
    failed = renderer.json("submit", renderer.file(graphs.raising()), "--wait", WAIT, code=3)["prompt_id"]
    assert "finished_before_cancel" in renderer.ok("cancel", done)
    assert "failed" in renderer.ends(3, "cancel", failed)[0]


def test_queued_only_leaves_alone_what_runs(renderer: Renderer) -> None:
    running = renderer.submit_endless()
    pending = renderer.submit(graphs.stepped(*ENDLESS))
    assert "cancelled" in renderer.ok("cancel", pending, "--queued-only")
    out, _ = renderer.ends(1, "cancel", running, "--queued-only")
    assert "mcp-background-job comfyui cancel stops it" in out
    assert renderer.json("status")["running"][0]["prompt_id"] == running


@pytest.mark.parametrize("arguments", [["--queued-only"], ["x", "--queued-only", "--clear-pending"]])
def test_queued_only_is_for_one_prompt(nobody: ComfyUILine, arguments: list[str]) -> None:
    assert "--queued-only" in only_line(nobody.ends(2, "cancel", *arguments)[1])


def test_a_wedge_is_named_with_what_ends_it(renderer: Renderer) -> None:
    renderer.submit_endless()
    renderer.simulator.signal(signal.SIGSTOP)
    out, _ = renderer.ends(5, "cancel")
    assert "wedged (http_dead)" in out.splitlines()[0]
    assert f"kill -CONT {renderer.simulator.pid} lets it go on" in out
    assert "mcp-background-job comfyui restart --force --requeue pending ends it" in out
    assert renderer.json("cancel", code=5)["wedge"] == "http_dead"


def test_a_server_that_dies_of_it_is_no_success(cli: CommandLine, tmp_path: Path) -> None:
    with Simulator.start("--startup-delay", "0", "--die-after-interrupt", "0") as simulator:
        renderer = Renderer(cli, tmp_path, simulator)
        prompt_id = renderer.submit_endless()
        assert renderer.json("cancel", prompt_id, code=6)["status"] == "server_died"
        assert "unreachable" in renderer.ends(6, "cancel", prompt_id)[0]


def test_a_cancel_shows_people_that_it_is_under_way(renderer: Renderer) -> None:
    prompt_id = renderer.submit_endless()
    child, terminal = on_terminal(renderer.cli, "comfyui", "cancel", prompt_id, stderr=True)
    shown = read_until(terminal, b"cancelled after")
    assert b"the interrupt is repeated until the prompt stops, for up to" in shown
    assert end_of(child)[0] == 0
    os.close(terminal)


# -- start, stop, restart ----------------------------------------------------------------------------------------------


def test_it_is_started_found_running_and_stopped(nobody: ComfyUILine) -> None:
    nobody.startable()
    started = nobody.json("start")
    assert started["status"] == "started"
    again = nobody.ok("start")
    assert again.startswith("ComfyUI already_running after ")
    assert f"pid {started['pid']}, job id {started['job_id']}" in again
    assert nobody.cli.status(started["job_id"])["name"] == f"comfyui-{nobody.port}"
    assert nobody.ok("stop").startswith("ComfyUI stopped after ")
    assert nobody.json("stop")["status"] == "not_running"
    out, _ = nobody.ends(6, "status")
    assert f"ComfyUI ran as {started['job_id']}" in out


def test_a_start_that_takes_longer_goes_on(nobody: ComfyUILine) -> None:
    nobody.startable("--startup-delay", "100")
    out, _ = nobody.ends(124, "start", "--wait", "0.2")
    assert out.startswith("ComfyUI starting after ")
    job_id = nobody.cli.status(f"comfyui-{nobody.port}")["job_id"]
    assert f"mcp-background-job wait {job_id} --until port:{nobody.port}" in out
    assert "starting" in nobody.ends(6, "status")[0]
    assert nobody.json("stop")["status"] == "stopped"


def test_ctrl_c_while_it_starts_says_where_to_look(nobody: ComfyUILine) -> None:
    nobody.startable("--startup-delay", "100")
    child, terminal = on_terminal(nobody.cli, "comfyui", "start", stderr=True)
    read_until(terminal, b"starting ComfyUI")
    child.send_signal(signal.SIGINT)
    read_until(terminal, b"mcp-background-job comfyui status")
    assert end_of(child)[0] == 130
    os.close(terminal)


def test_a_start_that_fails_shows_the_last_output(nobody: ComfyUILine) -> None:
    nobody.startable("--exit-during-start", "3")
    out, _ = nobody.ends(125, "start")
    assert out.startswith("ComfyUI failed after ")
    assert "it ended while it started: exit code 3" in out
    assert nobody.json("start", code=125)["output"]


def test_a_start_that_nobody_knows_how_to_do_is_refused(nobody: ComfyUILine) -> None:
    out, err = nobody.ends(7, "start")
    assert out == ""
    assert "COMFYUI_DIR" in only_line(err)


def test_busy_it_is_ended_only_by_force(restartable: Renderer) -> None:
    prompt_id = restartable.submit_endless("--note", "portrait")
    for command in ("stop", "restart"):
        out, err = restartable.ends(7, command)
        assert out == ""
        assert prompt_id in only_line(err)
        assert "--force goes ahead" in err
    known = restartable.json("stop", "--force")
    assert (known["status"], known["lost_to_restart"]) == ("stopped", [prompt_id])
    assert restartable.simulator.wait() == -signal.SIGTERM
    assert "lost_to_restart" in restartable.ends(4, "job", prompt_id)[0]


def test_a_restart_runs_it_as_it_ran_and_carries_over_what_is_asked_for(restartable: Renderer) -> None:
    running = restartable.submit_endless()
    pending = restartable.submit(graphs.stepped(*ENDLESS))
    known = restartable.json("restart", "--force", "--requeue", "pending")
    assert (known["status"], known["old_pid"]) == ("restarted", restartable.simulator.pid)
    assert known["requeued"] == {pending: pending}
    assert known["lost_to_restart"] == [running]
    out = restartable.ok("restart", "--force", "--requeue", "all")
    assert out.startswith("ComfyUI restarted after ")
    assert f"{pending} → {pending}" in out
    assert restartable.json("status")["running"][0]["prompt_id"] == pending


def test_what_is_elsewhere_is_refused_with_what_to_type(nobody: ComfyUILine) -> None:
    nobody.cli.environment["COMFYUI_URL"] = "http://renderer.invalid:8188"
    for command in ("start", "stop", "restart"):
        assert "ssh renderer.invalid" in only_line(nobody.ends(7, command)[1])


# -- the same as over MCP ----------------------------------------------------------------------------------------------


async def test_json_is_what_the_tools_return(
    restartable: Renderer, manager: JobManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMFYUI_PORT", str(restartable.port))
    done = restartable.json("submit", restartable.file(graphs.output()), "--wait", WAIT)["prompt_id"]
    failed = restartable.json("submit", restartable.file(graphs.raising()), "--wait", WAIT, code=3)["prompt_id"]
    refused = restartable.file(graphs.load_checkpoint("missing"))
    async with Client(build_server(manager, load_settings())) as client:

        async def tool(name: str, **arguments: Any) -> Any:
            return (await client.call_tool(name, arguments, raise_on_error=False)).structured_content

        assert restartable.json("job", done) == await tool("comfyui_job", prompt_id=done)
        assert restartable.json("job", failed, code=3) == await tool("comfyui_job", prompt_id=failed)
        assert restartable.json("submit", refused, code=7) == await tool("comfyui_submit", workflow_path=refused)
        assert _timeless(restartable.json("cancel", code=8)) == _timeless(await tool("comfyui_cancel_job"))
        assert _timeless(restartable.json("status")) == _timeless(await tool("comfyui_status"))
        assert restartable.json("stop").keys() == {"status", "old_pid", "stopped_pids", "took_s"}
        assert _timeless(restartable.json("stop")) == _timeless(await tool("stop_comfyui"))


def _timeless(known: dict[str, Any]) -> dict[str, Any]:
    process = {key: value for key, value in known.get("process", {}).items() if key not in ("uptime", "cpu_s")}
    return {**{key: value for key, value in known.items() if key != "took_s"}, "process": process}


# -- help, completion, doctor ------------------------------------------------------------------------------------------


def test_help_names_every_command_and_where_exit_codes_are(cli: CommandLine) -> None:
    text = cli.ok("comfyui", "--help")
    for command in COMMANDS:
        assert " " in command or f"  {command}: " in text
    assert "Exit codes: mcp-background-job exit-codes" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_for_every_option(cli: CommandLine, command: str) -> None:
    text = cli.ok("comfyui", *command.split(), "--help")
    assert text.startswith(f"Usage: mcp-background-job comfyui {command}")
    options = [line for line in text.splitlines() if line.startswith("  --")]
    assert all(": " in line and ": [default" not in line for line in options)
    assert any(line.startswith("  --json: ") for line in options) == (command != "session export")


def test_a_mistyped_command_is_recognised(cli: CommandLine) -> None:
    assert "do you mean submit?" in only_line(cli("comfyui", "sumbit").stderr.decode())
    assert "give one of status, submit" in only_line(cli("comfyui", "prune-it-all").stderr.decode())
    assert "do you mean comfyui?" in only_line(cli("comfui").stderr.decode())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_the_group(cli: CommandLine, shell: str) -> None:
    text = cli.ok("completion", "--shell", shell)
    for word in ("comfyui", "clear-pending", "queued-only", "requeue"):
        assert word in text


@pytest.mark.parametrize(
    ("variable", "value"), [("COMFYUI_PORT", "many"), ("COMFYUI_URL", "ftp://here"), ("COMFYUI_PORT", "0")]
)
def test_a_bad_setting_is_told_in_one_line(cli: CommandLine, variable: str, value: str) -> None:
    for command in (["comfyui", "status"], ["doctor"]):
        done = cli(*command, env={variable: value})
        assert done.returncode == 2
        assert f"{variable}={value!r}" in only_line(done.stderr.decode())


def test_the_doctor_shows_the_settings_and_that_comfyui_answers(renderer: Renderer) -> None:
    renderer.cli.environment |= {"COMFYUI_COMMAND": "run it", "COMFYUI_DIR": ""}
    found = renderer.cli.json("doctor")
    settings = {item["variable"]: (item["value"], item["source"]) for item in found["settings"]}
    assert settings["COMFYUI_PORT"] == (str(renderer.port), "environment")
    assert settings["COMFYUI_COMMAND"] == ("run it", "environment")
    assert settings["COMFYUI_HOST"] == ("127.0.0.1", "default")
    assert settings["COMFYUI_DIR"] == ("", "default")  # an empty one counts for none
    assert {"COMFYUI_URL", "COMFYUI_RESTART_COMMAND"} <= settings.keys()
    assert (found["comfyui"]["reachable"], found["comfyui"]["url"]) == (True, renderer.simulator.url)
    assert "answers  yes, version" in renderer.cli.ok("doctor")


def test_the_doctor_says_why_comfyui_does_not_answer(nobody: ComfyUILine) -> None:
    known = nobody.cli.json("doctor")["comfyui"]
    assert (known["reachable"], known["why"]) == (False, "refused")
    text = nobody.cli.ok("doctor")
    assert "answers  no (refused): " in text
    assert "mcp-background-job comfyui start" in text
