"""Answers to questions about a job's use of the machine, and whether it listens on a port."""

from __future__ import annotations

import os
import termios
import time

from mcp_background_job.kernel import counters, sockets
from mcp_background_job.kernel.tree import descendants
from mcp_background_job.runner.usage.sampler import Sampler
from mcp_background_job.runner.usage.waiting import Ends, who_waits

#: Pids in an answer, which must fit into a socket's buffer; if a job has more processes, only their number is given.
_MAX_PIDS = 1000

#: Seconds after which the owner of a socket is looked up again although the same sockets listen: a process may get a
#: socket that another has made.
_KNOWN_FOR_S = 1.0


class Answers:
    """Answers questions about one job's use of the machine."""

    def __init__(self, sampler: Sampler) -> None:
        """Takes the sampler of the job's processes."""
        self._sampler = sampler
        self._known: tuple[float, frozenset[int], bool] = (0.0, frozenset(), False)

    def usage(self, *, pss: bool) -> dict[str, object]:
        """Return the job's present use; ``pss`` adds memory with shared pages counted once, which takes long."""
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
        """Return whether a process of the job listens on a TCP port, and gets connections to an IP address."""
        found = [one for one in sockets.listening() if one.port == number]
        inodes = frozenset(one.inode for one in (sockets.asked_at(address, found) if address else found))
        return {"listening": bool(inodes) and self._holds_any(inodes)}

    def waits(self, ends: Ends | None) -> dict[str, object]:
        """Return whether the job waits for its stdin, whose two ends ``ends`` describes.

        ``waits`` and ``block`` are as in ``Waiter``; ``mode`` is as in ``Ends``, or ``closed``; ``unread`` is the
        number of bytes in the pipe to the job.
        """
        nothing: dict[str, object] = {"waits": "no", "block": "", "mode": "closed", "unread": 0}
        if ends is None:
            return nothing
        try:
            waiter = who_waits(ends, descendants(os.getpid()))
            return {"waits": waiter.how, "block": waiter.block, "mode": ends.mode(), "unread": ends.unread()}
        except (OSError, termios.error):  # no process has the terminal open any more
            return nothing

    def _holds_any(self, inodes: frozenset[int]) -> bool:
        # A client that waits for a port asks ten times a second, and descriptors may be many. So they are searched
        # again only if the sockets at the port have changed.
        at, known, answer = self._known
        now = time.monotonic()
        if inodes != known or now - at > _KNOWN_FOR_S:
            answer = bool(sockets.held_by(descendants(os.getpid()), inodes))
            self._known = now, inodes, answer
        return answer
