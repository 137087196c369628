"""The list of jobs, in a browser."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.measurements.history import write_history
from mcp_background_job.jobdir.layout import StateDir
from tests.cli.command_line import CommandLine
from tests.web.conftest import Complaints, Open
from tests.web.dashboard import Dashboard
from tests.web.hostile import EVIL, assert_harmless
from tests.web.starting import ended

pytestmark = pytest.mark.browser

Shot = Callable[[str], None]


def row(view: Any, name: str) -> Any:
    return view.get_by_role("row").filter(has=view.get_by_role("link", name=name, exact=True))


def names(view: Any) -> list[str]:
    return [str(name) for name in view.locator(".rows .name a").all_inner_texts()]


def shows(view: Any, expected: list[str]) -> None:
    """Wait until the list has these names, in this order."""
    view.wait_for_function(
        "names => JSON.stringify([...document.querySelectorAll('.rows .job-row')]"
        ".sort((a, b) => a.row.at - b.row.at).map(row => row.querySelector('a').textContent)) === names",
        arg=json.dumps(expected, separators=(",", ":")),
    )


def said(view: Any, pattern: str) -> None:
    view.locator("#said").filter(has_text=re.compile(pattern)).wait_for()


def test_jobs_are_listed_live_with_what_they_do_and_how_they_end(
    view: Any, open_at: Open, cli: CommandLine, tmp_path: Path, shot: Shot
) -> None:
    gate = tmp_path / "gate"
    open_at("/jobs")
    view.get_by_text("No job is like that.").wait_for()
    view.get_by_role("list", name="This machine").get_by_text("Memory").wait_for()

    ended(cli, "--name", "old", "--", "echo done")
    cli.start("--name", "train", "--", f"echo epoch 1; until [ -e {gate} ]; do sleep 0.05; done; echo worse; exit 3")
    shows(view, ["train", "old"])
    train = row(view, "train")
    train.locator(".last").get_by_text("epoch 1").wait_for()
    train.locator(".status").get_by_text("running").wait_for()
    train.locator(".memory").filter(has_text="B").wait_for()
    train.locator(".cpu").filter(has_text="%").wait_for()
    assert train.locator(".project").inner_text() == Path.cwd().name
    row(view, "old").locator(".status").get_by_text("completed").wait_for()
    shot("jobs")

    gate.touch()
    said(view, r"^train \(j\w+\) failed, exit 3$")
    train.get_by_text("failed, exit 3").wait_for()
    train.locator(".last").get_by_text("worse").wait_for()
    assert train.get_by_role("button", name=re.compile("^Stop")).count() == 0


def test_filters_choose_jobs_and_stand_in_the_address(
    view: Any, open_at: Open, cli: CommandLine, tmp_path: Path, carrier: str
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    ended(cli, "--name", "good", "--", "true")
    ended(cli, "--name", "bad", "--", "false")
    cli.environment["MCP_BG_PROJECT"] = str(other)
    ended(cli, "--name", "worse", "--", "exit 4")
    open_at("/jobs")
    shows(view, ["worse", "bad", "good"])

    view.get_by_role("button", name="failed").click()
    shows(view, ["worse", "bad"])
    view.get_by_label("Project").select_option(label="other (1)")
    shows(view, ["worse"])
    view.get_by_label("Project").select_option("")
    view.get_by_label("Find jobs").fill("FALSE")
    shows(view, ["bad"])
    if carrier == "browser":
        assert view.evaluate("location.hash") == "#/jobs?status=failed&text=FALSE"
        view.page.reload()
        shows(view, ["bad"])
        assert view.get_by_label("Find jobs").input_value() == "FALSE"
        assert view.get_by_role("button", name="failed").get_attribute("aria-pressed") == "true"
        view.page.go_back()
        shows(view, ["worse"])
    open_at("/jobs?status=timed_out")
    view.get_by_text("No job is like that.").wait_for()


def test_a_job_is_stopped_and_started_again_once_that_is_confirmed(
    view: Any, open_at: Open, cli: CommandLine, tmp_path: Path
) -> None:
    marks = tmp_path / "marks"
    first = cli.start("--name", "server", "--", f"echo up >> {marks}; exec sleep 600")
    open_at("/jobs")
    server = row(view, "server")

    server.get_by_role("button", name=re.compile("^Stop")).click()
    view.page.keyboard.press("Escape")
    view.get_by_role("dialog").wait_for(state="hidden")
    assert cli.json("status", first)["status"] == "running"

    server.get_by_role("button", name=re.compile("^Stop")).click()
    view.get_by_role("dialog").get_by_role("button", name="Stop it").click()
    said(view, r"^server \(j\w+\): killed")
    server.locator(".status").get_by_text("killed").wait_for()
    assert cli.json("status", first)["status"] == "killed"

    server.get_by_role("button", name=re.compile("^Restart")).click()
    said(view, r"^started again as j\w+$")
    view.get_by_role("heading", level=1, name=re.compile("^server j")).wait_for()
    assert {job["status"] for job in cli.listed("--name", "server")} == {"running", "killed"}


def test_the_logs_of_all_jobs_are_searched_and_a_line_leads_to_its_place(
    view: Any, open_at: Open, cli: CommandLine, shot: Shot
) -> None:
    ended(cli, "--name", "left", "--", "seq 3000; echo the Needle is here; seq 3000")
    ended(cli, "--name", "right", "--", "echo another needle")
    ended(cli, "--name", "none", "--", "echo hay")
    open_at("/jobs")

    view.get_by_label("Search all logs").fill("needle")
    found = view.get_by_role("region", name="Found in logs")
    found.get_by_text(re.compile(r"^2 lines found in 3 jobs, .*: all searched$")).wait_for()
    assert view.get_by_role("table", name="Jobs").is_hidden()
    assert set(found.locator("p > a").all_inner_texts()) == {"left", "right"}
    shot("search")

    found.get_by_role("link", name="the Needle is here").click()
    line = view.locator(".line.target")
    line.filter(has_text="the Needle is here").wait_for()
    assert line.locator("mark").inner_text() == "Needle"
    below = """line => {
      const log = line.closest('.log');
      return (line.getBoundingClientRect().top - log.getBoundingClientRect().top) / log.clientHeight;
    }"""
    assert 0.3 < line.evaluate(below) < 0.4  # with what was written before it in sight


def test_what_is_no_expression_is_said_where_it_was_typed(view: Any, open_at: Open) -> None:
    open_at("/jobs?search=(")

    view.get_by_role("region", name="Found in logs").get_by_text("is not a regular expression").wait_for()


@pytest.fixture
def many(cli: CommandLine) -> int:
    """Jobs that have ended before there was any server; returns how many."""
    count = 600
    write_history(StateDir(str(cli.state_dir)), count)
    return count


def test_of_many_jobs_those_in_sight_are_on_the_page(many: int, view: Any, open_at: Open) -> None:
    open_at("/jobs")
    view.get_by_text(f"{many} jobs", exact=True).wait_for()  # before, how many of them the index has is told

    for place, number in ((0, many - 1), (1, 0), (0.5, many // 2)):
        view.evaluate("place => scrollTo(0, place * document.documentElement.scrollHeight)", place)
        view.get_by_role("link", name=f"j{number:05d}", exact=True).wait_for()
        assert len(names(view)) < 100


def test_the_list_is_gone_through_and_opened_by_keys(view: Any, open_at: Open, cli: CommandLine) -> None:
    for name in ("one", "two", "three"):
        ended(cli, "--name", name, "--", "true")
    open_at("/jobs")
    shows(view, ["three", "two", "one"])

    view.get_by_role("link", name="three", exact=True).focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowUp"):
        view.page.keyboard.press(key)
    assert view.evaluate("() => document.activeElement.textContent") == "two"
    view.page.keyboard.press("Enter")
    view.get_by_role("heading", level=1, name=re.compile("^two j")).wait_for()


def test_nothing_that_a_job_says_of_itself_becomes_a_part_of_the_page(
    view: Any, open_at: Open, cli: CommandLine, tmp_path: Path
) -> None:
    project = tmp_path / EVIL.replace("/", "|")
    project.mkdir()
    cli.environment["MCP_BG_PROJECT"] = str(project)
    evil = tmp_path / "evil"
    evil.write_text(EVIL + "\n")
    job = cli.start(
        "--name", "evil", "--cwd", str(project), "--env", f"EVIL={EVIL}",
        "--", f"cat {evil}; echo Error: $(cat {evil}) >&2; exec sleep 600 # {EVIL}",
    )  # fmt: skip
    open_at("/jobs")
    row(view, "evil").filter(has_text=EVIL).wait_for()
    open_at(f"/jobs?search={re.escape('<img')}")
    view.get_by_role("region", name="Found in logs").get_by_text("all searched").wait_for()
    assert_harmless(view)

    open_at(f"/jobs/{job}")
    view.locator(".line", has_text=EVIL).first.wait_for()
    view.get_by_text(re.compile(r"^Environment \(")).click()
    view.get_by_role("rowheader", name="EVIL").wait_for()
    view.get_by_role("button", name="First error").click()
    said(view, "<img")
    assert_harmless(view)
    open_at(f"/jobs/{EVIL}".replace("%", "%25"))
    view.get_by_role("alert").filter(has_text="no job").first.wait_for()
    assert_harmless(view)


@pytest.mark.carriers("browser")
def test_nothing_is_offered_until_it_is_known_what_one_may_do(
    browser: Any, cli: CommandLine, complaints: Complaints, carrier: str
) -> None:
    del carrier
    held: list[Any] = []

    def hold(route: Any) -> None:
        if route.request.post_data_json["action"] == "about":
            held.append(route)
        else:
            route.continue_()

    cli.start("--name", "server", "--", "sleep 600")
    context = browser.new_context()
    page = context.new_page()
    page.on("console", complaints.hear_console)
    page.route("**/api/call", hold)
    view = Dashboard(cli).show(page)
    row(view, "server").get_by_text("running").wait_for()
    assert held
    assert view.get_by_role("button", name=re.compile("^(Stop|Restart)")).count() == 0
    for route in held:
        route.continue_()
    row(view, "server").get_by_role("button", name=re.compile("^Stop")).wait_for()
    context.close()
    cli("kill", "server")


@pytest.mark.carriers("browser")
def test_who_may_only_look_is_offered_nothing_else(
    browser: Any, cli: CommandLine, complaints: Complaints, carrier: str
) -> None:
    del carrier
    cli.start("--name", "server", "--stdin", "pipe", "--", "cat")
    context = browser.new_context()
    page = context.new_page()
    page.on("console", complaints.hear_console)
    view = Dashboard(cli, "--read-only").show(page)
    row(view, "server").get_by_text("running").wait_for()
    assert view.get_by_role("button", name=re.compile("^(Stop|Restart)")).count() == 0

    view.evaluate("() => { location.hash = '#/jobs/server' }")
    view.get_by_role("region", name="What was asked").wait_for()
    view.locator(".job-head .badge", has_text="running").wait_for()
    for verb in ("Stop", "Restart", "Send", "Press"):
        assert view.get_by_role("button", name=verb, exact=True).count() == 0
    assert view.get_by_role("textbox", name="Input").count() == 0
    context.close()
