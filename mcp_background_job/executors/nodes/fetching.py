"""A blocking TCP connection to a runner, for threads that fetch a job's files. See ``nodes.tcp``."""

from __future__ import annotations

import base64
import json
import socket
from types import TracebackType
from typing import Any, Self, cast

from mcp_background_job.jobdir.address import CLIENT, RUNNER, Address, is_proof, nonce, proof
from mcp_background_job.jobdir.control import NoRunnerError, RunnerTimeoutError
from mcp_background_job.jobdir.requests import MAX_READ

#: Seconds that a look at a job waits for this; a runner that is there answers within a millisecond or two.
ANSWER_S = 1.0


class Fetching:
    """One connection. Raises ``NoRunnerError`` if no runner is there, ``RunnerTimeoutError`` without an answer."""

    def __init__(self, where: Address, port: int) -> None:
        """Connect, prove that we know the runner's token, and have the runner prove the same."""
        self._where = f"{where.host}:{port}"
        try:
            self._sock = socket.create_connection((where.host, port), ANSWER_S)
        except ConnectionError as error:
            raise NoRunnerError(f"nothing listens on {self._where}") from error
        except OSError as error:
            raise RunnerTimeoutError(f"{self._where}, where the runner is, cannot be reached from here") from error
        self._lines = self._sock.makefile("rb")
        try:
            self._prove(where)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        """Nothing more to do."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._lines.close()
        self._sock.close()

    def read(self, file: str, offset: int, limit: int = MAX_READ) -> tuple[bytes, int]:
        """Return the content of a file of the job from an offset on, and the size of the file."""
        answer = self._ask({"op": "read", "file": file, "offset": offset, "limit": limit})
        try:
            return base64.b64decode(answer["data"]), int(answer["size"])
        except (LookupError, ValueError, TypeError) as error:
            raise NoRunnerError(f"another program than a runner answers on {self._where}") from error

    def _prove(self, where: Address) -> None:
        ours = nonce()
        shown = self._ask({"hello": ours})
        theirs = str(shown.get("nonce"))
        if not is_proof(shown.get("proof"), proof(where.token, RUNNER, ours, theirs)):
            raise NoRunnerError(f"what listens on {self._where} does not know the token of the runner")
        if not self._ask({"proof": proof(where.token, CLIENT, ours, theirs)}).get("ok"):
            raise NoRunnerError(f"the runner on {self._where} does not accept our token")

    def _ask(self, request: dict[str, object]) -> dict[str, Any]:
        try:
            self._sock.sendall(json.dumps(request).encode() + b"\n")
            line = self._lines.readline()
        except TimeoutError as error:
            raise RunnerTimeoutError(f"no answer from {self._where} within {ANSWER_S:g} s") from error
        except OSError as error:
            raise NoRunnerError(f"{self._where} has closed the connection") from error
        try:
            said: object = json.loads(line)
        except ValueError as error:
            raise NoRunnerError(f"{self._where} has closed the connection") from error
        return cast("dict[str, Any]", said) if isinstance(said, dict) else {}
