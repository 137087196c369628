"""Which processes of this machine hold memory of its GPUs, as ``nvidia-smi`` tells it; nothing where there is none."""

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

#: It answers within 0.1 s while a process uses the GPU. Where the driver hangs it never does, and a look at a server
#: shall not take long just then.
_ANSWER_S = 3.0

#: One that the driver holds does not end by SIGKILL either.
_KILLED_S = 0.5

_MIB = 1024**2


@dataclass(frozen=True)
class Holder:
    """A process that holds memory of GPUs.

    Attributes:
        pid: of the process.
        size: bytes, of all GPUs together.
        command: its command line; empty if that cannot be read, as in a container.
    """

    pid: int
    size: int
    command: str = ""


@dataclass(frozen=True)
class GpuMemory:
    """What is known of the memory of GPUs.

    Attributes:
        holders: most memory first.
        trouble: why nothing is known although there is an ``nvidia-smi``; empty if that is not so.
    """

    holders: tuple[Holder, ...] = ()
    trouble: str = ""


NOTHING_KNOWN = GpuMemory()


class GpuLook:
    """Asks ``nvidia-smi``, one at a time."""

    def __init__(self) -> None:
        """Has asked nothing yet."""
        self._asked: Process | None = None

    async def look(self) -> GpuMemory:
        """Return who holds memory of GPUs now."""
        path = await lanes.look(shutil.which, _PROGRAM)
        if path is None:
            return NOTHING_KNOWN
        if self._asked and self._asked.returncode is None:  # another one would hang beside it
            return GpuMemory(trouble=f"{_PROGRAM} (pid {self._asked.pid}) still gives no answer: the driver may hang")
        try:
            answer = await self._answer(path)
        except TimeoutError:  # before OSError, of which it is one
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

    A process has a line for each GPU. Lines without a number are left out: without rights, on Windows and on GPUs that
    are cut into instances, the driver tells of a process and not of its memory.
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
