"""Where in an output a failure begins."""

from __future__ import annotations

import pytest

from mcp_background_job.core.output.trouble import NEEDLES, failure_in, is_trouble


@pytest.mark.parametrize(
    "line",
    [
        "ValueError: bad",
        "error: expected ';'",
        "src/a.c:3:1: error: undeclared",
        "Traceback (most recent call last):",
        "thread 'main' panicked at src/main.rs",
        "npm ERR! code ELIFECYCLE error",
        "FAILED tests/test_a.py::test_b",
        "Segmentation fault (core dumped)",
        "bash: foo: command not found",
        "java.lang.NullPointerException",
        "2 failed, 3 passed",
        "torch.OutOfMemoryError: CUDA out of memory",
    ],
)
def test_lines_that_tell_of_trouble(line: str) -> None:
    assert is_trouble(line)
    assert any(needle in line.lower().encode() for needle in NEEDLES)


@pytest.mark.parametrize(
    "line",
    [
        "0 errors, 0 warnings",
        "errors: 0",
        "error_count=0 ok",
        "12 passed, 0 failed",
        "gcc -Werror -O2 a.c",
        "compiled without errors",
        "loading error_pages.html",
        "terrors of the deep",
        "",
    ],
)
def test_lines_that_only_speak_of_it(line: str) -> None:
    assert not is_trouble(line)


def test_a_failure_begins_with_the_first_line_of_its_last_group() -> None:
    quiet = ["working"] * 60
    lines = ["error: an old one", *quiet, "Traceback (most recent call last):", *["  File"] * 10, "KeyError: 1", "bye"]

    assert failure_in(lines) == 61
    assert failure_in(quiet) is None
    assert failure_in([]) is None
