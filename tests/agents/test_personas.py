"""What is put before a task: a file of the workspace, or a persona that needs none."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcp_background_job.agents.adapters.options import count
from mcp_background_job.agents.requests.personas import PERSONAS
from mcp_background_job.agents.requests.request import SpawnRequest, text_of
from mcp_background_job.errors import InvalidRequestError


def _text(cwd: Path, profile: str) -> str:
    return text_of(SpawnRequest(backend="codex", cwd=str(cwd), prompt="look at it", profile=profile))


def test_a_reviewer_needs_no_file_and_a_file_of_that_name_goes_before(tmp_path: Path) -> None:
    assert _text(tmp_path, "reviewer") == f"{PERSONAS['reviewer']}\n\nlook at it"
    (tmp_path / "reviewer").write_text("Be kind.")
    assert _text(tmp_path, "reviewer") == "Be kind.\n\nlook at it"


def test_a_profile_that_is_not_there_is_refused_with_those_that_are_known(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match=r"does not exist.*one of: reviewer"):
        _text(tmp_path, "reviewr.md")
    with pytest.raises(InvalidRequestError, match="cannot be read"):
        _text(tmp_path, ".")


@pytest.mark.parametrize("value", [None, 0, 7])
def test_a_number_of_things_is_taken(value: int | None) -> None:
    assert count({"history_length": value}, "history_length") == value


@pytest.mark.parametrize("value", [-1, 1.5, True, "3", 2**40])
def test_what_counts_nothing_is_refused(value: object) -> None:
    with pytest.raises(InvalidRequestError, match="whole number"):
        count({"history_length": value}, "history_length")
