"""A shell that tells how the stages of its pipeline ended does everything else as it would without."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from mcp_background_job.core.job import Job
from mcp_background_job.core.telling import telling
from mcp_background_job.core.waiting import Kind, Until
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.records import Spec
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.request import StartRequest
from mcp_background_job.jobs.waiting.wait import WaitRequest
from mcp_background_job.runner.stages import Stages
from tests.patience import PATIENCE_S
from tests.survival.support import ended, exit_of

pytestmark = pytest.mark.real_process

#: What commands do, and how the stages of their last pipeline end; ``None``: they are not to be told.
SHAPES: list[tuple[str, list[int] | None]] = [
    ("(exit 3) | cat", [3, 0]),
    ("true | true", [0, 0]),
    ("(exit 1) | (exit 2) | (exit 4)", [1, 2, 4]),
    ("yes | head -n 1", [141, 0]),
    ("echo a; (exit 3) | cat; echo $?", []),
    ('echo "$_" | cat; echo "$_" "$?"', []),
    ("(exit 3) | cat || exit 9", None),
    ("! (exit 3) | cat", [3, 0]),
    ("{ (exit 3) | cat; }", None),
    ("for i in 1 2; do (exit $i) | cat; done", None),
    ("if (exit 3) | cat; then echo yes; fi", None),
    ("set -eux; for i in 1 2; do (exit $i) | wc -c; done; echo $-", []),
    ("(exit 3) | cat && sh -c 'kill -SEGV $$'", None),
    ("(exit 3) | cat; sh -c 'kill -SEGV $$'", None),
    ("(exit 3) | cat || sh -c 'kill -SEGV $$'", None),
    ("{ true | true; sh -c 'exit 9'; }", None),
    ("f() { (exit 3) | cat; echo $FUNCNAME; }; f; f | cat; declare -f | wc -l; set | grep -c mcp", None),
    ("set -v; true | true; echo $LINENO", None),
    ("sleep 0 & (exit 3) | cat; wait; echo $? $BASH_SUBSHELL", None),
    ("set -eu; (exit 3) & wait $! 2>&1 || echo caught $? >&2; echo $-", None),
    ("(exit 3) & x=$!; wait $x; echo $? ${_##*[0-9]}; wait; wait $x 2> /dev/null; echo $?", None),
    ("set -u; true; for i in 1 2; do (exit $i) & done; wait; echo $? ${x-unset}; set | grep -c mcp", None),
    ("f() { false & wait; echo $? ${REPLY-none}; }; f; true & false", None),
    ("sleep 60 & kill $!; wait $!; echo $?", None),
    ("set -C; set -o posix; no-such-command & wait; echo $?", None),
    ("(exit 4) | cat; (exit 3); (exit 5)", None),
    ("while read -r x; do echo $x | (exit 6); done <<< a; trap; jobs; echo ${#DIRSTACK}", None),
    ("(exit 3) | cat # a comment at the end", [3, 0]),
    ("(exit 3) |\n cat\n\n", [3, 0]),
    ("cat <<EOF | tr a b\n$HOME a 'x\nEOF\n", [0, 0]),
    ("cat <<EOF | tr a b\nan end that is missing", [0, 0]),
    ("f() { (exit 3) | cat; return 5; }; f | cat", [5, 0]),
    ("set -e; (exit 3) | cat", [3, 0]),
    ("set -e; (exit 3) | (exit 6); echo never", []),
    ("set -eu; echo $undefined | cat", None),
    ("set -x; (exit 3) | cat", [3, 0]),
    ("set -C; echo a > out; (exit 3) | cat", [3, 0]),
    ("set -f; echo * | cat", None),
    ("exit 7; true | true", None),
    ("true | true; exit 7", None),
    ("exec cat /dev/null; true | true", None),
    ("(exit 3) | exec cat", None),
    ("IFS=0; (exit 100) | (exit 10)", [100, 10]),
    ("printf() { echo mine; }; printf | cat", [0, 0]),
    ("true | (exit 3", None),
    ("fi | cat", None),
    ("if true; then (exit 3); fi | cat", [3, 0]),
    ("for i in 1 2; do echo $i; done | tail -n 1", [0, 0]),
    ("kill -TERM $$ | cat; sleep 60 | cat", None),
    ("(trap 'echo inner' EXIT; exit 3) | cat", []),
    ('echo "$0 $# $PPID $-" | sed s/x/y/', [0, 0]),
    ("env | grep -c -E '^(BASH.ENV|ZDOT.IR)=' | cat", [0, 1, 0]),
    ("sh -c 'exit 3 | cat; exit 9' | cat", [9, 0]),
    ("trap | cat; (exit 3) | cat", []),
    ("ulimit -f 0; (exit 3) | cat", []),
    ("ulimit -n 4; (exit 3) & wait $!; echo $?", None),
    ("set -r; (exit 3) | cat; echo x > out; echo $?", None),
    ("eval 'tr''ap'; for i in 1 2; do (exit $i) | cat; done; echo $i", None),
    ("no-such-command-anywhere | cat", [127, 0]),
]


@pytest.mark.parametrize("name", ["bash", "zsh"])
def test_the_shell_does_as_it_would_without(name: str, tmp_path: Path) -> None:
    shell = shutil.which(name)
    if shell is None:
        pytest.skip(f"{name} is not installed")
    home = tmp_path / "home"
    for number, (command, stages) in enumerate(SHAPES):
        job = JobDir(str(tmp_path / f"job {number}"))
        os.mkdir(job.path)
        plain, _ = _run(shell, command, home, job, tells=False)
        like_it, told = _run(shell, command, home, job, tells=True)
        assert (command, like_it) == (command, plain)
        if stages is not None:
            assert (command, told) == (command, stages)


def _run(
    shell: str, command: str, home: Path, job: JobDir, *, tells: bool
) -> tuple[tuple[int, bytes, bytes], list[int]]:
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    told = telling(command, Path(shell).name)
    spec = Spec(
        job_id="j",
        command=command,
        argv=[shell, "-c", command],
        cwd=str(home),
        env={"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C"},
        created_at=0.0,
        cookie="",
        max_output=0,
        max_jobs=1,
        tells_stages=tells and told.at_end,
        tells_passed=tells and told.passed,
        pipelines=["\n".join(names) for names in told.told],
        background=list(told.background) if tells else [],
        tells_each=tells and told.each,
    )
    stages = Stages(job, spec)
    done = subprocess.run(
        spec.argv,
        env=stages.environment(spec.env),
        cwd=home,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE_S,
        check=False,
    )
    # Stages run at the same time: which of them is traced first is chance.
    return (done.returncode, done.stdout, b"".join(sorted(done.stderr.splitlines(keepends=True)))), stages.read()


@pytest.mark.parametrize(
    ("command", "passed"),
    [
        ("(exit 3) | cat > log && echo built", [[3, 0]]),
        ("true | (exit 4); (exit 5) | cat; ls", [[5, 0]]),
        ("if (exit 1) | cat; then (exit 2) | cat; fi; (exit 1) | cat; echo $?", [[1, 0], [2, 0]]),
        ("(exit 6) | while read -r x; do echo $x; done; exit 0", [[6, 0]]),
        ("IFS=; set -euC; { true | (exit 8) | cat; }; printf done", [[0, 8, 0]]),
        ("true | cat; echo", []),
        ("f() { (exit 3) | cat; }; f; true | true; echo", []),
        ("(exit 3) | cat && sh -c 'exit 0'", []),
    ],
)
def test_bash_tells_of_a_pipeline_that_is_not_the_last_command(
    command: str, passed: list[list[int]], tmp_path: Path
) -> None:
    shell = shutil.which("bash")
    if shell is None:
        pytest.skip("bash is not installed")
    _run(shell, command, tmp_path / "home", JobDir(str(tmp_path)), tells=True)
    written = tmp_path / "stages.passed"
    lines = written.read_text().splitlines() if written.exists() else []
    assert [[int(code) for code in line.split()] for line in lines] == passed


async def started_in(shell: str, manager: JobManager, command: str) -> Job:
    return (await manager.start(StartRequest(command=command, shell=(shell,)))).job  # noqa: S604  it names a shell


async def test_a_job_whose_pipeline_hides_a_failure_says_so(manager: JobManager, state_dir: str) -> None:
    command = "sh -c 'echo found 2 errors; exit 3' | tail -n 5"
    job = await started_in("/bin/bash", manager, command)
    end = await ended(manager, job)
    assert (end.status, end.exit_code) == ("completed", 0)
    assert end.reason == (
        "an earlier stage of its pipeline, `sh -c 'echo found 2 errors; exit 3'`, exited 3 "
        "(exit codes of the stages: 3, 0)"
    )
    assert exit_of(state_dir, job.job_id).stages == [3, 0]


async def test_one_that_is_not_the_last_command_says_so_while_the_job_lives_and_when_it_has_ended(
    manager: JobManager, state_dir: str
) -> None:
    command = "grep x /dev/null | sort | wc -l; (exit 7) | cat; sleep 600 & echo up"
    job = await started_in("/bin/bash", manager, command)
    await manager.wait(job, WaitRequest(until=Until(Kind.EXIT), wait_s=PATIENCE_S, from_start=True))
    sentence = "an earlier stage of its pipeline, `(exit 7)`"
    assert sentence in ((await manager.details(job.job_id)).note or "")
    await manager.kill(job.job_id, by="test")
    assert sentence in exit_of(state_dir, job.job_id).reason


@pytest.mark.parametrize(
    ("shell", "command"),
    [
        ("/bin/sh", "(exit 3) | cat"),
        ("/bin/bash", "trap 'echo bye' EXIT; (exit 3) | cat"),
        ("/bin/bash", "f() { (exit 3) | cat; }; f; echo done"),
    ],
)
async def test_where_the_shell_cannot_tell_it_is_said_whose_code_it_is(
    manager: JobManager, shell: str, command: str
) -> None:
    job = await started_in(shell, manager, command)
    end = await ended(manager, job)
    assert end.status == "completed"
    assert end.reason == (
        "the exit code of a pipeline is that of its last stage: whether `(exit 3)` failed is not known"
    )
