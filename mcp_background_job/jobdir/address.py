"""How a runner on a node is reached: what ``address.json`` says, and how both sides prove that they have read it."""

from __future__ import annotations

import json
import os
from typing import Any, cast

from mcp_background_job.core.values import frozen
from mcp_background_job.jobdir.layout import JobDir

#: The first line of a relay: what stands before it was said by the engine.
GREETING = b"mcp-bg-relay 1"

#: Who proves something to the other.
RUNNER, CLIENT = "runner", "client"

#: Bytes of a number that nobody has used before.
_NONCE = 32


@frozen
class Address:
    """Where a runner is reached.

    Attributes:
        node: its machine, by the engine's name.
        argv: the interpreter and the package that it was started with.
        host: its machine, by its own name.
        port: where it listens for TCP, ``None`` if it does not.
        token: what clients over TCP have to know.
    """

    node: str
    argv: tuple[str, ...]
    host: str = ""
    port: int | None = None
    token: bytes = b""


def read(job: JobDir) -> Address | None:
    """Return the address of a job's runner, ``None`` if it has none, or none that can be read."""
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
    """Return a number that nobody has used before."""
    return os.urandom(_NONCE).hex()


def proof(token: bytes, who: str, client_nonce: str, runner_nonce: str) -> str:
    """Return what one side shows the other: only the token makes it, of both numbers, and for one of the two."""
    import hashlib  # noqa: PLC0415  for those who come over TCP
    import hmac  # noqa: PLC0415

    return hmac.new(token, f"{who} {client_nonce} {runner_nonce}".encode(), hashlib.sha256).hexdigest()


def is_proof(shown: object, expected: str) -> bool:
    """Tell whether what was shown is the proof, in a time that says nothing of it."""
    import hmac  # noqa: PLC0415

    return isinstance(shown, str) and hmac.compare_digest(shown.encode(errors="replace"), expected.encode())
