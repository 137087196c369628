"""Commands that are run again when they fail, as the process that does it is run by a job's runner."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from mcp_background_job.jobs import attempts
from mcp_background_job.processes import again
from tests.conftest import Liveness
from tests.patience import PATIENCE_S, wait_until

Run = Callable[..., subprocess.Popen[bytes]]

_WITH_OTHER_LIMIT = """
import runpy, sys
again = runpy.run_path(sys.argv[1])
again["main"].__globals__["HEEDED_S"] = float(sys.argv[2])
again["main"](sys.argv[3], float(sys.argv[4]), int(sys.argv[5]), sys.argv[6:])
"""


@pytest.fixture
def run(tmp_path: Path) -> Generator[Run]:
    """Runs a command for the shell, and again when it fails, in a group of its own."""
    notes = tmp_path / "attempts"
    notes.touch()
    started: list[subprocess.Popen[bytes]] = []

    def start(
        command: str, *, first_s: float = 0.01, most: int = 3, heeded_s: float | None = None
    ) -> subprocess.Popen[bytes]:
        helper = [again.__file__] if heeded_s is None else ["-c", _WITH_OTHER_LIMIT, again.__file__, str(heeded_s)]
        arguments = [str(notes), str(first_s), str(most), "/bin/sh", "-c", command]
        started.append(
            subprocess.Popen(
                [sys.executable, "-I", "-S", *helper, *arguments],
                cwd=tmp_path,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        )
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=PATIENCE_S)


def _output(process: subprocess.Popen[bytes]) -> list[str]:
    return process.communicate(timeout=PATIENCE_S)[0].decode().splitlines()


def test_what_fails_is_run_again_until_it_ends_well(run: Run, tmp_path: Path) -> None:
    process = run("echo x >> runs; test $(wc -l < runs) -eq 3 && echo well; exit_code=$?; exit $((exit_code * 4))")

    told = _output(process)

    assert process.returncode == 0
    first = r"\[mcp-background-job: attempt 1 ended with exit code 4 after \d+\.\d s; attempt 2 begins in 0\.01 s\]"
    assert re.fullmatch(first, told[0])
    assert told[1].endswith("attempt 3 begins in 0.02 s]")
    assert told[2:] == ["well"]
    newest = attempts.newest(str(tmp_path / "attempts"))
    assert (newest.number, newest.is_last) == (3, False)
    assert "attempt 2 ended with exit code 4 after" in (attempts.told(newest) or "")
    assert (attempts.told(newest) or "").endswith("attempt 3 runs")
    assert (attempts.told(newest, ended_at=time.time()) or "").endswith("the job ended in attempt 3")


def test_after_too_many_failures_in_a_row_it_ends_as_the_last_attempt_did(run: Run, tmp_path: Path) -> None:
    process = run("kill -USR1 $$", most=2)

    told = _output(process)

    assert process.returncode == -signal.SIGUSR1
    assert len(told) == 3
    assert told[2].startswith("[mcp-background-job: attempt 3 ended with SIGUSR1 after")
    assert told[2].endswith("it has failed too often]")
    newest = attempts.newest(str(tmp_path / "attempts"))
    assert (newest.number, newest.is_last) == (3, True)
    assert "is not started again" in (attempts.told(newest) or "")


@pytest.mark.parametrize("command", ["exit 0", "exit 143", "kill -TERM $$", "kill -INT $$"])
def test_what_has_ended_well_or_as_it_was_asked_to_is_not_run_again(run: Run, command: str) -> None:
    process = run(command)
    assert _output(process) == []
    assert process.returncode in (0, 143, -signal.SIGTERM, -signal.SIGINT)


def test_what_is_asked_to_end_is_not_run_again_whatever_it_exits_with(run: Run, liveness: Liveness) -> None:
    body = "signal.signal(signal.SIGTERM, lambda *_: os._exit(42))\nconnect('command')\nhang()\n"
    process = run("exec " + liveness.script("command", body))
    liveness.expect("command")

    os.killpg(process.pid, signal.SIGTERM)

    assert _output(process) == []
    assert process.returncode == 42


def test_what_is_asked_to_end_between_two_attempts_ends(run: Run, tmp_path: Path) -> None:
    process = run("exit 5", first_s=3600.0)
    wait_until(lambda: attempts.newest(str(tmp_path / "attempts")).number == 2, "a first failure")
    newest = attempts.newest(str(tmp_path / "attempts"))
    assert "attempt 2 begins in" in (attempts.told(newest) or "")
    assert (attempts.told(newest, ended_at=time.time()) or "").endswith("the job ended before attempt 2")

    os.killpg(process.pid, signal.SIGTERM)

    process.communicate(timeout=PATIENCE_S)
    assert process.returncode == -signal.SIGTERM


@pytest.mark.parametrize(
    ("number", "heeded_s", "runs_again"),
    [
        (signal.SIGINT, 0.0, True),  # the failure comes late: the program had handled it and gone on
        (signal.SIGQUIT, 0.0, True),
        (signal.SIGINT, 3600.0, False),
        (signal.SIGTERM, 0.0, False),  # programs may take their time to shut down
    ],
)
def test_a_failure_long_after_an_interruption_is_one(
    run: Run, liveness: Liveness, number: signal.Signals, heeded_s: float, *, runs_again: bool
) -> None:
    body = f"signal.signal({number.value}, lambda *_: os._exit(3))\nconnect('command')\nhang()\n"
    command = f"test -e before && exit 0; touch before; exec {liveness.script('command', body)}"
    process = run(command, heeded_s=heeded_s)
    liveness.expect("command")

    os.killpg(process.pid, number)

    assert len(_output(process)) == int(runs_again)
    assert process.returncode == (0 if runs_again else 3)


@pytest.fixture
def ignoring() -> Generator[None]:
    """As in a program that a shell has started in the background."""
    numbers = signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.usefixtures("ignoring")
def test_an_attempt_has_signals_and_input_as_if_it_were_the_first(run: Run) -> None:
    told = _output(run("grep -E 'Sig(Blk|Ign)' /proc/self/status; read line; exit 3", most=1))
    lines = [line for line in told if line.startswith("Sig")]
    assert len(lines) == 4
    # The C library has two signals of its own.
    assert all(int(line.split()[1], 16) & 0x7FFFFFFF == 0 for line in lines)


def test_the_back_off_doubles_and_has_an_end() -> None:
    assert [again.delay_s(failures, 1.0) for failures in (1, 2, 3, 7, 8, 10_000)] == [1.0, 2.0, 4.0, 60.0, 60.0, 60.0]


def test_nothing_noted_is_the_first_attempt(tmp_path: Path) -> None:
    path = tmp_path / "attempts"
    for text in (None, "", "{", "[]", '{"attempt": null}', "\n\n"):
        if text is not None:
            path.write_text(text)
        assert attempts.newest(str(path)) == attempts.Attempt(1)
    assert attempts.told(attempts.Attempt(1)) is None


def test_what_is_repeated_is_found_again() -> None:
    argv = ["/bin/bash", "-e", "-c", "serve --port 1"]
    assert attempts.once(attempts.repeated(argv, "/state/attempts")) == argv
