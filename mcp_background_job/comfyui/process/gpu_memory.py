"""The processes of this machine that hold GPU memory, from ``nvidia-smi``; none if there is no such program."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import Counter
from dataclasses import dataclass

from mcp_background_job.executors import lanes
from mcp_background_job.processes.portrait import portrait_of
from mcp_background_job.processes.wrapper import ProcessWrapper

_PROGRAM = "nvidia-smi"
_QUESTION = ("--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits")

#: Seconds. It answers within 0.1 s while a process uses the GPU. If the driver hangs, it never answers, and just then a
#: look at a server must not take long.
_ANSWER_S = 3.0

#: Seconds: a process that is stuck in the driver does not end on SIGKILL either.
_KILLED_S = 0.5

_MIB = 1024**2


@dataclass(frozen=True)
class Holder:
    """A process that holds GPU memory.

    Attributes:
        pid: pid of the process.
        size: bytes on all GPUs together.
        command: its command line; empty if it cannot be read, as in a container.
    """

    pid: int
    size: int
    command: str = ""


@dataclass(frozen=True)
class GpuMemory:
    """The known facts about GPU memory.

    Attributes:
        holders: most memory first.
        trouble: why nothing is known although ``nvidia-smi`` exists; empty otherwise.
    """

    holders: tuple[Holder, ...] = ()
    trouble: str = ""


NOTHING_KNOWN = GpuMemory()


class GpuLook:
    """Asks ``nvidia-smi``, with one process at a time."""

    def __init__(self) -> None:
        """Starts nothing yet."""
        self._asked: Process | None = None

    async def look(self) -> GpuMemory:
        """Return the processes that hold GPU memory now."""
        path = await lanes.look(shutil.which, _PROGRAM)
        if path is None:
            return NOTHING_KNOWN
        if self._asked and self._asked.returncode is None:  # another one would hang beside it
            return GpuMemory(trouble=f"{_PROGRAM} (pid {self._asked.pid}) still gives no answer: the driver may hang")
        try:
            answer = await self._answer(path)
        except TimeoutError:  # before OSError, its base class
            return GpuMemory(trouble=f"{_PROGRAM} gave no answer within {_ANSWER_S:g} s: the driver may hang")
        except OSError as error:
            return GpuMemory(trouble=f"{path} cannot be started: {error.strerror}")
        sizes = held_in(answer)
        return GpuMemory(await lanes.scan(lambda: tuple(_holder(pid, size) for pid, size in sizes.most_common())))

    async def _answer(self, path: str) -> str:
        self._asked = asked = await asyncio.create_subprocess_exec(
            path, *_QUESTION, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL
        )
        try:
            said, _ = await asyncio.wait_for(asked.communicate(), _ANSWER_S)
        finally:
            if asked.returncode is None:
                await _end(asked)
        return said.decode(errors="replace")


def held_in(answer: str) -> Counter[int]:
    """Return the bytes that each pid holds. Pure.

    A process has one line per GPU. Lines without a number are left out: without rights, on Windows, and on GPUs that
    are divided into instances, the driver names a process without its memory.
    """
    sizes: Counter[int] = Counter()
    for line in answer.splitlines():
        pid, _, mib = (part.strip() for part in line.partition(","))
        if pid.isdecimal() and mib.isdecimal():
            sizes[int(pid)] += int(mib) * _MIB
    return sizes


async def _end(asked: Process) -> None:
    with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
        asked.kill()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asked.wait(), _KILLED_S)


def _holder(pid: int, size: int) -> Holder:
    try:
        return Holder(pid, size, " ".join(portrait_of(ProcessWrapper(pid)).argv))
    except ProcessLookupError:
        return Holder(pid, size)
