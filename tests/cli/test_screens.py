"""What people see on terminals of 60, 80 and 200 columns: no word is cut, and nothing is left out without a word."""

from __future__ import annotations

import io
import pty
import re
import sys
import termios
from collections.abc import Callable

import pytest
from rich.console import Console

from mcp_background_job.cli import exit_codes, main, terminal
from mcp_background_job.cli.comfyui import inventory
from mcp_background_job.cli.comfyui import show as comfyui_show
from mcp_background_job.cli.comfyui import status as comfyui_status
from mcp_background_job.cli.comfyui.batches import ending
from mcp_background_job.cli.comfyui.prompts import failures
from mcp_background_job.cli.comfyui.prompts.bar import Bar
from mcp_background_job.cli.doctor.doctor import _section
from mcp_background_job.cli.jobs import rows
from mcp_background_job.cli.jobs.status import _write_line
from mcp_background_job.cli.runs import letters, watching
from mcp_background_job.cli.runs import views as runs
from mcp_background_job.cli.runs.transcript import Line
from mcp_background_job.cli.serving.serve import serve
from mcp_background_job.server import serve as serve_http

WIDTHS = [60, 80, 200]

AT = "2026-11-29T06:09:47+00:00"

TOLD = "what is told of it in many words " * 8

PATH = "/home/somebody/.local/state/mcp-background-job/jobs/j59ckf/output.log.of-a-name-that-is-wider-than-any-window"
SENTENCE = (
    f"job j59ckf `dev` failed, exit 1: the port 3000 is taken by process 4711; what it wrote is in {PATH} as ever"
)


