"""Processes that SIGKILL did not end: their names in a record, and the kernel's reason why they live."""

from __future__ import annotations

import os

from mcp_background_job.jobdir.boot import boot_id
from mcp_background_job.kernel import tree

#: Cgroups of version 1 can freeze processes here; those of version 2 let SIGKILL through.
_FREEZER = "/sys/fs/cgroup/freezer"

_FROZEN = "frozen in a cgroup: SIGKILL takes effect when it is thawed"
_ASLEEP = "asleep in the kernel, most likely waiting for a disk or a network file system"
_UNEXPLAINED = "the kernel does not say why"


def mark_of(process: tree.Process) -> str:
    """Return the identity of a process, which no other process ever has: ``pid-start-boot``."""
    return f"{process.pid}-{process.start}-{boot_id()}"


def living(marks: list[str]) -> list[tree.Process]:
    """Return those of the marked processes that are alive."""
    pids = [int(pid) for mark in marks if (pid := mark.partition("-")[0]).isdecimal()]
    found = [process for pid in pids if (process := tree.look_up(pid))]
    return [process for process in found if process.is_alive and mark_of(process) in marks]


def explained(pids: list[int]) -> str:
    """Return the processes in words, with the reason why each lives: ``12, 13 (frozen …); 14 (asleep …)``."""
    told: dict[str, list[int]] = {}
    for pid in pids:
        told.setdefault(_why(pid), []).append(pid)
    return "; ".join(f"{', '.join(map(str, group))} ({why})" for why, group in told.items())


def _why(pid: int) -> str:
    process = tree.look_up(pid)
    if process is None or not process.is_alive:
        return "gone by now"
    if (user := _foreign_user(pid)) is not None:
        return f"of user {user}, whose processes this user may not signal"
    if _is_frozen(pid):
        return _FROZEN
    return _ASLEEP if process.state == "D" else _UNEXPLAINED


def _foreign_user(pid: int) -> int | None:
    try:
        os.kill(pid, 0)  # noqa: TID251  no signal is sent
    except PermissionError:
        return os.stat(f"/proc/{pid}").st_uid
    except OSError:  # it has just ended
        return None
    return None


def _is_frozen(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/cgroup") as file:
            groups = [line.rstrip("\n").split(":", 2) for line in file]
        path = next(path for _, controllers, path in groups if "freezer" in controllers.split(","))
        with open(f"{_FREEZER}{path}/freezer.state") as file:
            return file.read().strip() != "THAWED"
    except (OSError, ValueError, StopIteration):  # it is gone, or there are no such cgroups here
        return False
