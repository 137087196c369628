"""The pages of runs, in a browser: what agents say and do is read there, and what they ask is answered."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.agents.fake_agents import Agents
from tests.cli.command_line import CommandLine
from tests.conftest import Liveness
from tests.web.conftest import Open
from tests.web.looks import answer, said
from tests.web.renderer import hostile

pytestmark = pytest.mark.browser

Shot = Callable[[str], None]

#: Says and does one of each, asks for a permission, and is done with what it was answered.
_WORKS = f"""
def use(call, tool, **given):
    block = {{"type": "tool_use", "id": call, "name": tool, "input": given}}
    say(type="assistant", message={{"id": "m", "content": [block]}})


def give(call, output, failed=False):
    block = {{"type": "tool_result", "tool_use_id": call, "content": output, "is_error": failed}}
    say(type="user", message={{"content": [block]}})


task = greet()
say(type="assistant", message={{"id": "m", "content": [{{"type": "thinking", "thinking": "First I look around."}}]}})
speak("I will tidy up.\\n" + {hostile("said")!r})
use("p1", "TodoWrite", todos=[
    {{"content": "Look around", "status": "completed"}},
    {{"content": "Tidy up " + {hostile("todo")!r}, "status": "in_progress"}},
])
use("c1", "Bash", command="ls -la " + {hostile("command")!r})
give("c1", "Exit code 2\\nno such file" + {hostile("output")!r} + "x" * 6000 + "THE END", failed=True)
use("g1", "Grep", pattern={hostile("pattern")!r}, path="/src")
give("g1", "three hits")
use("e1", "Edit", file_path="/src/a.py", old_string="1", new_string="2")
give("e1", "done")
given = {{"file_path": "/src/" + {hostile("path")!r}, "old_string": "a = 1\\nb = 2\\n"}}
given["new_string"] = "a = 1\\nb = 3\\n"
request = {{"subtype": "can_use_tool", "tool_name": "Edit", "input": given, "tool_use_id": "u1"}}
say(type="control_request", request_id="q1", request=request)
reply = wait_for("control_response")["response"]["response"]
speak(f"answered: {{reply.get('behavior')}} {{reply.get('message')}}")
usage = {{"input_tokens": 1200, "cache_read_input_tokens": 300, "output_tokens": 77}}
end = {{"subtype": "success", "is_error": False, "result": "all is tidy", "session_id": "session-1"}}
say(type="result", total_cost_usd=0.0421, usage=usage, **end)
while hear() is not None:
    pass
"""

#: Finds texts with a character that turns the direction of what follows, which may do so beyond their elements.
_SPILLS = """() => [...document.querySelectorAll("main *")]
  .filter((one) => [...one.childNodes].some((node) => node.nodeType === 3 && node.data.includes("\u202e")))
  .filter((one) => getComputedStyle(one).unicodeBidi === "normal" && getComputedStyle(one).display === "inline")
  .map((one) => one.outerHTML)"""

#: Asks several questions at once.
_QUESTIONS = """
greet()
options = [{"label": "Red", "description": "warm"}, {"label": "Blue", "description": "cold"}]
questions = [
    {"question": "Which colour?", "options": options, "multiSelect": False},
    {"question": "Which tools?", "options": [{"label": "saw"}, {"label": "axe"}], "multiSelect": True},
]
given = {"questions": questions}
request = {"subtype": "can_use_tool", "tool_name": "AskUserQuestion", "input": given, "tool_use_id": "u"}
say(type="control_request", request_id="q", request=request)
given = wait_for("control_response")["response"]["response"]["updatedInput"]["answers"]
speak("answers: " + json.dumps(given))
done("fine")
while hear() is not None:
    pass
