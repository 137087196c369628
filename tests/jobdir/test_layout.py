"""Names in the state directory."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_background_job.jobdir.layout import StateDir, is_job_id


@pytest.mark.parametrize("text", ["j4k2", "jabc", "j" + "0" * 11])
def test_a_job_id_is_known_by_its_form(text: str) -> None:
    assert is_job_id(text)


@pytest.mark.parametrize("text", ["", "j", "jab", "j" + "0" * 12, "x4k2", "J4K2", "j4k2\n", "j4/2", "j..2", "j4k2.new"])
def test_what_is_no_job_id_is_not_taken_for_one(text: str) -> None:
    assert not is_job_id(text)


@given(text=st.text(alphabet="j/.\\\0 a\n", max_size=12))
def test_a_job_id_never_leads_out_of_its_directory(text: str) -> None:
    if is_job_id(text):
        assert os.path.basename(text) == text
        assert text not in {".", ".."}


def test_a_job_directory_knows_its_job_and_its_state_directory() -> None:
    job = StateDir("/state").job("j4k2")

    assert job.path == "/state/jobs/j4k2"
    assert job.job_id == "j4k2"
    assert job.state_dir.path == "/state"
    assert job.state_dir.open_mark(job.job_id) == "/state/open/j4k2"
    assert job.state_dir.queue_mark(job.job_id) == "/state/queue/j4k2"


def test_both_databases_stand_at_the_top_of_the_state_directory() -> None:
    assert StateDir("/state").index == "/state/jobs.sqlite3"
    assert StateDir("/state").comfyui_journal == "/state/comfyui.sqlite3"
