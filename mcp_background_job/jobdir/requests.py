"""Requests to a runner: one line of JSON becomes one of these, or is refused.

Every process that can open ``control.sock`` can write anything there, so the runner uses nothing from it that this
module has not checked. A parsed request needs no further check: numbers are finite and bounded, signals exist, and
texts can be stored and have a bounded length.
"""

from __future__ import annotations

import base64
import json
import math
import signal
import socket
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Union, cast

from mcp_background_job.jobdir.records import StopRequest

#: Grace periods are cut to this many seconds. Nobody waits longer than a day for a process to end politely, and an
#: unbounded number added to a time would give none.
MAX_GRACE_S = 86_400.0

#: Offsets in a log are less than this: they are stored as 64 bits.
MAX_SIZE = 2**63

#: Bytes of the log in one answer, which must fit into a socket's buffer and into the longest line that a client takes.
MAX_READ = 32 * 1024

#: Files of a job's directory that are read over a connection, where clients do not see the directory.
FILES = ("output.log", "output.idx", "usage.bin", "status.json")

#: TCP ports are less than this.
PORTS = 65536

#: Characters of a text that are kept: the exit record has room for these.
MAX_BY = 200
MAX_WHY = 500

#: Characters of a word that an error repeats.
_MAX_QUOTED = 40


class BadRequestError(ValueError):
    """The line is not a request; the message says why, for its sender."""


class Watch(NamedTuple):
    """Wants one report when the log is larger than ``size`` or the command's end differs from what the client knows."""

    size: int
    leader_exited: bool


class Stop(NamedTuple):
    """Wants the job to be stopped."""

    request: StopRequest


class Signal(NamedTuple):
    """Wants the command's process group to be signalled."""

    number: int


class SignalHandlers(NamedTuple):
    """Wants a signal to be sent to those processes of the job that handle it, so it ends none."""

    number: int


class Input(NamedTuple):
    """Brings input for the job, and the end of its input if ``eof``."""

    data: bytes
    eof: bool


class Usage(NamedTuple):
    """Wants the job's present use; with ``pss`` also its memory with shared pages counted once, which takes long."""

    pss: bool
    op: str = "usage"


class Port(NamedTuple):
    """Wants to know whether the job listens on a TCP port: at an IP address, or at any."""

    number: int
    address: str | None = None
    op: str = "port"


class Waits(NamedTuple):
    """Wants to know whether the job waits for input."""

    op: str = "waits"


class Read(NamedTuple):
    """Wants bytes of the log, as the runner has them: other machines may see its files later.

    Attributes:
        file: the file to read, as it is; empty for the log, from its oldest kept byte on.
    """

    offset: int
    limit: int
    file: str = ""


class Unknown(NamedTuple):
    """Wants something that another release may know."""

    op: str


#: A request about the job itself, and not about who gets reports.
Wish = Union[Stop, Signal, SignalHandlers, Input, Usage, Port, Waits, Read, Unknown]
Request = Union[Watch, Wish]


def parse(line: bytes) -> Request:
    """Return the request in a line.

    Raises:
        BadRequestError: the line is no request, or a field is missing, of the wrong type or out of bounds.
    """
    try:
        raw: object = json.loads(line)
    except (ValueError, RecursionError) as error:  # also: not UTF-8, or a number of too many digits
        raise BadRequestError("it is not JSON") from error
    if not isinstance(raw, dict):
        raise BadRequestError("it is not a JSON object")
    fields = _Fields(cast("dict[str, Any]", raw))
    op = fields.text("op", _MAX_QUOTED)
    make = _KNOWN.get(op)
    return make(fields) if make else Unknown(op)


class _Fields:
    """The fields of a request; each is returned only if it has the right form."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self._raw = raw

    def has(self, name: str) -> bool:
        return name in self._raw

    def text(self, name: str, limit: int) -> str:
        value = self._take(name)
        if not isinstance(value, str):
            raise BadRequestError(f"{name} is not a string")
        # JSON can hold half of a surrogate pair; files and terminals cannot.
        return value[:limit].encode(errors="replace").decode()

    def flag(self, name: str) -> bool:
        value = self._take(name)
        if not isinstance(value, bool):
            raise BadRequestError(f"{name} is neither true nor false")
        return value

    def whole(self, name: str, below: int) -> int:
        """Return a number from 0 to ``below``, exclusive."""
        value = self._take(name)
        if type(value) is not int or not 0 <= value < below:  # true and false are ints to Python
            raise BadRequestError(f"{name} is not a whole number from 0 to {below - 1}")
        return value

    def seconds(self, name: str, limit: float) -> float:
        """Return a number of seconds, at most ``limit``."""
        value = self._take(name)
        if type(value) not in (int, float) or not 0 <= value < math.inf:
            raise BadRequestError(f"{name} is not a number of seconds")
        return float(min(value, limit))

    def data(self, name: str) -> bytes:
        value = self._take(name)
        try:
            return base64.b64decode(value, validate=True)
        except (ValueError, TypeError) as error:
            raise BadRequestError(f"{name} is not base64") from error

    def _take(self, name: str) -> Any:
        try:
            return self._raw[name]
        except KeyError:
            raise BadRequestError(f"{name} is missing") from None


def _watch(fields: _Fields) -> Watch:
    return Watch(fields.whole("size", MAX_SIZE), fields.flag("leader_exited"))


def _stop(fields: _Fields) -> Stop:
    name = fields.text("signal", _MAX_QUOTED)
    if name not in signal.Signals.__members__:
        raise BadRequestError("signal is not the name of one")
    grace_s = fields.seconds("grace_s", MAX_GRACE_S)
    by, why = fields.text("by", MAX_BY), fields.text("why", MAX_WHY)
    return Stop(StopRequest(at=time.time(), by=by, why=why, signal=name, grace_s=grace_s))


def _signal_number(fields: _Fields) -> int:
    number = fields.whole("number", signal.NSIG)
    # The C library reserves some numbers.
    if number not in signal.valid_signals():
        raise BadRequestError("number is not that of a signal")
    return number


def _signal(fields: _Fields) -> Signal:
    return Signal(_signal_number(fields))


def _signal_handlers(fields: _Fields) -> SignalHandlers:
    return SignalHandlers(_signal_number(fields))


def _input(fields: _Fields) -> Input:
    return Input(fields.data("data"), fields.flag("eof"))


def _usage(fields: _Fields) -> Usage:
    return Usage(pss=fields.flag("pss") if fields.has("pss") else False)


def _port(fields: _Fields) -> Port:
    number = fields.whole("port", PORTS)
    if number == 0:
        raise BadRequestError("port is 0, which is not a port")
    return Port(number, _address(fields) if fields.has("address") else None)


def _address(fields: _Fields) -> str:
    address = fields.text("address", _MAX_QUOTED)
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
    except (OSError, ValueError) as error:
        raise BadRequestError("address is not an IP address") from error
    return address


def _read(fields: _Fields) -> Read:
    file = fields.text("file", _MAX_QUOTED) if fields.has("file") else ""
    if file and file not in FILES:
        raise BadRequestError("file is not one that can be read")
    return Read(fields.whole("offset", MAX_SIZE), min(fields.whole("limit", MAX_SIZE), MAX_READ), file)


def _waits(_fields: _Fields) -> Waits:
    return Waits()


_KNOWN: dict[str, Callable[[_Fields], Request]] = {
    "watch": _watch,
    "stop": _stop,
    "signal": _signal,
    "signal_handlers": _signal_handlers,
    "input": _input,
    "usage": _usage,
    "port": _port,
    "waits": _waits,
    "read": _read,
}
