"""Slurm's programs, as far as they can be told from others of the same name."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from mcp_background_job.errors import EngineUnreachableError, LaunchError
from mcp_background_job.executors.nodes.watcher import Line
from mcp_background_job.executors.slurm import commands as module
from mcp_background_job.executors.slurm.commands import Commands, UnsureError

Program = Callable[[str, str], None]

_GONE = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Make a program of a name."""

    def program(name: str, body: str) -> None:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    return program


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    users = {"SLURM_JOB_ID": "1", "SECRET": "s", "SBATCH_ACCOUNT": "lab", "SBATCH_WAIT": "1", "SBATCH_ARRAY_INX": "1-9"}
    return Commands({"PATH": f"{tmp_path}:/usr/bin:/bin", **users})


def test_a_submission_is_told_and_its_id_read(program: Program, commands: Commands, tmp_path: Path) -> None:
    program("sbatch", f'printf "%s\\n" "$@" > {tmp_path}/said; env > {tmp_path}/env; cat > {tmp_path}/script; echo 812')
    assert commands.submit(["--comment=mbj:jone", "--job-name=a b"], "#!/bin/sh\n") == "812"
    assert (tmp_path / "said").read_text().splitlines() == ["--parsable", "--comment=mbj:jone", "--job-name=a b"]
    assert (tmp_path / "script").read_text() == "#!/bin/sh\n"
    known = {line.partition("=")[0] for line in (tmp_path / "env").read_text().splitlines()}
    assert known >= {"PATH", "SBATCH_ACCOUNT"}
    assert not known & {"SECRET", "SLURM_JOB_ID", "SBATCH_WAIT", "SBATCH_ARRAY_INX"}


@pytest.mark.parametrize("said", ["813;cluster", "Welcome to the site\n813", "813\n"])
def test_an_id_is_found_behind_what_a_site_tells_everybody(said: str, program: Program, commands: Commands) -> None:
    program("sbatch", f"printf '%s' '{said}'")
    assert commands.submit([], "") == "813"


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (
            "echo 'sbatch: error: Batch job submission failed: Invalid account' >&2; exit 1",
            LaunchError,
            "Slurm refuses the job: Invalid account",
        ),
        (f"echo '{_GONE}' >&2; exit 1", EngineUnreachableError, "nothing was submitted"),
        ("echo 'sbatch: error: Munge encode failed: no socket' >&2; exit 1", EngineUnreachableError, "nothing was"),
        ("echo 'sbatch: error: Socket timed out on send/recv operation' >&2; exit 1", UnsureError, "timed out"),
        (
            "echo 'sbatch: fatal: Could not establish a configuration source' >&2; exit 1",
            EngineUnreachableError,
            "set SLURM_CONF to the slurm.conf of the cluster",
        ),
        ("exit 3", LaunchError, "without a message"),
        ("echo Submitted", UnsureError, "did not say"),
        ("exec sleep 60", UnsureError, "no answer within"),
    ],
)
def test_a_refusal_is_told_from_no_answer(
    body: str,
    kind: type[Exception],
    words: str,
    *,
    program: Program,
    commands: Commands,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "SUBMIT_S", 0.3 if "sleep" in body else 60.0)
    program("sbatch", body)
    with pytest.raises(kind, match=words):
        commands.submit([], "")


def test_the_queue_is_read_with_what_others_have_in_it(program: Program, commands: Commands) -> None:
    program(
        "squeue",
        f"""[ "$1 $2 $3 $4 $5" = "-h -t all -u {os.geteuid()}" ] || exit 9
cat <<'END'
812|RUNNING|mbj:jone|n1|None
813|PENDING|mbj:jtwo||Resources
814|PENDING|(null)||Reason|with a bar
nonsense
END""",
    )
    assert commands.queue() == [
        Line("812", "RUNNING", "jone", "n1", "None"),
        Line("813", "PENDING", "jtwo", "", "Resources"),
        Line("814", "PENDING", "", "", "Reason|with a bar"),
    ]


def test_a_job_that_slurm_does_not_know_is_no_error(program: Program, commands: Commands) -> None:
    program("squeue", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1")
    assert commands.look_up("812") == []


@pytest.mark.parametrize("body", [f"echo '{_GONE}' >&2; exit 1", "exec sleep 60"])
def test_a_silent_controller_is_said_to_be_one(
    body: str, program: Program, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    for constant in ("QUEUE_S", "CANCEL_S"):
        monkeypatch.setattr(module, constant, 0.3 if "sleep" in body else 60.0)
    for name in ("squeue", "scancel", "sinfo", "scontrol"):
        program(name, body)
    for ask in (
        commands.queue,
        lambda: commands.look_up("1"),
        lambda: commands.cancel("1"),
        lambda: commands.nodes(["NodeList"]),
        commands.kill_wait_s,
    ):
        with pytest.raises(EngineUnreachableError):
            ask()


def test_a_machine_without_slurm_is_said_to_be_one() -> None:
    with pytest.raises(EngineUnreachableError, match="put Slurm's programs on the PATH"):
        Commands({"PATH": "/nowhere"}).submit([], "")


def test_a_cluster_that_is_named_and_not_there_is_said_to_be_so_at_once(program: Program, tmp_path: Path) -> None:
    program("squeue", f"touch {tmp_path}/asked")
    with pytest.raises(EngineUnreachableError, match=r"SLURM_CONF is /nowhere/slurm.conf, which does not exist: set "):
        Commands({"PATH": f"{tmp_path}:/usr/bin:/bin", "SLURM_CONF": "/nowhere/slurm.conf"}).queue()
    assert not (tmp_path / "asked").exists()


def test_a_cancel_of_what_is_over_is_no_error(program: Program, commands: Commands, tmp_path: Path) -> None:
    program("scancel", f"echo \"$@\" > {tmp_path}/said; echo 'scancel: error: Invalid job id specified' >&2; exit 1")
    commands.cancel("812", only_pending=True)
    assert (tmp_path / "said").read_text() == "--state=PENDING 812\n"


def test_a_site_that_keeps_its_settings_to_itself_takes_jobs(program: Program, commands: Commands) -> None:
    program("scontrol", "echo 'scontrol: error: not for you' >&2; exit 1")
    assert commands.kill_wait_s() is None


def test_the_settings_and_nodes_of_a_cluster_are_read(program: Program, commands: Commands) -> None:
    program("scontrol", "echo 'KillWait                = 30 sec'; echo 'ClusterName = c'")
    program("sinfo", "printf '%-200s%-200s\\n%-200s%-200s\\n' n1 gpu:2 n2 '(null)'")
    assert commands.settings()["ClusterName"] == "c"
    assert commands.kill_wait_s() == 30.0
    assert commands.nodes(["NodeList", "Gres"]) == [["n1", "gpu:2"], ["n2", "(null)"]]
