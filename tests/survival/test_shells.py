"""Commands do in a job what they do in the user's own shell."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest

from mcp_background_job.app import build
from mcp_background_job.config import load_settings
from mcp_background_job.core.job import Job
from mcp_background_job.errors import InvalidRequestError, LaunchError
from mcp_background_job.jobdir.layout import StateDir
from mcp_background_job.jobs.inherited.shell import MAX_ARGUMENT
from mcp_background_job.jobs.manager import JobManager
from tests.patience import PATIENCE_S
from tests.survival.support import ended, output_of, printed, start

pytestmark = pytest.mark.real_process

Managers = Callable[[str], JobManager]

SHELLS = {name: shutil.which(name) or f"/no/{name}" for name in ("bash", "zsh")}


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> str:
    """A shell of users."""
    path = SHELLS[request.param]
    if not Path(path).exists():
        pytest.skip(f"{request.param} is not on this machine")
    return path


@pytest.fixture
async def managers(state_dir: str) -> AsyncGenerator[Managers]:
    """Makes managers for users of a shell."""
    made: list[JobManager] = []

    def make(shell: str) -> JobManager:
        made.append(build(load_settings(state_dir=state_dir, shell=shell)))
        return made[-1]

    yield make
    for manager in made:
        manager.close()


#: What one shell knows and ``sh`` does not, or not so.
BASH_ISMS = {
    "array": "a=(x y z); echo ${a[1]} ${#a[@]}",
    "associative array": "typeset -A m; m[k]=v; echo ${m[k]}",
    "append": "a=b; a+=c; echo $a",
    "source": 'echo "echo $0 sourced" > lib; source ./lib',
    "pipefail": "set -o pipefail; false | true",
    "both streams to a file": "{ echo out; echo err >&2; } &> f; cat f",
    "a failure with both streams to a file": "false &> f",
    "both streams to a pipe": "{ echo out; echo err >&2; } |& sort",
    "double brackets": "[[ abc == a* && -n x ]] && echo yes",
    "regular expression": "[[ abc123 =~ ^[a-z]+[0-9]+$ ]]; echo $?",
    "process substitution": "cat <(echo a) <(echo b)",
    "brace expansion": "echo {a,b}{1..3}",
    "ansi quotes": "printf '%s' $'a\\tb\\x41'",
    "echo -e": "echo -e 'a\\tb'",
    "here string": "cat <<< 'a line'",
    "arithmetic": "((x = 3 * 4)); echo $((x ** 2)); ((x == 0))",
    "c for": "for ((i = 0; i < 3; i++)); do echo -n $i; done",
    "substring": "s=abcdef; echo ${s:1:3} ${s: -2}",
    "replacement": "s=a-b-c; echo ${s//-/+} ${s/-/+}",
    "function keyword": "function f { local x=1; return $((x + 2)); }; f",
    "local": "x=1; f() { local x=2; }; f; echo $x",
    "read into": "read -r a b <<< 'one two'; echo $b",
    "printf -v": "printf -v x '%03d' 7; echo $x",
    "select by default": "echo ${nope:-a} ${nope:+b}",
    "let": "let 'x = 5 % 3'; echo $x",
    "declare": "declare -i n=2+3; echo $n",
    "pushd": "mkdir -p d; pushd d > /dev/null; basename $PWD; popd > /dev/null; basename $PWD",
    "extended case": "case abc in a*) echo A ;& b*) echo B ;; esac",
    "time": "time true",
    "trap EXIT": "trap 'echo bye' EXIT; exit 6",
    "trap ERR": "trap 'echo failed' ERR; false; true",
    "kill a job": "sleep 60 & kill $!; wait $!; echo $?",
}

#: What people run.
SCRIPTS = {
    "activate a venv": 'python3 -m venv --without-pip v; source v/bin/activate; echo "$VIRTUAL_ENV"; which python',
    "strict mode": "set -euo pipefail; IFS=$'\\n\\t'; x=$(echo 1); echo $x; grep nothing /etc/hostname | cat; echo no",
    "tput in strict mode": "set -e; R=$(tput setaf 1); N=$(tput sgr0); echo ${R}ok$N",
    "clear in strict mode": "set -e; clear > /dev/null; echo ok",
    "git": "git init -q .; git -c user.name=a -c user.email=b commit -q --allow-empty -m first; git log --format=%s",
    "git, nothing there": "git -C d log",
    "node with colours": "FORCE_COLOR=1 node -e 'console.log(process.stdout.isTTY)'",
    "node in a program that forces colours": (
        "node -e \"require('child_process').execSync('node -e 1', {env: {...process.env, FORCE_COLOR: '1'},"
        " stdio: 'inherit'})\""
    ),
    "psql, no server": "psql -h /nowhere -c 'select 1'",
    "make": "printf 'all:\\n\\t@echo made; false\\n' > Makefile; make",
    "heredoc to python": "python3 - <<'E'\nimport sys\nprint(len(sys.argv))\nsys.exit(9)\nE",
    "retry": "n=0; until [[ $n -ge 3 ]]; do n=$((n + 1)); echo try $n; done; exit $n",
    "find and xargs": "touch 'a b' c; find . -type f -print0 | xargs -0 -n1 basename | sort",
    "background and wait": "(exit 3) & p=$!; wait $p; echo $?; wait; exit 4",
}

_PROGRAMS = ("tput", "clear", "git", "node", "psql", "make", "python3", "xargs")


def _in_the_shell(shell: str, command: str, cwd: Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [shell, "-c", command],
        cwd=cwd,
        env={**os.environ, "TERM": "xterm-256color"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=PATIENCE_S,
        check=False,
    )


def _mode_of(manager: JobManager, job: Job, name: str) -> int | None:
    """Return the permissions of a file of a job, ``None`` if there is none."""
    path = Path(StateDir(manager.state.path).job(job.job_id).path, name)
    return path.stat().st_mode & 0o777 if path.exists() else None


@pytest.mark.parametrize("name", [*BASH_ISMS, *SCRIPTS])
async def test_a_command_does_what_it_does_in_the_user_s_shell(
    managers: Managers, shell: str, name: str, tmp_path: Path
) -> None:
    command = {**BASH_ISMS, **SCRIPTS}[name]
    for program in _PROGRAMS:
        if program in command.replace("'", " ").split() and shutil.which(program) is None:
            pytest.skip(f"{program} is not on this machine")
    (tmp_path / "work").mkdir()
    done = _in_the_shell(shell, command, tmp_path / "work")
    shutil.rmtree(tmp_path / "work")
    (tmp_path / "work").mkdir()
    manager = managers(shell)

    job = await ended(manager, await start(manager, command, cwd=str(tmp_path / "work")))

    assert job.exit_code == done.returncode
    written = output_of(manager, job.job_id)
    if name == "time":  # no two runs take the same
        assert (b"real" in written) is (b"real" in done.stdout)
    else:
        assert sorted(written.splitlines()) == sorted(done.stdout.splitlines())


async def test_a_trap_at_the_exit_runs_when_the_job_is_killed(managers: Managers) -> None:
    manager = managers(SHELLS["bash"])
    job = await start(manager, "trap 'echo saved; exit 0' EXIT; echo ready; sleep 600")
    await printed(manager, job, "ready")

    assert (await manager.kill(job.job_id, by="test")).status == "killed"

    assert output_of(manager, job.job_id).endswith(b"saved\n")


async def test_the_arguments_of_the_shell_are_passed_and_kept_by_a_restart(managers: Managers) -> None:
    job = await start(managers("/bin/sh -e -f"), "echo *; false; echo not reached")
    manager = managers(SHELLS["bash"])

    again = (await manager.restart(job.job_id)).job

    for one in (job, again):
        assert (await ended(manager, one)).exit_code == 1
        assert output_of(manager, one.job_id) == b"*\n"


@pytest.mark.parametrize("size", [MAX_ARGUMENT - 1, MAX_ARGUMENT, 140_000, 3_000_000])
async def test_a_command_of_any_length_runs(managers: Managers, shell: str, size: int) -> None:
    manager = managers(shell)
    frame = "cat <<'END' | wc -c\n{}\nEND\necho $0\nexit 7"
    text = "x'\"$é" * (size // 6)
    text += "y" * (size - len(frame.format(text).encode()) + len("{}") - 2)
    command = frame.format(text)

    job = await ended(manager, await start(manager, command))

    assert job.exit_code == 7
    assert output_of(manager, job.job_id).split() == [str(len(text.encode()) + 1).encode(), shell.encode()]
    assert _mode_of(manager, job, "command") == (0o600 if len(command.encode()) >= MAX_ARGUMENT else None)
    again = (await manager.restart(job.job_id)).job
    assert (await ended(manager, again)).exit_code == 7


async def test_a_variable_above_the_kernel_s_limit_is_named_with_the_limit(manager: JobManager) -> None:
    with pytest.raises(InvalidRequestError, match=r"BIG has 140,000 bytes.*131,072.*stdin_text"):
        await start(manager, "true", env={"SMALL": "1", "BIG": "x" * 140_000})


async def test_too_large_an_environment_is_named_with_its_largest_variable(manager: JobManager) -> None:
    many = {f"V{number}": "x" * 130_000 for number in range(60)} | {"LARGEST": "x" * 130_500}

    with pytest.raises(LaunchError, match=r"LARGEST alone 130,508, and the kernel takes [\d,]+ in all"):
        await start(manager, "true", env=many)


@pytest.mark.parametrize(
    ("stdin", "command", "expected"),
    [
        ("closed", "cat; echo over", b"one\n2\xc3\xa9over\n"),
        ("pipe", "read a; read b; echo $b-$a", b"three-one\n"),
        ("pty", "stty -echo; read a; echo got-$a", b"got-one"),
    ],
)
async def test_a_job_s_input_may_begin_with_a_text(
    manager: JobManager, stdin: str, command: str, expected: bytes
) -> None:
    text = "one\n2é" if stdin == "closed" else "one\nthree\n" if stdin == "pipe" else "one\n"

    first = await start(manager, command, stdin=stdin, stdin_text=text)
    await ended(manager, first)
    again = await ended(manager, (await manager.restart(first.job_id)).job)

    for job in (first, again):
        assert expected in output_of(manager, job.job_id).replace(b"\r\n", b"\n")
        assert _mode_of(manager, job, "stdin") == 0o600


async def test_a_large_text_reaches_a_job_that_reads_slowly(manager: JobManager) -> None:
    text = "0123456789" * 300_000
    for stdin, command in (("closed", "sleep 0.1; wc -c"), ("pipe", f"sleep 0.1; head -c {len(text)} | wc -c")):
        job = await ended(manager, await start(manager, command, stdin=stdin, stdin_text=text))
        assert output_of(manager, job.job_id).strip() == str(len(text)).encode()


@pytest.mark.parametrize("stdin", ["closed", "pty"])
async def test_nothing_sits_in_a_pager(manager: JobManager, tmp_path: Path, stdin: str) -> None:
    if shutil.which("git") is None:
        pytest.skip("git is not on this machine")
    (tmp_path / ".gitconfig").write_text("[core]\npager = less\n[user]\nname = a\nemail = b\n")
    commits = "for n in $(seq 80); do git commit -q --allow-empty -m commit-$n; done"

    job = await start(
        manager,
        f"git init -q r && cd r && {commits}; git log",
        cwd=str(tmp_path),
        stdin=stdin,
        env={"GIT_CONFIG_GLOBAL": str(tmp_path / ".gitconfig")},
    )

    assert (await ended(manager, job)).exit_code == 0
    assert b"commit-1" in output_of(manager, job.job_id)
