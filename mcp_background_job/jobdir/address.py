"""How clients reach a runner on a node: the content of ``address.json``, and the proof that a side has read it."""

from __future__ import annotations

import json
import os
from typing import Any, cast

from mcp_background_job.core.values import frozen
from mcp_background_job.jobdir.layout import JobDir

#: The first line of a relay. Lines before it come from the engine.
GREETING = b"mcp-bg-relay 1"

#: The side that proves something to the other.
RUNNER, CLIENT = "runner", "client"

#: Bytes of a number that was never used before.
_NONCE = 32


@frozen
class Address:
    """Where clients reach a runner.

    Attributes:
        node: its machine, by the engine's name for it.
        argv: the interpreter and the package with which it was started.
        host: its machine, by the machine's own name.
        port: its TCP port; ``None`` if it does not listen.
        token: the secret that clients over TCP must know.
    """

    node: str
    argv: tuple[str, ...]
    host: str = ""
    port: int | None = None
    token: bytes = b""


def read(job: JobDir) -> Address | None:
    """Return the address of a job's runner; ``None`` if it has none, or an unreadable one."""
    try:
        with open(job.address, "rb") as file:
            said = cast("dict[str, Any]", json.loads(file.read()))
        port, argv = said.get("port"), said["argv"]
        return Address(
            node=str(said["node"]),
            argv=tuple(str(word) for word in argv),
            host=str(said["host"]),
            port=None if port is None else int(port),
            token=bytes.fromhex(said.get("token", "")),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def nonce() -> str:
    """Return a number that was never used before."""
    return os.urandom(_NONCE).hex()


def proof(token: bytes, who: str, client_nonce: str, runner_nonce: str) -> str:
    """Return the proof of one side to the other. Only the token makes it, from both numbers and for this side."""
    import hashlib  # noqa: PLC0415  for those who come over TCP
    import hmac  # noqa: PLC0415

    return hmac.new(token, f"{who} {client_nonce} {runner_nonce}".encode(), hashlib.sha256).hexdigest()


def is_proof(shown: object, expected: str) -> bool:
    """Tell whether a value is the expected proof; the time that this takes reveals nothing about the proof."""
    import hmac  # noqa: PLC0415

    return isinstance(shown, str) and hmac.compare_digest(shown.encode(errors="replace"), expected.encode())
