"""One job, in a browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command_line import CommandLine
from tests.web.conftest import Open
from tests.web.starting import ended

pytestmark = pytest.mark.browser

Shot = Callable[[str], None]

#: Where the log stands: how far it is scrolled, how far it could be, and its lines.
_LOG = """() => {
  const log = document.querySelector('.log');
  return [Math.round(log.scrollTop), log.scrollHeight - log.clientHeight, log.querySelectorAll('.line').length];
}"""

_AT_END = """() => {
  const log = document.querySelector('.log');
  return log.scrollHeight - log.clientHeight - log.scrollTop < 4;
}"""


def line(view: Any, text: str) -> Any:
    return view.locator(".log .line", has_text=re.compile(f"^{re.escape(text)}$"))


def in_sight(view: Any, text: str) -> None:
    """Wait until a line is seen within the log."""
    view.wait_for_function(
        """text => {
          const log = document.querySelector('.log')?.getBoundingClientRect();
          return log && [...document.querySelectorAll('.log .line')].some(line => {
            const { top, bottom } = line.getBoundingClientRect();
            return line.textContent.includes(text) && top >= log.top - 2 && bottom <= log.bottom + 2;
          });
        }""",
        arg=text,
    )


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A file for which jobs of ``gated`` wait, again and again."""
    return tmp_path / "gate"


def gated(gate: Path, *steps: str) -> str:
    """Return a command that waits for its gate, and takes it away, before each step but the first."""
    wait = f"; until [ -e {gate} ]; do sleep 0.02; done; rm {gate}; "
    return wait.join(steps)


def test_a_log_is_followed_until_one_looks_elsewhere_and_again_from_its_end(
    view: Any, open_at: Open, cli: CommandLine, gate: Path, shot: Shot
) -> None:
    job = cli.start("--name", "loud", "--", gated(gate, "seq 1 400", "echo second", "echo third", "sleep 600"))
    open_at(f"/jobs/{job}")
    in_sight(view, "400")
    follow = view.get_by_role("button", name="Follow")
    assert follow.get_attribute("aria-pressed") == "true"

    gate.touch()
    in_sight(view, "second")
    view.locator(".log").evaluate("log => { log.scrollTop = log.scrollHeight / 2 }")
    view.wait_for_function("() => document.querySelector('.log-tools [aria-pressed=false]')")
    before = view.evaluate(_LOG)[0]
    gate.touch()
    view.locator(".where").filter(has_text=re.compile(r"^1\.5 kB")).wait_for()
    line(view, "third").wait_for(state="attached")
    assert view.evaluate(_LOG)[0] == before
    shot("job-running")

    follow.click()
    in_sight(view, "third")
    view.wait_for_function(_AT_END)


def test_a_log_is_of_any_length_and_a_part_of_it_on_the_page(view: Any, open_at: Open, cli: CommandLine) -> None:
    job = ended(cli, "--name", "long", "--", "seq 1 200000")
    open_at(f"/jobs/{job}")
    in_sight(view, "200000")

    for text in ("199500", "199000", "198500"):  # upwards, to what is not on the page yet
        view.wait_for_function(
            """text => {
              const log = document.querySelector('.log');
              log.scrollTop = Math.max(0, log.scrollTop - 400);
              return [...log.querySelectorAll('.line')].some(line => line.textContent === text);
            }""",
            arg=text,
        )
    assert view.evaluate(_LOG)[2] < 1500

    view.get_by_role("button", name="To the top").click()
    in_sight(view, "1")
    for text in ("500", "1000", "2000"):  # and down again
        view.wait_for_function(
            """text => {
              const log = document.querySelector('.log');
              log.scrollTop += 400;
              return [...log.querySelectorAll('.line')].some(line => line.textContent === text);
            }""",
            arg=text,
        )
    numbers = view.evaluate("() => [...document.querySelectorAll('.log .line')].map(line => Number(line.textContent))")
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert len(numbers) < 1500
    view.get_by_role("button", name="To the end").click()
    in_sight(view, "200000")


def test_a_job_that_failed_opens_at_its_failure(view: Any, open_at: Open, cli: CommandLine, shot: Shot) -> None:
    script = (
        "echo error: early; seq 1 900; echo 'Traceback (most recent call last):'; echo 'KeyError: 1'; seq 20; exit 3"
    )
    ended(cli, "--name", "bad", "--", script)
    open_at("/jobs/bad")

    in_sight(view, "Traceback")
    assert view.locator(".line.target").inner_text().startswith("Traceback")
    view.locator(".job-head .badge", has_text="failed, exit 3").wait_for()
    shot("job-failed")
    view.get_by_role("button", name="First error").click()
    in_sight(view, "error: early")


