"""Answers to who asks what a job uses, and whether it listens on a port."""

from __future__ import annotations

import os
import termios
import time

from mcp_background_job.kernel import counters, sockets
from mcp_background_job.kernel.tree import descendants
from mcp_background_job.runner.usage.sampler import Sampler
from mcp_background_job.runner.usage.waiting import Ends, who_waits

#: Pids in an answer, which has to fit into a socket's buffer; whose job has more processes is told their number.
_MAX_PIDS = 1000

#: Whether a socket is the job's is looked up again after this time although the same sockets listen: a process may be
#: handed one that others have made.
_KNOWN_FOR_S = 1.0


class Answers:
    """Answers questions about one job's use of the machine."""

    def __init__(self, sampler: Sampler) -> None:
        """Takes what looks at the job's processes."""
        self._sampler = sampler
        self._known: tuple[float, frozenset[int], bool] = (0.0, frozenset(), False)

    def usage(self, *, pss: bool) -> dict[str, object]:
        """Return what the job uses now; ``pss`` adds memory with shared pages counted once, which takes long."""
        sample, living = self._sampler.look()
        answer: dict[str, object] = {
            **sample._asdict(),
            "pids": [process.pid for process in living[:_MAX_PIDS]],
            "commands": {str(process.pid): counters.command_of(process) for process in living[: counters.MAX_COMMANDS]},
            "ports": sockets.ports_of(living),
        }
        if pss:
            answer["pss"] = counters.proportional(living)
        return answer

    def port(self, number: int, address: str | None) -> dict[str, object]:
        """Return whether a process of the job listens on a TCP port, where connections to an IP address come to."""
        found = [one for one in sockets.listening() if one.port == number]
        inodes = frozenset(one.inode for one in (sockets.asked_at(address, found) if address else found))
        return {"listening": bool(inodes) and self._holds_any(inodes)}

    def waits(self, ends: Ends | None) -> dict[str, object]:
        """Return whether the job waits for its stdin, of which ``ends`` tells.

        ``waits`` and ``block`` are as in ``Waiter``; ``mode`` as ``Ends`` tells, or ``closed``; ``unread``: bytes that
        are in the pipe to the job.
        """
        nothing: dict[str, object] = {"waits": "no", "block": "", "mode": "closed", "unread": 0}
        if ends is None:
            return nothing
        try:
            waiter = who_waits(ends, descendants(os.getpid()))
            return {"waits": waiter.how, "block": waiter.block, "mode": ends.mode(), "unread": ends.unread()}
        except (OSError, termios.error):  # nobody has the terminal open any more
            return nothing

    def _holds_any(self, inodes: frozenset[int]) -> bool:
        # Who waits for a port asks ten times a second, and descriptors may be many: they are searched when there is
        # another socket at the port.
        at, known, answer = self._known
        now = time.monotonic()
        if inodes != known or now - at > _KNOWN_FOR_S:
            answer = bool(sockets.held_by(descendants(os.getpid()), inodes))
            self._known = now, inodes, answer
        return answer
