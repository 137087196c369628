"""The documents say what is: every tool, setting, status, command, record field and file has its place."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import io
import re
import sqlite3
from pathlib import Path

import pytest

from mcp_background_job.agents.records import CancelIntent, Checkpoint, RunRecord
from mcp_background_job.cli.parser import build_app
from mcp_background_job.config import ComfyUISettings, Settings, variable_of
from mcp_background_job.core.comfyui.batch import Batch
from mcp_background_job.core.comfyui.download import Download
from mcp_background_job.core.comfyui.session import Session, Tracked
from mcp_background_job.core.comfyui.submission import End, Stage, Submission
from mcp_background_job.core.run import EventType, RunStatus
from mcp_background_job.core.states import STATUSES
from mcp_background_job.core.waiting import Why
from mcp_background_job.jobdir.layout import JobDir, RunDir, StateDir
from mcp_background_job.jobdir.records import Exit, Spec, Status
from mcp_background_job.jobs.request import COMMAND_FILE, STDIN_FILE
from mcp_background_job.registry.database import migrations
from tests.cli.comfyui_line import COMMANDS as COMFYUI_COMMANDS
from tests.server.test_tool_list import COMFYUI_TOOLS, JOB_TOOLS, RUN_TOOLS

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text()
REFERENCE = ROOT / "docs" / "reference"
RUNS, JOBS, TOOLS, SETTINGS, COMMANDS, STATUSES_AND_ERRORS = (
    (REFERENCE / f"{page}.md").read_text() for page in ("runs", "jobs", "tools", "settings", "command-line", "statuses")
)
FORMAT = (REFERENCE / "state-directory.md").read_text()

#: What people read: all pages, and the files beside the README.
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])

_JOURNAL = FORMAT.split("## comfyui.sqlite3")[1]


def _first_column(page: str) -> list[str]:
    return re.findall(r"^\| `([^`]+)`", page, re.MULTILINE)


def test_the_readme_can_be_read_in_one_go() -> None:
    assert len(README.splitlines()) <= 150


def test_the_reference_lists_exactly_the_tools_that_there_are() -> None:
    assert sorted(_first_column(TOOLS)) == sorted(JOB_TOOLS + COMFYUI_TOOLS + RUN_TOOLS)


def test_the_readme_names_only_tools_that_there_are_and_counts_the_others() -> None:
    rows = dict(re.findall(r"^\| (jobs|comfyui|runs) \| (.*) \|$", README, re.MULTILINE))
    for group, there in (("jobs", JOB_TOOLS), ("comfyui", COMFYUI_TOOLS), ("runs", RUN_TOOLS)):
        named = re.findall(r"`([^`]+)`", rows[group])
        more = re.search(r"and (\d+) more", rows[group])
        assert set(named) <= set(there)
        assert len(named) + int(more[1] if more else 0) == len(there)


def test_the_readme_names_only_settings_that_there_are() -> None:
    there = {
        variable_of(setting.name, kind) for kind in (Settings, ComfyUISettings) for setting in dataclasses.fields(kind)
    }
    named = set(re.findall(r"^\| `([A-Z_]+)`", README, re.MULTILINE))
    assert named
    assert named <= there


@pytest.mark.parametrize("status", STATUSES)
def test_the_reference_explains_every_status(status: str) -> None:
    assert f"`{status}`" in STATUSES_AND_ERRORS


@functools.cache
def _help_of(*command: str) -> str:
    written = io.StringIO()  # no terminal, as a pipe
    with contextlib.redirect_stdout(written):
        build_app()([*command, "--help"])
    return written.getvalue()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_names_only_commands_and_options_that_exist(page: Path) -> None:
    for line in re.findall(r"^(?:\$ |export .*\n)?mcp-background-job ([a-z].*)$", page.read_text(), re.MULTILINE):
        words = line.split(" -- ")[0].split("#")[0].split()
        command = words[:2] if words[0] in GROUPS else words[:1]
        known = _help_of(*command[:-1])
        assert re.search(rf"^  {command[-1]}: ", known, re.MULTILINE), line
        for option in re.findall(r" (--[a-z][a-z-]*)", f" {' '.join(words)}"):
            assert option in _help_of(*command), line


GROUPS = {
    "comfyui": COMFYUI_COMMANDS,
    "runs": ["list", "show", "watch", "events", "artifact", "spawn", "continue", "cancel", "agents", "send", "inbox"],
}

#: Commands of a group that are groups themselves.
SUBGROUPS = {"comfyui": ("batch", "session"), "runs": ()}


def _commands_of(*group: str) -> list[str]:
    return re.findall(r"^  ([a-z][a-z-]*): ", _help_of(*group), re.MULTILINE)


@pytest.mark.parametrize("group", GROUPS)
def test_the_reference_lists_exactly_the_commands_of_a_group(group: str) -> None:
    commands = _commands_of(group)
    commands += [f"{sub} {command}" for sub in SUBGROUPS[group] for command in _commands_of(group, sub)]
    rows = [re.match(rf"{group}( [a-z-]+)+", row) for row in _first_column(COMMANDS)]
    assert sorted(row[0] for row in rows if row) == sorted(f"{group} {command}" for command in commands)
    assert set(GROUPS[group]) == set(commands)


def test_the_reference_lists_exactly_the_other_commands() -> None:
    rows = re.findall(r"`([^`]+)`", " ".join(re.findall(r"^\| (`[^|]+) \|", COMMANDS, re.MULTILINE)))
    there = set(_commands_of())
    assert {row.split()[0] for row in rows} == there


@pytest.mark.parametrize("command", [f"{group} {name}" for group, names in GROUPS.items() for name in names])
def test_the_reference_explains_every_option_of_a_command(command: str) -> None:
    options = set(re.findall(r"^  (--[a-z-]+)", _help_of(*command.split()), re.MULTILINE)) - {"--json"}
    row = next(line for line in COMMANDS.splitlines() if re.match(rf"\| `{command}( [^a-z]|`)", line))
    assert options == set(re.findall(r"--[a-z]+[a-z-]*", row))


def test_help_says_where_the_exit_codes_are() -> None:
    for command in ((), ("wait",), *((group,) for group in GROUPS), ("comfyui", "batch"), ("hook", "stop")):
        assert _help_of(*command).rstrip().endswith("\nExit codes: mcp-background-job exit-codes")


@pytest.mark.parametrize("record", [Spec, Status, Exit])
def test_the_format_describes_every_field_of_a_record(record: type[Spec | Status | Exit]) -> None:
    for field in dataclasses.fields(record):
        assert f"`{field.name}`" in FORMAT, field.name


def test_the_format_describes_every_file_of_a_job() -> None:
    job = JobDir("/state/jobs/j1")
    for path in (job.spec, job.status, job.exit, job.log, job.index, job.lock, job.control):
        assert f"    {Path(path).name} " in FORMAT
    for name in (COMMAND_FILE, STDIN_FILE):
        assert f"    {name} " in FORMAT
    for name in ("jobs.sqlite3", "queue.lock", "names.lock", "http-token", "open/<job_id>", "queue/<job_id>"):
        assert name in FORMAT
    for name in ("comfyui/process-<port>.json", "comfyui/threads-<port>.json", "comfyui/lifecycle-<port>.lock"):
        assert name in FORMAT


def test_the_format_describes_every_file_of_a_run() -> None:
    run = RunDir("/state/runs/r1")
    for path in (run.record, run.events, run.checkpoint, run.cancel, run.lock, run.stdin, run.artifacts, run.temporary):
        assert f"    {Path(path).name} " in FORMAT or f"    {Path(path).name}/" in FORMAT, path


@pytest.mark.parametrize("record", [RunRecord, Checkpoint, CancelIntent])
def test_the_format_describes_every_field_of_a_run(record: type[RunRecord | Checkpoint | CancelIntent]) -> None:
    section = FORMAT.split("## runs/")[1]
    for field in dataclasses.fields(record):
        assert f"`{field.name}`" in section, field.name


@pytest.mark.parametrize("word", [*RunStatus, *EventType])
def test_the_reference_explains_every_status_and_event_of_runs(word: str) -> None:
    assert f"`{word}`" in RUNS


def test_the_format_describes_the_journal_of_submissions() -> None:
    assert f"  {Path(StateDir('/state').comfyui_journal).name} " in FORMAT
    for record in (Submission, Batch, Session, Tracked):
        for field in dataclasses.fields(record):
            name = "ending" if field.name == "end" else field.name
            assert f"`{name}`" in _JOURNAL, f"{record.__name__}.{name}"
    for word in [*Stage, *End]:
        assert f"`{word}`" in FORMAT


def test_the_format_describes_every_table_and_column_of_the_journal() -> None:
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        for _, script in migrations("comfyui"):
            database.executescript(script)
        for (table,) in database.execute("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')").fetchall():
            assert f"`{table}`" in _JOURNAL, table
            for column in database.execute(f"PRAGMA table_info({table})").fetchall():
                assert f"`{column[1]}`" in _JOURNAL, f"{table}.{column[1]}"


def test_the_format_describes_the_table_of_downloads() -> None:
    table = FORMAT.split("Table `downloads`")[1].split("Table `graphs`")[0]
    for field in dataclasses.fields(Download):
        assert f"`{field.name}`" in table, field.name


@pytest.mark.parametrize("why", Why)
def test_the_reference_names_everything_that_ends_a_wait(why: str) -> None:
    assert f"`{why}`" in JOBS or f"why: {why}`" in JOBS


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!http)([^)#]*)(?:#([^)]+))?\)", page.read_text()):
        there = page.parent / target if target else page
        assert there.exists(), target
        if anchor:
            assert anchor in map(_anchor, re.findall(r"^#+ (.*)$", there.read_text(), re.MULTILINE)), anchor


def test_every_page_is_reached_from_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text()
    for page in ROOT.glob("docs/*/*.md"):
        assert f"({page.parent.name}/{page.name})" in index, page
