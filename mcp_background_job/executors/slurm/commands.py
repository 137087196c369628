"""The only door to Slurm: ``sbatch``, ``squeue``, ``scancel``, ``sinfo``, ``scontrol`` and ``srun``, with deadlines.

Every method waits for another program: call it in a thread of its own. Of our own environment, Slurm's programs get
only where the cluster is, and what the user has set for ``sbatch``. A job's environment travels in its files, and the
variables of a Slurm job around us must not become wishes of the next job.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from collections.abc import Generator, Sequence
from typing import Literal

from mcp_background_job.core.values import frozen
from mcp_background_job.errors import EngineUnreachableError, LaunchError
from mcp_background_job.executors.nodes.watcher import Line

#: Seconds. A busy controller takes some seconds. Slurm's programs give up a missing controller after nine, and a
#: hanging one after ten or more.
SUBMIT_S = 20.0
QUEUE_S = 12.0
CANCEL_S = 12.0

#: The beginning of the comment of our Slurm jobs; the id of our job follows.
COMMENT = "mbj:"

#: The variables that Slurm's programs get from our environment: who we are, where the cluster is, how to prove that,
#: and the user's wishes for every submission.
_KEPT = ("PATH", "HOME", "USER", "LOGNAME", "SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_JWT")
_KEPT_PREFIX = "SBATCH_"

#: What users may set for their own submissions, and what must not hold for ours: several jobs, waiting for the end, and
#: files for stdin and stderr, relative to a directory that is not ours.
_NOT_KEPT = ("SBATCH_ARRAY_INX", "SBATCH_WAIT", "SBATCH_INPUT", "SBATCH_ERROR")

#: Slurm's words if it was certainly not asked.
_NOT_TOLD = (
    "connect failure",
    "unable to contact slurm controller",
    "unable to locate",
    "munge encode failed",
    "configuration source",
    "configuration file",
)

#: Slurm's words if its programs do not know where the cluster is.
_NO_CLUSTER = ("configuration source", "configuration file")
_CURE = "set SLURM_CONF to the slurm.conf of the cluster"

#: Slurm's words if it may have been asked, and its answer was not received.
_UNSURE = ("timed out", "zero bytes", "communication connection failure", "unexpected message")

#: Characters of Slurm's own words in an error.
_TOLD = 300

_FIELDS = "%i|%T|%k|%N|%r"

Control = Literal["srun", "tcp"]


class UnsureError(Exception):
    """Slurm was asked something, or may have been, and did not confirm it."""


@frozen
class _Answer:
    code: int
    out: str
    err: str

    @property
    def is_silence(self) -> bool:
        """Whether Slurm did not answer."""
        return self.code != 0 and any(part in self.err.lower() for part in (*_NOT_TOLD, *_UNSURE))

    @property
    def words(self) -> str:
        """Slurm's complaints, without the names of its programs."""
        lines = [
            line.rpartition(": error: ")[2].removeprefix("Batch job submission failed: ").strip()
            for line in self.err.splitlines()
            if line.strip()
        ]
        told = "; ".join(dict.fromkeys(lines))[:_TOLD] or f"exit {self.code} without a message"
        return f"{told}: {_CURE}" if any(part in self.err for part in _NO_CLUSTER) else told


