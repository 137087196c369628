"""Folders are small enough to be taken in at a glance."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

#: The number of names that fit on one screen.
MOST_FILES = 24


@pytest.mark.parametrize("top", ["mcp_background_job", "tests", "bench", "docs"])
def test_no_folder_has_more_files_than_can_be_taken_in_at_a_glance(top: str) -> None:
    for folder, _, files in os.walk(ROOT / top):
        assert Path(folder).name == "__pycache__" or len(files) <= MOST_FILES, folder
