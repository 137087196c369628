"""TCP connections to runners; each begins with a proof by both sides (``runner.node.tcp``)."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

from mcp_background_job.jobdir.address import CLIENT, RUNNER, Address, is_proof, nonce, proof
from mcp_background_job.jobdir.control import ANSWER_TIMEOUT_S, NoRunnerError, RunnerTimeoutError

#: The most bytes of a line, which is a runner's answer: 1,000 pids and 20 command lines.
_MAX_LINE = 1024 * 1024


async def connect(where: Address, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to a runner, prove that we know its token, and have it prove the same.

    Raises:
        NoRunnerError: the runner does not listen any more.
        RunnerTimeoutError: the runner cannot be reached, or does not answer.
    """
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(where.host, port, limit=_MAX_LINE)
            try:
                await _prove(where, reader, writer)
            except BaseException:
                writer.close()
                raise
    except ConnectionError as error:
        raise NoRunnerError(f"nothing listens on {where.host}:{port}") from error
    except (OSError, TimeoutError) as error:
        raise RunnerTimeoutError(f"{where.host}:{port}, where the runner is, cannot be reached from here") from error
    return reader, writer


async def _prove(where: Address, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    ours = nonce()
    writer.write(_line(hello=ours))
    shown = _said(await reader.readline())
    theirs = str(shown.get("nonce"))
    if not is_proof(shown.get("proof"), proof(where.token, RUNNER, ours, theirs)):
        raise NoRunnerError(f"what listens on {where.host} in the place of the runner does not know its token")
    writer.write(_line(proof=proof(where.token, CLIENT, ours, theirs)))
    if not _said(await reader.readline()).get("ok"):
        raise NoRunnerError(f"the runner on {where.host} does not accept our token")


def _line(**said: str) -> bytes:
    return json.dumps(said).encode() + b"\n"


def _said(line: bytes) -> dict[str, Any]:
    try:
        said: object = json.loads(line)
    except ValueError:
        return {}
    return cast("dict[str, Any]", said) if isinstance(said, dict) else {}
