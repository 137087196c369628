"""What is said of an end beyond its exit code."""

from __future__ import annotations

import pytest

from mcp_background_job.core.aftermath import background, forced, is_background_failure, is_failure


@pytest.mark.parametrize(
    ("exit_code", "signal", "failed"),
    [
        (0, None, False),
        (1, None, True),
        (255, None, True),
        (130, None, False),
        (143, None, False),
        (139, None, True),
        (None, "SIGTERM", False),
        (None, "SIGPIPE", False),
        (None, "SIGSEGV", True),
        (None, "SIGKILL", True),
        (None, "signal 40", True),
    ],
)
def test_what_was_asked_to_end_has_not_failed(exit_code: int | None, signal: str | None, *, failed: bool) -> None:
    assert is_failure(exit_code, signal) is failed


@pytest.mark.parametrize(
    ("command", "exit_code", "failed"),
    [
        ("grep -q up log", 1, False),
        ("grep -q up log", 2, True),
        ("git diff", 1, False),
        ("npm test", 1, True),
        ("", 1, True),
    ],
)
def test_what_says_no_in_the_background_has_not_failed(command: str, exit_code: int, *, failed: bool) -> None:
    assert is_background_failure(command, exit_code, None) is failed


def test_the_sentence_names_process_command_and_end() -> None:
    assert background(7, "npm  run\tdev", 3, None) == "background process 7 (`npm run dev`) exited 3"
    assert background(7, "", None, "SIGABRT") == "background process 7 was ended by SIGABRT"


def test_a_long_command_is_cut() -> None:
    assert background(7, "x" * 100, 1, None) == f"background process 7 (`{'x' * 59}…`) exited 1"


@pytest.mark.parametrize(
    ("grace_s", "pids", "told"),
    [
        (5.0, [7], "did not end within 5 s of SIGINT and was killed (SIGKILL to 7)"),
        (0.5, [1, 2, 3, 4, 5, 6], "did not end within 0.5 s of SIGINT and was killed (SIGKILL to 1, 2, 3, 4, 5 …)"),
        (5.0, [], None),
        (0.0, [7], None),
    ],
)
def test_a_job_that_did_not_end_when_it_was_asked_to_was_killed(
    grace_s: float, pids: list[int], told: str | None
) -> None:
    assert forced(grace_s, "SIGINT", pids) == told
    assert forced(grace_s, "SIGKILL", pids) is None
