"""What ``doctor`` says of MCP_BG_ON_END: whether its program is there, and where it has failed lately."""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
from dataclasses import field
from pathlib import Path

from mcp_background_job.core.job import Job, JobChoice, how_it_ended
from mcp_background_job.core.naming import NO_PROJECT
from mcp_background_job.core.states import Outcome
from mcp_background_job.core.values import frozen
from mcp_background_job.jobdir.at_end import PREFIX
from mcp_background_job.jobs.manager import JobManager

#: So many failures are shown, and so many jobs of ours are looked through for them.
_SHOWN = 3
_LOOKED_AT = 100

#: A shell that looks a name up takes milliseconds.
_PATIENCE_S = 10.0


@frozen
class AtEnds:
    """What is known of the command that is run at ends.

    Attributes:
        is_set: whether there is one.
        program: what it begins with; empty if that cannot be told.
        is_found: whether /bin/sh knows that.
        failures: the last ones, newest first, in words.
    """

    is_set: bool = False
    program: str = ""
    is_found: bool = False
    failures: list[str] = field(default_factory=list[str])

    @property
    def told(self) -> str:
        """The same in a line."""
        found = "" if not self.program else f", {self.program} is {'found' if self.is_found else 'not found'}"
        failed = f"; last failures: {', '.join(self.failures)}" if self.failures else ""
        return f"{'set' if self.is_set else 'not set'}{found}{failed}"


async def look(manager: JobManager) -> AtEnds:
    """Look at the command of a manager, and at where such have failed, whoever had set them."""
    program = program_of(manager.on_end)
    return AtEnds(
        is_set=bool(manager.on_end),
        program=program,
        is_found=bool(program) and await asyncio.to_thread(_is_known, program),
        failures=await _failures(manager),
    )


def program_of(command: str) -> str:
    """Return what a command line of a shell runs first, empty if that cannot be told without one."""
    try:
        words = shlex.split(command)
    except ValueError:  # a quote that nobody closes
        return ""
    word = next((word for word in words if not word.partition("=")[0].isidentifier() or "=" not in word), "")
    return word if word.isprintable() and not set(word) & set("$`();&|<>*?") else ""


def _is_known(program: str) -> bool:
    argv = ["/bin/sh", "-c", 'command -v -- "$1"', "sh", program]
    try:
        return subprocess.run(argv, capture_output=True, timeout=_PATIENCE_S, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


async def _failures(manager: JobManager) -> list[str]:
    of_jobs = await asyncio.to_thread(_troubles, Path(manager.state.jobs))
    statuses = (Outcome.FAILED.value, Outcome.KILLED.value, Outcome.TIMED_OUT.value, Outcome.LOST.value)
    ours = await manager.list(JobChoice(statuses=statuses, project=NO_PROJECT), limit=_LOOKED_AT)
    of_comfyui = [(job.ended_at or 0.0, _told(job)) for job in ours if (job.name or "").startswith(PREFIX)]
    return [told for _, told in sorted(of_jobs + of_comfyui, reverse=True)[:_SHOWN]]


def _told(job: Job) -> str:
    return f"job {job.job_id} for {(job.name or '').removeprefix(PREFIX)}: {how_it_ended(job)}"


def _troubles(jobs: Path) -> list[tuple[float, str]]:
    found: list[tuple[float, Path]] = []
    for directory in os.scandir(jobs) if jobs.is_dir() else ():
        trouble = Path(directory.path, "on_end.trouble")
        try:
            found.append((trouble.stat().st_mtime, trouble))
        except OSError:  # nearly always: there was none
            continue
    newest = sorted(found, reverse=True)[:_SHOWN]
    return [(at, f"job {path.parent.name}: {_read(path)}") for at, path in newest]


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError as error:
        return f"why cannot be read: {error.strerror}"
