"""The runner in the foreground of what an engine has started: once, ended by its signal, and exiting as the job did."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mcp_background_job.jobdir import records
from mcp_background_job.jobdir.boot import machine
from mcp_background_job.jobdir.log import reader as logreader
from mcp_background_job.jobdir.records import Exit, Status
from mcp_background_job.runner import on_end
from mcp_background_job.runner.node.main import exit_status
from mcp_background_job.runner.node.site import _ends_at
from tests.conftest import Liveness
from tests.nodes.support import end_of, finish, record, start, wait_for_output
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.real_process

#: What ignores the polite signal, and what has left the session of the job.
_STUBBORN = """
ignore(signal.SIGTERM)
connect("stubborn")
daemon(lambda: ignore(signal.SIGTERM), lambda: connect("orphan"))
hang()
"""


def test_of_two_runners_of_one_job_one_runs_it_and_the_other_says_who_does(tmp_path: Path) -> None:
    job = record(tmp_path, "jonce", "echo once >> $OWN_FILE", env={"OWN_FILE": str(tmp_path / "made")})
    runners = [start(tmp_path, job, SLURM_JOB_ID=number) for number in ("5", "6")]
    ended = [finish(runner) for runner in runners]
    assert [status for status, _ in ended] == [0, 0]
    said = [output for _, output in ended if output]
    claim = json.loads(Path(job.claim).read_bytes())
    who = f"job {claim['native_id']} of the cluster, on n1"
    # The first may not have written down yet who it is; later the answer is always there.
    assert said in ([f"job jonce is not run again: {each} has it\n"] for each in (who, "another one"))
    assert finish(start(tmp_path, job, SLURM_JOB_ID="7")) == (0, f"job jonce is not run again: {who} has it\n")
    assert claim["machine"] == machine()
    assert (tmp_path / "made").read_text() == "once\n"


def test_a_job_that_was_withdrawn_while_it_waited_is_not_run(tmp_path: Path) -> None:
    job = record(tmp_path, "jgone", "echo ran")
    records.write(job.exit, records.encode(Exit(outcome="killed", ended_at=1.0, reason="withdrawn")))
    assert finish(start(tmp_path, job)) == (0, "job jgone is not run: it has ended\n")
    assert not os.path.exists(job.log)


def test_a_job_that_cannot_be_started_fails_with_the_node_and_the_reason(tmp_path: Path) -> None:
    job = record(tmp_path, "jnowd", "echo ran", cwd="/nowhere/at/all")
    why = "cannot use /nowhere/at/all as the working directory: No such file or directory"
    sentence = f"not started on n1: {why}; give one that all nodes share"
    assert finish(start(tmp_path, job)) == (127, f"{sentence}\n")
    assert (end_of(job).outcome, end_of(job).reason) == ("failed", sentence)


def test_what_is_to_be_run_at_the_end_is_run_on_the_node_once_and_waited_for(tmp_path: Path) -> None:
    told = tmp_path / "told"
    job = record(tmp_path, "jtold", "exit 3", on_end=f'echo "$MCP_BG_JOB_ID $MCP_BG_STATUS" >> {told}; echo said')
    assert finish(start(tmp_path, job)) == (3, "")
    assert told.read_text() == "jtold failed\n"
    assert Path(job.on_end_log).read_text() == "said\n"
    # As a server does that has taken it for lost: in a process of its own, since that one becomes a subreaper.
    program = Path(on_end.__file__).with_name("__main__.py")
    subprocess.run([sys.executable, "-I", "-S", program, "--on-end", job.path], check=True, timeout=PATIENCE_S)
    assert told.read_text() == "jtold failed\n"


def test_what_a_server_has_begun_to_run_at_the_end_is_not_run_on_the_node(tmp_path: Path) -> None:
    told = tmp_path / "told"
    job = record(tmp_path, "jsaid", "true", on_end=f"echo again >> {told}")
    Path(job.on_end_log).touch()
    assert finish(start(tmp_path, job)) == (0, "")
    assert not told.exists()


def test_an_end_is_told_of_a_job_that_could_not_be_started(tmp_path: Path) -> None:
    told = tmp_path / "told"
    job = record(tmp_path, "jnone", "echo ran", cwd="/nowhere", on_end=f'echo "$MCP_BG_STATUS" > {told}')
    assert finish(start(tmp_path, job))[0] == 127
    assert told.read_text() == "failed\n"


def test_a_full_disk_on_the_node_hides_no_end_and_loses_bytes_that_are_counted(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    mount = ["/bin/mount", "-t", "tmpfs", "-o", "size=4m,mode=0700", "tmpfs", str(root)]
    if (mounted := subprocess.run(mount, capture_output=True, check=False)).returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        job = record(root, "jfull", "head -c 8000000 /dev/zero; exit 3")
        assert finish(start(root, job)) == (3, "")
        assert (end_of(job).outcome, end_of(job).exit_code) == ("failed", 3)
        size = logreader.extent(job)[1]
        lost = sum(gap.count for gap in logreader.missing(job, 0, size + 1))
        assert (lost > 0, size + lost) == (True, 8_000_000)
        unstarted = record(root, "jnext", "echo ran")
        status, said = finish(start(root, unstarted))
        assert status != 0
        assert "No space left on device" in said
    finally:
        subprocess.run(["/bin/umount", "-l", str(root)], check=True)


@pytest.mark.parametrize(
    ("end", "status", "outcome"),
    [("", 143, "killed"), ("NONE", 143, "killed"), ("soon", 124, "timed_out"), ("noted", 124, "timed_out")],
)
def test_the_engines_signal_ends_all_of_a_hostile_tree_before_it_sends_sigkill(
    end: str, status: int, outcome: str, tmp_path: Path, liveness: Liveness
) -> None:
    job = record(tmp_path, "jtree", liveness.script("tree", _STUBBORN))
    ends_at = str(int(time.time()) + 60) if end == "soon" else "" if end == "noted" else end
    if end == "noted":
        in_a_minute = time.localtime(time.time() + 60)
        Path(f"{job.path}/ends_at").write_text(time.strftime("%Y-%m-%dT%H:%M:%S\n", in_a_minute))
    runner = start(tmp_path, job, MCP_BG_KILL_WAIT_S="2.5", MCP_BG_ENDS_AT=ends_at)
    liveness.expect("stubborn", "orphan")
    runner.send_signal(signal.SIGTERM)
    assert finish(runner) == (status, "")
    liveness.assert_dead("stubborn", "orphan")
    end_record = end_of(job)
    assert end_record.outcome == outcome
    assert end_record.stop_requested
    assert end_record.stop_requested.grace_s == 0.5, "two seconds of the engine's patience are kept"
    assert len(end_record.killed_pids) >= 2


def test_a_job_that_the_engine_ends_together_with_its_runner_is_killed_not_failed(tmp_path: Path) -> None:
    job = record(tmp_path, "jboth", "echo up; exec sleep 1000")
    runner = start(tmp_path, job)
    wait_for_output(job, "up")
    status = records.read(Status, job.status)
    assert status
    assert status.pid
    assert status.machine == machine()
    runner.send_signal(signal.SIGSTOP)  # it hears of both at once
    os.kill(status.pid, signal.SIGTERM)
    runner.send_signal(signal.SIGTERM)
    runner.send_signal(signal.SIGCONT)
    assert finish(runner) == (143, "")
    assert end_of(job).outcome == "killed"


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (Exit(outcome="completed", ended_at=1.0, exit_code=0), 0),
        (Exit(outcome="failed", ended_at=1.0, exit_code=3), 3),
        (Exit(outcome="failed", ended_at=1.0, signal="SIGSEGV"), 139),
        (Exit(outcome="killed", ended_at=1.0, exit_code=0), 143),
        (Exit(outcome="timed_out", ended_at=1.0, signal="SIGKILL"), 124),
        (Exit(outcome="failed", ended_at=1.0), 70),
    ],
)
def test_the_engine_learns_from_the_exit_status_how_a_job_ended(end: Exit, status: int) -> None:
    assert exit_status(end) == status


@pytest.mark.parametrize("text", ["", "NONE", "N/A", "Unknown", "2026-13-45T00:00:00"])
def test_an_end_that_is_none_is_no_end(text: str) -> None:
    assert _ends_at(text) is None


def test_an_end_is_read_as_squeue_prints_it() -> None:
    now = int(time.time())
    assert _ends_at(time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(now))) == now
    assert _ends_at(str(now)) == now
