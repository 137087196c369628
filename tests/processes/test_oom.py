"""What the kernel counts of those that it kills for want of memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcp_background_job.core.aftermath import out_of_memory, sigkill
from mcp_background_job.kernel.oom import count_in, files_of, killed

UNIFIED = "0::/user.slice/user-1000.slice/session-2.scope\n"
DOCKER = "0::/\n"
MIXED = "12:cpu,cpuacct:/\n4:memory:/docker/1f2e\n1:name=systemd:/docker/1f2e\n0::/docker/1f2e\n"
V1_ROOT = "9:memory:/\n"
NO_MEMORY = "1:name=systemd:/init.scope\n"

EVENTS = "low 0\nhigh 0\nmax 812\noom 3\noom_kill 2\noom_group_kill 0\n"
OOM_CONTROL = "oom_kill_disable 0\nunder_oom 0\noom_kill 7\n"


@pytest.mark.parametrize(
    ("own", "files"),
    [
        (UNIFIED, ["/c/user.slice/user-1000.slice/session-2.scope/memory.events", "/c/memory.events"]),
        (DOCKER, ["/c/memory.events", "/c/memory.events"]),
        (MIXED, ["/c/memory/docker/1f2e/memory.oom_control", "/c/memory/memory.oom_control"]),
        (V1_ROOT, ["/c/memory/memory.oom_control", "/c/memory/memory.oom_control"]),
        (NO_MEMORY, []),
        ("", []),
    ],
)
def test_the_count_stands_in_the_cgroup_that_limits_memory(own: str, files: list[str]) -> None:
    assert files_of(own, "/c") == files


@pytest.mark.parametrize(
    ("text", "count"),
    [(EVENTS, 2), (OOM_CONTROL, 7), ("oom_kill_disable 0\nunder_oom 0\n", None), ("oom_kill none\n", None), ("", None)],
)
def test_the_count_is_that_of_kills_alone(text: str, count: int | None) -> None:
    assert count_in(text) == count


def test_the_first_file_that_is_there_counts(tmp_path: Path) -> None:
    own = tmp_path / "cgroup"
    own.write_text(UNIFIED)
    assert killed(str(tmp_path), str(own)) is None
    (tmp_path / "memory.events").write_text(EVENTS.replace("oom_kill 2", "oom_kill 9"))
    assert killed(str(tmp_path), str(own)) == 9
    scope = tmp_path / "user.slice/user-1000.slice/session-2.scope"
    scope.mkdir(parents=True)
    (scope / "memory.events").write_text(EVENTS)
    assert killed(str(tmp_path), str(own)) == 2
    assert killed(str(tmp_path), str(tmp_path / "none")) is None


def test_a_sigkill_is_the_kernel_s_if_that_counts_one() -> None:
    assert "perhaps the kernel was out of memory" in sigkill(None)
    assert sigkill(1).startswith("killed by the kernel for want of memory")
    assert "memory was not the cause: its cgroup counts no oom_kill" in sigkill(0)
    assert "killed 3 processes in its cgroup" in out_of_memory(3)
