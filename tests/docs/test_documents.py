"""The documents say what is: every tool, setting, status, command, record field and file has its place."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mcp_background_job.config import Settings, variable_of
from mcp_background_job.core.states import STATUSES
from mcp_background_job.core.submission import End, Stage, Submission
from mcp_background_job.jobdir.layout import JobDir, StateDir
from mcp_background_job.jobdir.records import Exit, Spec, Status
from tests.server.test_tool_list import COMFYUI_TOOLS, JOB_TOOLS

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text()
FORMAT = (ROOT / "docs" / "reference" / "state-directory.md").read_text()


def _first_column(section: str) -> list[str]:
    body = README.split(f"\n## {section}\n")[1].split("\n## ")[0]
    return re.findall(r"^\| `([^`]+)`", body, re.MULTILINE)


def test_the_readme_lists_exactly_the_tools_that_there_are() -> None:
    assert sorted(_first_column("Tools")) == sorted(JOB_TOOLS + COMFYUI_TOOLS)


def test_the_readme_lists_exactly_the_settings_that_there_are() -> None:
    assert sorted(_first_column("Settings")) == sorted(variable_of(name) for name in Settings.model_fields)


@pytest.mark.parametrize("status", STATUSES)
def test_the_readme_explains_every_status(status: str) -> None:
    assert f"`{status}`" in README


def test_the_readme_names_only_commands_that_exist() -> None:
    help_text = subprocess.run(
        [sys.executable, "-m", "mcp_background_job", "--help"], capture_output=True, text=True, check=True, timeout=30
    ).stdout
    commands = set(re.findall(r"^  ([a-z]+): ", help_text, re.MULTILINE))
    named = set(re.findall(r"^mcp-background-job ([a-z]+)", README, re.MULTILINE))
    assert named
    assert named <= commands


@pytest.mark.parametrize("record", [Spec, Status, Exit])
def test_the_format_describes_every_field_of_a_record(record: type[Spec | Status | Exit]) -> None:
    for field in dataclasses.fields(record):
        assert f"`{field.name}`" in FORMAT, field.name


def test_the_format_describes_every_file_of_a_job() -> None:
    job = JobDir("/state/jobs/j1")
    for path in (job.spec, job.status, job.exit, job.log, job.index, job.lock, job.control):
        assert f"    {Path(path).name} " in FORMAT
    for name in ("jobs.sqlite3", "queue.lock", "names.lock", "http-token", "open/<job_id>", "queue/<job_id>"):
        assert name in FORMAT
    for name in ("comfyui/process-<port>.json", "comfyui/threads-<port>.json", "comfyui/lifecycle-<port>.lock"):
        assert name in FORMAT


def test_the_format_describes_the_journal_of_submissions() -> None:
    assert f"  {Path(StateDir('/state').comfyui_journal).name} " in FORMAT
    for field in dataclasses.fields(Submission):
        name = "ending" if field.name == "end" else field.name
        assert f"`{name}`" in FORMAT.split("## comfyui.sqlite3")[1], name
    for word in [*Stage, *End]:
        assert f"`{word}`" in FORMAT


def test_links_of_the_readme_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
