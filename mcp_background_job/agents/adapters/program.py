"""Looks for an agent's program, and asks it for its version."""

from __future__ import annotations

import functools
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp_background_job.agents.adapters.base import Availability
from mcp_background_job.agents.adapters.options import string
from mcp_background_job.core.text import end_of
from mcp_background_job.errors import InvalidRequestError

#: Seconds for an answer to ``--version``. A Node program on a cold disk and a busy machine has needed three. After this
#: time the run begins without an answer, since its caller's own limit may be a minute.
VERSION_TIMEOUT_S = 5.0

#: Bytes of that answer that are read.
_ANSWER_BYTES = 10_000

#: Characters of that answer that an error quotes.
_TOLD = 200

#: The program is there, so it would not help to install it.
_MUST_ANSWER = "an agent must answer that with its version and exit code 0: run it yourself to see what is wrong"

_VERSION = re.compile(r"\b\d{1,9}\.\d{1,9}(?:\.\d{1,9})?")


@dataclass(frozen=True, kw_only=True)
class Program:
    """The program of an agent.

    Attributes:
        name: its file name, as on PATH.
        minimum: the oldest version that understands our arguments. A program whose answer to ``--version`` holds no
            version is started all the same: builds of one's own have none.
        install: how to get it, as the end of a sentence.
    """

    name: str
    minimum: tuple[int, int, int]
    install: str

    def look(self, config: Mapping[str, Any], environment: Mapping[str, str]) -> Availability:
        """Find it where ``config["binary"]`` says, or else on PATH, and check that it is new enough."""
        try:
            path = find(string(config, "binary") or self.name, environment)
        except InvalidRequestError as error:
            return Availability(None, reason=str(error))
        if path is None:
            where = f"backend_config.binary {config['binary']}" if config.get("binary") else f"{self.name} on the PATH"
            return Availability(None, reason=f"there is no program {where}; {self.install}")
        try:
            version = _version_of(path, environment)
        except _NotStartedError as error:
            return Availability(None, reason=f"{path} cannot be started ({error}); {self.install}")
        except _SilentError as error:
            return Availability(None, reason=f"{path} --version {error}; {_MUST_ANSWER}")
        if version and _numbers(version) < self.minimum:
            oldest = ".".join(map(str, self.minimum))
            reason = f"{path} is version {version}, and at least {oldest} is needed; {self.install}"
            return Availability(None, version, reason)
        return Availability(path, version)


def find(name: str, environment: Mapping[str, str]) -> str | None:
    """Return the absolute path of a program, or ``None``.

    A name is looked up on PATH, but only in its absolute directories: an empty or relative one means the working
    directory, and a file of the workspace must not be taken for the agent.

    Raises:
        InvalidRequestError: it is a relative path.
    """
    if os.sep in name and not Path(name).is_absolute():
        raise InvalidRequestError(f"{name!r} is a relative path; give an absolute one, or a name to find on the PATH")
    directories = [part for part in environment.get("PATH", "").split(os.pathsep) if part.startswith(os.sep)]
    return shutil.which(name, path=os.pathsep.join(directories))


def missing(name: str) -> str:
    """Return the sentence that there is no such program; for an absolute path it does not mention PATH."""
    where = f"executable file {name}" if Path(name).is_absolute() else f"program {name} on the PATH"
    return f"there is no {where}"


class _NotStartedError(Exception):
    """The program is there and cannot be started; the message says why."""


class _SilentError(Exception):
    """The program fails when it is asked for its version; the message goes on after the question."""


def _version_of(path: str, environment: Mapping[str, str]) -> str | None:
    """Return the version that a program names, or ``None`` if its answer holds none."""
    facts = Path(path).stat()
    asked = _ask(path, facts.st_mtime_ns, facts.st_size, tuple(sorted(environment.items())))
    found = _VERSION.search(asked)
    return found.group() if found else None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))


@functools.lru_cache(maxsize=32)  # each start of a run looks, and a Node program takes a second to answer
def _ask(path: str, _modified_ns: int, _size: int, environment: tuple[tuple[str, str], ...]) -> str:
    # A file, not a pipe: children of the program that outlive it would hold a pipe open.
    with tempfile.TemporaryFile() as answer:
        try:
            process = subprocess.Popen(
                [path, "--version"],
                stdin=subprocess.DEVNULL,
                stdout=answer,
                stderr=subprocess.STDOUT,
                cwd=os.sep,
                env=dict(environment),
                start_new_session=True,
            )
        except OSError as error:
            raise _NotStartedError(error.strerror) from error
        try:
            exit_code = process.wait(VERSION_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return ""  # the program is there and slow: no reason not to start it
        finally:
            if process.returncode is None:
                # The process leads its own group and was not reaped yet, so its pid cannot mean another process.
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        answer.seek(0)
        said = answer.read(_ANSWER_BYTES).decode(errors="replace").strip()
    if exit_code:
        told = end_of(" ".join(said.split()), _TOLD) or "silently"
        raise _SilentError(f"ended with exit code {exit_code} ({told})")
    return said