class Screen(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


def _look(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    """Have this process write to a terminal of so many columns; within the test, since pytest sets the streams anew."""
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(sys, "stdout", Screen())
    monkeypatch.setattr(sys, "stderr", Screen())


def _drawn(stream: object) -> list[str]:
    assert isinstance(stream, Screen)
    return stream.getvalue().splitlines()


def _fits(lines: list[str], width: int) -> bool:
    return all(len(line) <= width or PATH in line for line in lines)


@pytest.mark.parametrize("width", WIDTHS)
def test_results_and_remarks_are_cut_between_words_and_what_is_one_word_stays_one(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    _look(monkeypatch, width)
    terminal.paragraph(SENTENCE)
    terminal.say(SENTENCE)
    for lines, before in ((_drawn(sys.stdout), ""), (_drawn(sys.stderr), "mcp-background-job: ")):
        assert _fits(lines, width)
        assert " ".join(" ".join(lines).split()) == f"{before}{SENTENCE}"


@pytest.mark.parametrize("width", WIDTHS)
def test_remarks_fit_their_own_terminal_where_results_go_into_a_pipe(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, width))
    monkeypatch.delenv("COLUMNS", raising=False)
    with open(ours, "rb", buffering=0) as screen, open(theirs, "w", encoding="utf-8") as stderr:
        monkeypatch.setattr(sys, "stdout", io.StringIO())
        monkeypatch.setattr(sys, "stderr", stderr)
        terminal.say(SENTENCE)
        lines = screen.read(4096).decode().splitlines()
    assert _fits(lines, width)
    assert max(map(len, lines[:-1])) > width // 2


@pytest.mark.parametrize("width", WIDTHS)
def test_what_a_server_says_of_itself_is_wrapped_for_people_and_a_line_for_a_pipe(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    _look(monkeypatch, width)

    def serves(*_: object, tell: Callable[[str], None], **_options: object) -> None:
        tell(TOLD)

    monkeypatch.setattr(serve_http, "serve_http", serves)
    serve(http=True)
    assert max(map(len, _drawn(sys.stderr))) <= width
    pipe = io.StringIO()
    monkeypatch.setattr(sys, "stderr", pipe)
    terminal.notice(TOLD)
    assert pipe.getvalue() == f"{TOLD}\n"


@pytest.mark.parametrize("width", WIDTHS)
def test_a_fact_wraps_in_a_column_of_its_own(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    _look(monkeypatch, width)
    _write_line("note", SENTENCE)
    first, *others = _drawn(sys.stdout)
    assert first.startswith("note              job ")
    assert _fits([first, *others], width)
    assert all(line.startswith(" " * 18) for line in others)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_command_line_is_written_as_it_is_to_be_copied(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    _look(monkeypatch, width)
    _write_line("command", SENTENCE)
    assert _drawn(sys.stdout) == [f"command           {SENTENCE}"]
    assert width < len(SENTENCE)


@pytest.mark.parametrize("width", WIDTHS)
def test_what_the_doctor_finds_stays_within_the_window(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    _look(monkeypatch, width)
    _section("clients", [("claude-code", SENTENCE), ("codex", "reached, 21 tools")])
    _section("warnings", [(SENTENCE, "")])
    assert _fits(_drawn(sys.stdout), width)
    assert "  codex        reached, 21 tools" in _drawn(sys.stdout)


@pytest.mark.parametrize(
    ("field", "label"),
    [("peak_memory_bytes", "peak memory"), ("timeout_s", "timeout"), ("last_output_at", "last output"), ("pid", "pid")],
)
def test_people_read_words_and_pipes_the_names_of_json(field: str, label: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for stream, told in ((Screen(), label), (io.StringIO(), field)):
        monkeypatch.setattr(sys, "stdout", stream)
        _write_line(field, "1")
        assert stream.getvalue()[:18].strip() == told


PROMPT_ID = "8c240b53-c23a-4d35-bc80-56bba9ea9697"
RUN = {"run_id": "r7ds5px", "agent_name": "bob", "status": "cancelled", "summary": TOLD, "created_at": AT}
FAILURE = {
    "prompt_id": PROMPT_ID,
    "note": "a cat",
    "cause": TOLD,
    "message": TOLD,
    "node": "3",
    "type": "Error",
}
BATCH = {
    "batch_id": "b3ezmvc",
    "status": "failed",
    "total": 3,
    "counts": {"succeeded": 1, "failed": 2, "canceled": 0, "running": 0},
    "note": TOLD,
}

#: What is told of jobs, runs and prompts in sentences and lists, by whoever writes them.
WRITERS: dict[str, Callable[[], object]] = {
    "an event of a run": lambda: runs.event({"seq": 1, "ts": AT, "type": "agent_message", "data": {"text": TOLD}}),
    "messages to an agent": lambda: letters.messages(
        [
            {
                "seq": 1,
                "from_agent_name": "bob",
                "created_at": AT,
                "body": {"parts": [{"type": "text", "text": TOLD}]},
            }
        ]
    ),
    "what an agent says": lambda: watching.Screen().write(Line(TOLD, "bold")),
    "what an agent does": lambda: watching.Screen().write(Line(f"  {TOLD}")),
    "a run": lambda: runs.facts(RUN),
    "a batch": lambda: ending.tell({**BATCH, "failures": [FAILURE], "running_prompts": [FAILURE]}),
    "failures": lambda: failures.write({"errors": [FAILURE]}),
    "a kind of node": lambda: inventory._write({"nodes": {"KSampler": TOLD}}, as_json=False),
    "several servers": lambda: comfyui_status._write_servers(
        {"servers": [{"url": "http://127.0.0.1:8188", "reachable": False, "detail": TOLD}]}
    ),
    "facts about a prompt": lambda: comfyui_show.facts({"job_id": "j1", "reason": TOLD}, ()),
}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("what", WRITERS)
def test_what_people_read_of_runs_and_renders_stays_within_the_window(
    what: str, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    _look(monkeypatch, width)
    WRITERS[what]()
    lines = _drawn(sys.stdout)
    assert lines
    assert max(map(len, lines)) <= width


def test_a_traceback_in_the_log_of_comfyui_stands_on_lines_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    _look(monkeypatch, 80)
    comfyui_status._write_log({"log": ["\x1b[31m[ERROR]\x1b[0m Traceback:\n  File\n", "a \x1b]0;title\x07 set\n"]})
    lines = _drawn(sys.stdout)
    assert lines[:2] == ["[ERROR] Traceback:", "  File"]
    assert len(lines) == 3
    assert "\x1b" not in "".join(lines)


@pytest.mark.parametrize("what", ["a run", "facts about a prompt"])
def test_people_read_no_names_of_fields(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _look(monkeypatch, 200)
    WRITERS[what]()
    assert not [line for line in _drawn(sys.stdout) if re.match(r"\w+_\w+", line)]


def test_a_length_of_time_has_its_unit_for_people_and_is_a_number_for_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream, told in ((Screen(), ["duration", "42", "s"]), (io.StringIO(), ["duration_s", "42.0"])):
        monkeypatch.setattr(sys, "stdout", stream)
        comfyui_show.facts({"duration_s": 42.0}, ())
        assert stream.getvalue().split() == told


@pytest.mark.parametrize("width", WIDTHS)
def test_a_pipe_gets_every_sentence_on_one_line(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    pipe = io.StringIO()
    monkeypatch.setattr(sys, "stdout", pipe)
    terminal.paragraph(f"{SENTENCE}\nand more", indent="  ")
    assert pipe.getvalue() == f"{SENTENCE} and more\n"


@pytest.mark.parametrize("width", WIDTHS)
def test_the_bar_of_a_prompt_keeps_step_and_time_in_a_narrow_window(width: int) -> None:
    progress = Bar()._bar
    progress.update(
        progress.task_ids[0],
        description="node 31 KSamplerAdvanced",
        step="step 30258/100000 31 %",
        nodes="12 of 200 nodes done",
    )
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    with console.capture() as capture:
        console.print(progress.get_renderable())
    (line,) = capture.get().splitlines()
    assert len(line) <= width
    assert "31 %" in line
    assert "0:00:0" in line
    assert "node 31" in line


@pytest.mark.parametrize("height", [10, 24, 70])
@pytest.mark.parametrize("columns", WIDTHS)
def test_the_live_list_says_how_many_jobs_do_not_fit(columns: int, height: int) -> None:
    jobs: list[rows.Row] = [
        {"job_id": f"job{number:03}", "status": "running", "command": "make " * 40} for number in range(50)
    ]
    console = Console(width=columns, height=height, file=io.StringIO(), force_terminal=False)
    with console.capture() as capture:
        console.print(rows.within(jobs, height))
    lines = capture.get().splitlines()
    shown = sum("running" in line for line in lines)
    said = re.search(r"^(\d+) more do not fit into this window", capture.get(), re.MULTILINE)
    assert len(lines) <= height
    assert shown + int(said[1] if said else 0) == 50
    assert bool(said) == (height < 54)


def test_what_is_said_after_ctrl_c_has_a_line_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_tokens: list[str]) -> int:
        terminal.say_interrupted("job j1 runs on")
        raise KeyboardInterrupt

    terminal.leave_interrupted_line.cache_clear()
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(main, "_run", interrupted)
    assert main._exit_code(["wait", "j1"]) == exit_codes.INTERRUPTED
    assert screen.getvalue() == "\nmcp-background-job: job j1 runs on\n"
    terminal.leave_interrupted_line.cache_clear()
