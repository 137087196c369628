"""What cannot be written, since a disk is full or nobody reads: one sentence and an exit code, and no traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from mcp_background_job.cli import exit_codes, main
from mcp_background_job.cli.jobs.exit_codes import of_errors
from mcp_background_job.cli.output import UnreadError
from mcp_background_job.errors import (
    BackgroundJobError,
    InvalidRequestError,
    JobEndedError,
    RunnerSilentError,
    SurvivorsError,
    UnknownJobError,
)
from tests.cli.command_line import CommandLine

FULL = Path("/dev/full")

needs_full = pytest.mark.skipif(not FULL.exists(), reason="this system has no device that is always full")


@contextmanager
def _read_by_nobody() -> Generator[IO[str]]:
    ours, theirs = os.pipe()
    os.close(ours)
    with os.fdopen(theirs, "w") as stream:
        yield stream


def _exit_code(monkeypatch: pytest.MonkeyPatch, *tokens: str) -> object:
    """Run the command line in this process, on what the test took for its streams."""
    monkeypatch.setattr(sys, "argv", ["mcp-background-job", *tokens])
    monkeypatch.setattr(sys, "stderr", sys.stderr)  # put back when the test is over
    with pytest.raises(SystemExit) as ended:
        main.run()
    return ended.value.code


@needs_full
@pytest.mark.parametrize("tokens", [["prune", "--help"], ["no-such", "--json"], ["--version"]])
def test_a_result_that_cannot_be_written_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tokens: list[str]
) -> None:
    with FULL.open("w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert _exit_code(monkeypatch, *tokens) == exit_codes.TROUBLE
    last = capfd.readouterr().err.splitlines()[-1]
    assert last == "mcp-background-job: the output cannot be written: No space left on device"


@needs_full
@pytest.mark.parametrize(("tokens", "code"), [(["no-such"], exit_codes.USAGE), (["send", "--help"], exit_codes.OK)])
def test_a_remark_that_cannot_be_written_is_lost_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tokens: list[str], code: int
) -> None:
    with FULL.open("w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        assert _exit_code(monkeypatch, *tokens) == code


@pytest.mark.parametrize("tokens", [["wait", "--help"], ["no-such", "--json"]])
def test_output_that_nobody_reads_is_told_by_the_exit_code_alone(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tokens: list[str]
) -> None:
    with _read_by_nobody() as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert _exit_code(monkeypatch, *tokens) == exit_codes.OUTPUT_CLOSED
    assert "Traceback" not in capfd.readouterr().err


def test_the_library_that_draws_tables_does_not_take_the_exit_code_from_us() -> None:
    assert not issubclass(UnreadError, OSError)  # it exits with 1 at a BrokenPipeError


@needs_full
@pytest.mark.real_process
def test_a_job_is_listed_to_a_full_disk_with_one_sentence(cli: CommandLine) -> None:
    with FULL.open("w") as stream:
        child = cli.open("list", "--all-projects", stdout=stream)
        _, err = child.communicate(timeout=60)
    assert (child.returncode, err.decode().count("\n")) == (125, 1)


_BAD = InvalidRequestError("bad")
_GONE = UnknownJobError("gone")
_ALIVE = SurvivorsError("alive")
_DEAF = RunnerSilentError("deaf")
_OVER = JobEndedError("over")


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ([], 0),
        ([_GONE], 8),
        ([_GONE, _ALIVE, _BAD], 1),
        ([_BAD, _GONE, _DEAF], 125),
        ([_GONE, _BAD, _OVER], 7),
        ([_GONE, _BAD], 2),
    ],
)
def test_of_several_errors_the_worst_is_told_in_any_order(errors: list[BackgroundJobError], code: int) -> None:
    assert of_errors(errors) == code
    assert of_errors(reversed(errors)) == code


def test_every_error_has_its_place_among_the_worst() -> None:
    def kinds(of: type[BackgroundJobError]) -> list[type[BackgroundJobError]]:
        return [of, *(kind for child in of.__subclasses__() for kind in kinds(child))]

    for kind in kinds(BackgroundJobError):
        error = kind.__new__(kind)
        if exit_codes.of_error(error) != exit_codes.UNREACHABLE:  # of ComfyUI, which has no such command
            assert of_errors([error]) == exit_codes.of_error(error)


def test_to_kill_all_of_nothing_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MCP_BG_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("MCP_BG_PROJECT", "orchard")
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    assert _exit_code(monkeypatch, "kill", "--all") == exit_codes.OK
    assert capfd.readouterr().err == (
        "mcp-background-job: no job of project orchard is running or queued: there was nothing to kill\n"
    )
