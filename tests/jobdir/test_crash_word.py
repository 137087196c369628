"""What a runner that fails leaves in its job's directory."""

from __future__ import annotations

import os

import pytest

from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.runner.main import report_crash


def _sink(depth: int) -> int:
    return _sink(depth + 1) + 1


def _word_of(job: JobDir, error: Exception) -> str:
    report_crash(job, error)
    with open(os.path.join(job.path, "runner.crash")) as file:
        return file.read()


def test_the_word_of_a_crash_begins_with_what_happened_however_deep(job: JobDir) -> None:
    with pytest.raises(RecursionError) as caught:
        _sink(0)

    word = _word_of(job, caught.value)
    assert word.startswith("RecursionError: maximum recursion depth exceeded")
    assert "_sink" in word


def test_the_word_of_a_crash_is_bounded(job: JobDir) -> None:
    word = _word_of(job, ValueError("x" * 10**6))

    assert word.startswith("ValueError: xxx")
    assert len(word) < 10_000