def test_a_log_is_searched_while_it_is_written_and_only_what_matches_is_shown(
    view: Any, open_at: Open, cli: CommandLine, gate: Path
) -> None:
    job = cli.start("--", gated(gate, "seq 1 5000", "echo last 4999", "sleep 600"))
    open_at(f"/jobs/{job}")
    in_sight(view, "5000")

    view.get_by_label("Find in the log").fill("^499[79]|4999$")
    found = view.locator(".log-tools [role=status]")
    found.filter(has_text="2 found").wait_for()
    view.get_by_label("Find in the log").press("Enter")
    in_sight(view, "4997")
    assert view.locator(".line.target mark").inner_text() == "4997"
    gate.touch()
    found.filter(has_text="3 found").wait_for()

    view.get_by_label("only matches").check()
    view.wait_for_function(
        "shown => [...document.querySelectorAll('.log .line')].map(line => line.textContent).join() === shown",
        arg="4997,4999,last 4999",
    )


def test_the_streams_are_shown_together_or_apart_with_times(view: Any, open_at: Open, cli: CommandLine) -> None:
    job = ended(cli, "--", "for i in 1 2 3; do echo out $i; echo err $i >&2; done")
    open_at(f"/jobs/{job}")
    line(view, "err 3").wait_for()
    assert view.locator(".log .line.err").count() == 3

    view.get_by_label("Stream").select_option("stderr")
    line(view, "out 1").wait_for(state="detached")
    line(view, "err 1").wait_for()
    assert view.locator(".log .line").count() == 3
    view.get_by_label("times").check()
    shown = view.locator(".log time").first
    shown.wait_for()
    assert re.fullmatch(r"\d\d:\d\d:\d\d", shown.inner_text())
    view.get_by_label("Stream").select_option("")
    view.locator(".log .line", has_text="out 1").wait_for()


@pytest.mark.carriers("browser")
def test_a_log_is_saved_whole_or_as_it_is_shown(view: Any, open_at: Open, cli: CommandLine, tmp_path: Path) -> None:
    ended(cli, "--name", "both", "--", "printf 'a\\033[1mb\\n'; echo other; echo err >&2")
    open_at("/jobs/both?find=b$&only=1")
    line(view, "ab").wait_for()

    for button, content in (("Download", b"a\x1b[1mb\nother\nerr\n"), ("Download these lines", b"ab\n")):
        with view.page.expect_download() as saving:
            view.get_by_role("button", name=button, exact=True).click()
        assert saving.value.suggested_filename == "both.log"
        saving.value.save_as(tmp_path / "saved")
        assert (tmp_path / "saved").read_bytes() == content


def test_a_moment_of_the_curves_leads_to_its_lines_and_lines_to_their_moment(
    view: Any, open_at: Open, cli: CommandLine
) -> None:
    busy = "for i in $(seq 1 60); do echo quiet $i; sleep 0.05; done; echo PEAK; x=$(seq 1 300000); seq 300; sleep 600"
    job = cli.start("--name", "busy", "--", busy)
    open_at(f"/jobs/{job}")
    line(view, "300").wait_for()
    curves = view.get_by_role("slider", name=re.compile("^What the job used"))
    curves.wait_for()
    view.wait_for_function("() => Number(document.querySelector('.curves').getAttribute('aria-valuemax')) >= 3")

    curves.focus()
    view.page.keyboard.press("Home")
    in_sight(view, "quiet")
    assert "CPU" in curves.get_attribute("aria-valuetext")
    assert view.get_by_role("button", name="Follow").get_attribute("aria-pressed") == "false"
    begin = int(curves.get_attribute("aria-valuenow"))

    view.get_by_role("button", name="To the end").click()
    view.wait_for_function(
        "begin => Number(document.querySelector('.curves').getAttribute('aria-valuenow')) > begin", arg=begin
    )
    curves.locator("canvas").click(position={"x": 2, "y": 20})
    in_sight(view, "quiet")


