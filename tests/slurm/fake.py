"""A Slurm without nodes: it takes jobs, says what it is told to say of them, and can be silent or forgetful."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mcp_background_job.errors import EngineUnreachableError, LaunchError
from mcp_background_job.executors.nodes.watcher import Line
from mcp_background_job.executors.slurm.commands import COMMENT, Commands, UnsureError
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.records import Exit, Status, encode


class FakeSlurm(Commands):
    """Answers instead of Slurm's programs.

    Attributes:
        jobs: what it has, by its ids.
        is_silent: it does not answer.
        loses_answers: it takes submissions, and its answers to them get lost.
        is_deaf: it takes requests to end jobs, and ends none.
        refuses: with what words, if it does.
        scripts: of the submissions.
        asked: of which program what was asked, in order.
    """

    def __init__(self) -> None:
        super().__init__({"PATH": "/nowhere"})
        self.jobs: dict[str, Line] = {}
        self.is_silent = False
        self.loses_answers = False
        self.is_deaf = False
        self.refuses = ""
        self.submissions: list[list[str]] = []
        self.scripts: list[str] = []
        self.asked: list[str] = []
        self._ids = itertools.count(800)
        self._turn = threading.Lock()

    def submit(self, arguments: Sequence[str], script: str) -> str:
        self._ask("sbatch")
        if self.refuses:
            raise LaunchError(f"Slurm refuses the job: {self.refuses}")
        with self._turn:
            self.submissions.append(list(arguments))
            self.scripts.append(script)
            native_id = str(next(self._ids))
            comment = next(word for word in arguments if word.startswith("--comment="))
            job_id = comment.removeprefix(f"--comment={COMMENT}")
            self.jobs[native_id] = Line(native_id, "PENDING", job_id, "", "Priority")
        if self.loses_answers:
            raise UnsureError("sbatch gave no answer")
        return native_id

    def queue(self) -> list[Line]:
        self._ask("squeue")
        return list(self.jobs.values())

    def look_up(self, native_id: str) -> list[Line]:
        self._ask("squeue -j")
        return [self.jobs[native_id]] if native_id in self.jobs else []

    def cancel(self, native_id: str, *, only_pending: bool = False) -> None:
        self._ask(f"scancel{' pending' if only_pending else ''} {native_id}")
        line = self.jobs.get(native_id)
        if line and not self.is_deaf and (line.state == "PENDING" or not only_pending):
            self.say(native_id, "CANCELLED")

    def nodes(self, fields: Sequence[str]) -> list[list[str]]:
        self._ask("sinfo")
        return [["n1", "main*", "idle", "0/8/0/8", "gpu:1", "gpu:0"]] if fields else []

    def kill_wait_s(self) -> float | None:
        return 7.0

    def say(self, native_id: str, state: str, nodes: str = "", reason: str = "None") -> None:
        """Have it say this of a job from now on."""
        self.jobs[native_id] = self.jobs[native_id]._replace(state=state, nodes=nodes, reason=reason)

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.is_silent:
            raise EngineUnreachableError("Slurm does not answer: it is silent")


def claimed(job: JobDir, native_id: str, node: str = "n1") -> None:
    """Do what a runner does first."""
    claim = {"machine": "another", "boot_id": "b", "pid": 1, "native_id": native_id, "node": node}
    put(job.claim, json.dumps(claim).encode())


def runs(job: JobDir, native_id: str) -> None:
    """Do what a runner does whose job runs."""
    claimed(job, native_id)
    status = Status(state="running", boot_id="other", runner_pid=1, pid=4, started_at=time.time(), machine="other")
    put(job.status, encode(status))


def ended(job: JobDir, outcome: str = "completed", **how: object) -> None:
    """Do what a runner does last."""
    facts: dict[str, Any] = {"ended_at": 1.0, "exit_code": 0, "started_at": 0.5, **how}
    put(f"{job.exit}.new", encode(Exit(outcome=outcome, **facts)))
    Path(f"{job.exit}.new").replace(job.exit)


def put(path: str, content: bytes) -> None:
    """Write a file."""
    Path(path).write_bytes(content)