class Commands:
    """Runs Slurm's programs."""

    def __init__(self, environment: dict[str, str], *, control: Control = "srun") -> None:
        """Takes our environment, and the way to runners on nodes."""
        self.environment = {
            name: value
            for name, value in environment.items()
            if name in _KEPT or (name.startswith(_KEPT_PREFIX) and name not in _NOT_KEPT)
        }
        self.control: Control = control
        #: Distinguishes this cluster from others of this user; empty for this machine's default cluster.
        self.cluster = self.environment.get("SLURM_CONF", "")
        self._kill_wait: str | None = None
        self._asking: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()

    def submit(self, arguments: Sequence[str], script: str) -> str:
        """Submit a batch script; returns Slurm's id of the job.

        Raises:
            LaunchError: Slurm refuses it; nothing was submitted.
            EngineUnreachableError: Slurm could not be asked; nothing was submitted.
            UnsureError: it may have been submitted.
        """
        answer = self._run(["sbatch", "--parsable", *arguments], SUBMIT_S, script)
        if answer.code:
            self._check_told(answer)
            raise LaunchError(f"Slurm refuses the job: {answer.words}")
        # Other lines are a site's messages to everybody who submits.
        native_id = next((line for line in reversed(answer.out.split()) if line[:1].isdecimal()), "").split(";")[0]
        if not native_id.isdecimal():
            raise UnsureError(f"sbatch did not say which job it submitted: {answer.out[:_TOLD]!r}")
        return native_id

    def queue(self) -> list[Line]:
        """Return all Slurm jobs of this user, including those that ended a while ago.

        Raises:
            EngineUnreachableError: Slurm does not answer.
        """
        return self._lines(["-u", str(os.geteuid())])

    def look_up(self, native_id: str) -> list[Line]:
        """Return the entries of one Slurm job, a list of one or none; it is empty if Slurm does not know the job.

        Raises:
            EngineUnreachableError: Slurm does not answer.
        """
        return self._lines(["-j", native_id])

    def cancel(self, native_id: str, *, only_pending: bool = False) -> None:
        """Ask Slurm to end a job. That says nothing about whether Slurm does, or whether the job exists.

        Raises:
            EngineUnreachableError: Slurm could not be asked.
        """
        pending = ["--state=PENDING"] if only_pending else []
        answer = self._run_to_know(["scancel", *pending, native_id], CANCEL_S)
        if answer.is_silence:
            raise EngineUnreachableError(f"Slurm does not take the request to end its job {native_id}: {answer.words}")

    def nodes(self, fields: Sequence[str]) -> list[list[str]]:
        """Return these fields (of ``sinfo --Format``) of each node in each partition.

        Raises:
            EngineUnreachableError: Slurm does not answer.
        """
        width = 200  # Slurm cuts longer values
        answer = self._run_to_know(["sinfo", "-h", "-N", "-O", ",".join(f"{name}:{width}" for name in fields)], QUEUE_S)
        if answer.code:
            raise EngineUnreachableError(f"Slurm does not say which nodes it has: {answer.words}")
        return [
            [line[start : start + width].strip() for start in range(0, width * len(fields), width)]
            for line in answer.out.splitlines()
        ]

    def settings(self) -> dict[str, str]:
        """Return the configuration of the cluster, by Slurm's names.

        Raises:
            EngineUnreachableError: Slurm does not answer.
        """
        answer = self._run_to_know(["scontrol", "show", "config"], QUEUE_S)
        if answer.is_silence:
            raise EngineUnreachableError(f"Slurm does not answer: {answer.words}")
        # A site may keep its configuration secret.
        pairs = (line.partition("=") for line in answer.out.splitlines())
        return {name.strip(): value.strip() for name, equals, value in pairs if equals}

    def kill_wait_s(self) -> float | None:
        """Return the seconds between Slurm's SIGTERM and its SIGKILL, ``None`` if unknown; Slurm is asked once.

        Raises:
            EngineUnreachableError: Slurm does not answer.
        """
        if self._kill_wait is None:
            self._kill_wait = self.settings().get("KillWait", "")
        number = self._kill_wait.partition(" ")[0]
        return float(number) if number.isdecimal() else None

    def srun(self, native_id: str, argv: Sequence[str]) -> list[str]:
        """Return the command line that runs a program beside a running job, on the job's node."""
        # Beside the job, since all its resources are taken; without a tty; one task of one process.
        beside = ["--overlap", f"--jobid={native_id}", "--nodes=1", "--ntasks=1", "--mem=0", "--gres=none"]
        return ["srun", "--quiet", *beside, "--export=NONE", "--chdir=/", *argv]

    def close(self) -> None:
        """End questions that would keep this process from ending: a squeue whose controller is silent."""
        with self._lock:
            for process in self._asking:
                process.kill()

    def _lines(self, which: list[str]) -> list[Line]:
        answer = self._run_to_know(["squeue", "-h", "-t", "all", *which, "-o", _FIELDS], QUEUE_S)
        if "invalid job id" in answer.err.lower():
            return []
        if answer.code:
            raise EngineUnreachableError(f"Slurm does not answer: {answer.words}")
        return [line for text in answer.out.splitlines() if (line := _line(text))]

    def _check_told(self, answer: _Answer) -> None:
        words = answer.err.lower()
        if any(part in words for part in _NOT_TOLD):
            raise EngineUnreachableError(f"nothing was submitted, since Slurm does not answer: {answer.words}")
        if any(part in words for part in _UNSURE):
            raise UnsureError(answer.words)

    def _run_to_know(self, argv: list[str], patience_s: float) -> _Answer:
        try:
            return self._run(argv, patience_s)
        except UnsureError as error:
            raise EngineUnreachableError(f"Slurm does not answer: {error}") from error

    def _run(self, argv: list[str], patience_s: float, text: str = "") -> _Answer:
        """Run a program to its end.

        It gets a session of its own, so that ctrl-c on our terminal does not reach it: a submission cut in half would
        be unknown.
        """
        if self.cluster and not os.path.exists(self.cluster):  # for which Slurm's programs would wait a minute
            raise EngineUnreachableError(f"SLURM_CONF is {self.cluster}, which does not exist: {_CURE}")
        try:
            process = subprocess.Popen(
                argv,
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise EngineUnreachableError(
                f"{argv[0]} cannot be run ({error.strerror}): put Slurm's programs on the PATH of this server"
            ) from error
        with process, self._noted(process, argv[0]):
            try:
                out, err = process.communicate(os.fsencode(text), patience_s)
            except subprocess.TimeoutExpired as error:
                process.kill()
                process.communicate()
                raise UnsureError(f"{argv[0]} gave no answer within {patience_s:g} s") from error
        return _Answer(process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))

    @contextlib.contextmanager
    def _noted(self, process: subprocess.Popen[bytes], name: str) -> Generator[None]:
        if name != "squeue":
            yield
            return
        with self._lock:
            self._asking.add(process)
        try:
            yield
        finally:
            with self._lock:
                self._asking.discard(process)


def _line(text: str) -> Line | None:
    parts = text.split("|", _FIELDS.count("|"))
    if len(parts) != _FIELDS.count("|") + 1:
        return None
    native_id, state, comment, nodes, reason = parts
    job_id = comment.removeprefix(COMMENT) if comment.startswith(COMMENT) else ""
    return Line(native_id, state, job_id, "" if nodes == "(null)" else nodes, reason)