def test_processes_ports_question_and_family_are_told(
    view: Any, open_at: Open, cli: CommandLine, tmp_path: Path, shot: Shot
) -> None:
    port = tmp_path / "port"
    serve = (
        "import socket, time; s = socket.create_server(('127.0.0.1', 0)); "
        f"open('{port}', 'w').write(str(s.getsockname()[1])); time.sleep(600)"
    )
    inner = " ".join(cli.argv("run", "--name", "inner", "--", "sleep 600"))
    top = cli.start(
        "--name",
        "top",
        "--env",
        "API_TOKEN=hunter2",
        "--env",
        "PLAIN=seen",
        "--",
        f'{inner}; exec python3 -c "{serve}"',
    )
    open_at("/jobs/top")

    view.get_by_text(re.compile(r"^Listens on \d+$")).wait_for()
    assert view.get_by_text(re.compile(r"^Listens on \d+$")).inner_text() == f"Listens on {port.read_text()}"
    view.get_by_role("region", name="Processes").get_by_text("import socket").wait_for()
    view.get_by_text(re.compile(r"^Environment \(")).click()
    asked = view.get_by_role("region", name="What was asked")
    asked.get_by_role("row", name="PLAIN seen").wait_for()
    assert asked.get_by_role("row", name=re.compile("^API_TOKEN ")).inner_text().split()[1] == "••••••••"
    assert "hunter2" not in view.content()
    shot("job-asked")

    view.get_by_role("region", name="Family").get_by_role("link", name="inner").click()
    view.get_by_role("heading", level=1, name=re.compile("^inner j")).wait_for()
    view.get_by_role("region", name="Family").get_by_role("link", name="top").wait_for()
    cli("kill", top)


def test_a_job_is_given_lines_and_keys(view: Any, open_at: Open, cli: CommandLine) -> None:
    job = cli.start("--stdin", "pipe", "--", "while read line; do echo got $line; done; echo over")
    open_at(f"/jobs/{job}")

    typed = view.get_by_role("textbox", name="Input")
    typed.fill("hello")
    assert typed.evaluate("input => input === document.activeElement"), "the page has taken the keyboard away"
    typed.press("Enter")
    line(view, "got hello").wait_for()
    assert view.get_by_role("textbox", name="Input").input_value() == ""
    view.get_by_label("Key").select_option("eof")
    view.get_by_role("button", name="Press").click()
    line(view, "over").wait_for()
    view.locator(".job-head .badge", has_text="completed").wait_for()
    view.get_by_role("button", name="Press").wait_for(state="hidden")


def test_one_types_into_the_screen_of_a_job_on_a_terminal(
    view: Any, open_at: Open, cli: CommandLine, shot: Shot
) -> None:
    job = cli.start("--stdin", "pty", "--", "PS1='> ' exec bash --norc --noprofile -i")
    open_at(f"/jobs/{job}")
    screen = view.get_by_role("textbox", name=re.compile("^Screen"))
    screen.filter(has_text=">").wait_for()

    screen.focus()
    view.page.keyboard.type("echo a-$((40+2))x")
    view.page.keyboard.press("Backspace")
    view.page.keyboard.press("Enter")
    screen.filter(has_text=re.compile(r"^a-42$", re.MULTILINE)).wait_for()
    shot("job-screen")
    view.page.keyboard.press("Tab")
    assert view.evaluate("() => document.activeElement.className") != "screen"
    screen.focus()
    view.page.keyboard.press("Control+d")
    view.locator(".job-head .badge", has_text="completed").wait_for()


def test_a_signal_is_sent_and_its_answer_said(view: Any, open_at: Open, cli: CommandLine) -> None:
    job = cli.start("--", "trap 'echo reloaded' HUP; echo ready; while :; do sleep 0.05; done")
    open_at(f"/jobs/{job}")
    line(view, "ready").wait_for()

    view.get_by_label("Signal").select_option("SIGHUP")
    view.get_by_role("button", name="Send").first.click()
    line(view, "reloaded").wait_for()
    view.locator("#said").filter(has_text=re.compile(rf"^SIGHUP to {job}: signalled")).wait_for()


def test_of_a_job_that_is_not_there_that_is_said(view: Any, open_at: Open) -> None:
    open_at("/jobs/nobody")

    view.get_by_role("main").get_by_text("no job").wait_for()
    view.get_by_role("link", name="All jobs").click()
    view.get_by_role("heading", level=1, name="Jobs").wait_for()