"""

_HANGS = """
greet()
speak("I wait for ever")
connect("agent")
hang()
"""


@pytest.fixture
def claude(cli: CommandLine, tmp_path: Path, liveness: Liveness) -> Callable[[str], None]:
    """Before the dashboard: puts a script that speaks as Claude Code does where agents are looked for."""
    directory = tmp_path / "bin"
    directory.mkdir()
    cli.environment["PATH"] = f"{directory}:{os.environ['PATH']}"
    cli.environment["MCP_BG_LOGIN_ENV"] = "never"
    agents = Agents(directory, tmp_path, liveness)
    return lambda body: (agents.install("claude", body), None)[1]


@pytest.fixture(autouse=True)
def _found(claude: Callable[[str], None]) -> None:
    """The path is set before there is a dashboard, which starts what goes on."""


def _spawn(cli: CommandLine, task: str, *options: str) -> str:
    return cli.ok("runs", "spawn", "claude_code", task, *options).strip()


def test_a_run_is_read_answered_and_gone_on_with(  # noqa: PLR0917  fixtures
    view: Any, carrier: str, open_at: Open, cli: CommandLine, claude: Callable[[str], None], shot: Shot
) -> None:
    claude(_WORKS)
    open_at("/runs")
    run = _spawn(cli, "tidy up " + hostile("task"), "--name", "tidy-er", "--cwd", str(cli.state_dir.parent))
    row = view.get_by_role("list", name="Runs").locator("li", has_text=run)
    row.get_by_text("input required").wait_for()
    row.get_by_text("Claude Code asks to use Edit").wait_for()
    shot("runs-list")

    row.get_by_role("link", name="tidy-er").click()
    chat = view.get_by_role("region", name="Transcript")
    chat.get_by_text(hostile("task")).wait_for()
    chat.get_by_text(hostile("said")).wait_for()
    view.get_by_role("region", name="To do").get_by_text(hostile("todo")).wait_for()
    call = chat.locator("details.call", has_text=hostile("command"))
    call.locator("summary").focus()
    view.page.keyboard.press("Enter")
    call.get_by_text("exit 2").wait_for()
    assert "THE END" not in call.inner_text()
    call.get_by_role("button", name="Show all of output").click()
    call.get_by_text("THE END").wait_for()
    chat.locator("details.call", has_text="Grep").locator("summary").click()
    assert hostile("pattern") in chat.get_by_label("Input").inner_text()
    asked = view.get_by_role("region", name="Question")
    assert [line.inner_text().strip() for line in asked.locator(".del, .add").all()] == ["-b = 2", "+b = 3"]
    assert hostile("path") in asked.inner_text()
    shot("runs-question")

    asked.get_by_label("Words to go with your choice").fill("not that one")
    asked.get_by_role("button", name="Deny").click()
    chat.get_by_text("answered: deny not that one").wait_for()
    view.get_by_text("1,500 tokens in, 77 out, $0.0421").first.wait_for()
    assert asked.count() == 0
    assert view.evaluate(_SPILLS) == [], "a text turns the direction of its neighbours"
    shot("runs-over")

    view.get_by_label("What to do next").fill("and now the cellar")
    view.page.keyboard.press("Control+Enter")
    view.get_by_text("Goes on from").wait_for()
    view.get_by_role("link", name=run).wait_for()
    chat.get_by_text("and now the cellar").wait_for()
    if carrier == "browser":
        assert run not in view.evaluate("location.hash")
    view.get_by_role("region", name="Question").wait_for()


@pytest.mark.carriers("browser")
def test_several_questions_are_answered_together(
    view: Any, open_at: Open, cli: CommandLine, claude: Callable[[str], None], shot: Shot
) -> None:
    claude(_QUESTIONS)
    open_at(f"/runs/{_spawn(cli, 'paint')}")
    asked = view.get_by_role("region", name="Question")
    asked.get_by_role("button", name="Send").click()
    assert said(view, "no answer to 'Which colour?'")
    asked.get_by_label("Red").check()
    asked.get_by_label("saw").check()
    asked.get_by_label("axe").check()
    asked.get_by_label("Another answer: Which colour?").fill("green")
    shot("runs-questions")
    asked.get_by_role("button", name="Send").click()
    view.get_by_text('answers: {"Which colour?": "green", "Which tools?": "saw, axe"}').wait_for()


@pytest.mark.carriers("browser")
def test_a_run_is_cancelled_with_what_runs_within_it(  # noqa: PLR0917  fixtures
    view: Any, open_at: Open, cli: CommandLine, claude: Callable[[str], None], liveness: Liveness, shot: Shot
) -> None:
    claude(_HANGS)
    outer = _spawn(cli, "outer", "--name", "outer")
    job_id = json.loads(cli.ok("runs", "show", outer, "--json"))["job_id"]
    within = {"MCP_BG_JOB_ID": job_id, "MCP_BG_RUN_ID": outer}
    done = cli("runs", "spawn", "claude_code", "inner", "--name", "inner", env=within)
    inner = done.stdout.decode().strip()
    liveness.expect_many("agent", 2)
    open_at(f"/runs/{outer}")
    family = view.get_by_role("region", name="Family")
    family.get_by_role("link", name="run inner").wait_for()
    view.get_by_text("I wait for ever").wait_for()
    shot("runs-family")
    answer(view, view.get_by_role("button", name="Cancel"), "Leave it")
    answer(view, view.get_by_role("button", name="Cancel"), "Cancel the run")
    assert said(view, f"every process of it is dead; with it ended run {inner}")
    view.get_by_role("region", name="Transcript").get_by_text("cancelled by page").wait_for()
    assert view.get_by_role("button", name="Cancel").count() == 0

    view.get_by_role("link", name="All runs").click()
    rows = view.get_by_role("list", name="Runs").locator("li")
    rows.nth(1).wait_for()
    assert [row.locator("a").inner_text() for row in rows.all()] == ["outer", "inner"]
    view.get_by_label("Find").fill("inner")
    view.get_by_text("1 shown").wait_for()
    view.get_by_label("Status").select_option("failed")
    view.get_by_text("No run is like that").wait_for()
    assert view.evaluate("location.hash") == "#/runs?text=inner&status=failed"
