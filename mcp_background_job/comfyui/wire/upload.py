"""Sends files to a ComfyUI server, in a thread, piece by piece, so that a large file takes no more memory.

The server reads a request to its end before it writes anything (measured), so an interrupted request leaves nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from mcp_background_job.comfyui.wire.answers import decode
from mcp_background_job.comfyui.wire.node_outputs import OutputFile
from mcp_background_job.comfyui.wire.route import route_to
from mcp_background_job.comfyui.wire.transfer import Transfer, view_path
from mcp_background_job.comfyui.wire.trouble import Trouble
from mcp_background_job.errors import InvalidRequestError

_CHUNK = 128 * 1024

#: Bytes: an answer of some tens is expected, but a proxy may send a page.
_ANSWER = 64 * 1024

_OK, _BAD_REQUEST, _NOT_FOUND, _TOO_LARGE = 200, 400, 404, 413
_REFUSALS = {
    _BAD_REQUEST: "the server accepts no file of this name, or not in this folder",
    _TOO_LARGE: "it is larger than the server accepts: start that with a larger --max-upload-size",
}


@dataclass(frozen=True)
class Held:
    """The server's file under a name: its size, and its ETag, which changes with the content (may be empty)."""

    size: int
    etag: str


@dataclass(frozen=True)
class Form:
    """The form that goes with a file: its name at the server, and how the server is to keep it."""

    name: str
    subfolder: str = ""
    overwrite: bool = False
    #: For a mask: the picture under it.
    original: OutputFile | None = None

    @property
    def path(self) -> str:
        """The path for the upload."""
        return "/upload/mask" if self.original else "/upload/image"

    def fields(self) -> Mapping[str, str]:
        """Return the fields of the form."""
        fields = {"type": "input", "subfolder": self.subfolder}
        fields |= {"overwrite": "true"} if self.overwrite else {}
        if self.original:
            place = self.original
            reference = {"filename": place.filename, "subfolder": place.subfolder, "type": place.type}
            fields["original_ref"] = json.dumps(reference)
        return fields


class Sender(Transfer):
    """One file on its way to a server. One thread runs it, and any thread may abort it."""

    _what = "POST /upload"

    def send(self, file: BinaryIO, size: int, form: Form) -> tuple[str, str]:
        """Send a file; returns its name at the server, with its subfolder, and the SHA-256 of the sent bytes.

        Raises:
            InvalidRequestError: the server does not accept it.
            UnreachableError: the server does not have it, or it is unknown whether it does.
            OSError: it cannot be read.
        """
        head, tail, kind = _frame(form)
        sent = hashlib.sha256()
        route = route_to(self._endpoint)
        headers = {**route.headers, "Content-Type": kind, "Content-Length": str(len(head) + size + len(tail))}
        with self._named_troubles(), contextlib.closing(route.connection) as connection:
            connection.connect()
            self._follow(connection.sock)
            body = _body(head, file, size, tail, sent)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it has answered early
                connection.request("POST", route.base + form.path, body=body, headers=headers)
            with connection.getresponse() as response:
                return self._name_in(response), sent.hexdigest()

    def look(self, file: OutputFile) -> Held | None:
        """Return the server's file under a name, ``None`` if there is none.

        Raises:
            UnreachableError: the server does not answer.
        """
        route = route_to(self._endpoint)
        with self._named_troubles(), contextlib.closing(route.connection) as connection:
            connection.connect()
            self._follow(connection.sock)
            connection.request("HEAD", route.base + view_path(file), headers=route.headers)
            with connection.getresponse() as response:
                if response.status in (_BAD_REQUEST, _NOT_FOUND):
                    return None
                if response.status != _OK:
                    raise self._unreachable(Trouble.BROKEN, f"HEAD /view answered {response.status}")
                return Held(int(response.headers.get("Content-Length") or 0), response.headers.get("ETag") or "")

    def _name_in(self, response: http.client.HTTPResponse) -> str:
        content = response.read(_ANSWER)
        if reason := _REFUSALS.get(response.status):
            raise InvalidRequestError(reason)
        if response.status != _OK:
            raise self._unreachable(Trouble.BROKEN, f"{self._what} answered {response.status}")
        try:
            answer: Any = decode(content.decode())
        except ValueError as error:
            raise self._unreachable(Trouble.NOT_COMFYUI, f"{self._what} did not answer with JSON") from error
        facts = cast("dict[str, Any]", answer) if isinstance(answer, dict) else {}
        if not facts.get("name"):
            raise self._unreachable(Trouble.NOT_COMFYUI, f"{self._what} answered without a name")
        return "/".join(filter(None, [str(facts.get("subfolder") or ""), str(facts["name"])]))


def _frame(form: Form) -> tuple[bytes, bytes, str]:
    """Return the bytes before and after the file in the body of the request, and the body's media type."""
    boundary = secrets.token_hex(16)
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in form.fields().items()
    ]
    name = form.name.replace("\\", "_").replace('"', "%22")
    parts.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return "".join(parts).encode(), f"\r\n--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def _body(head: bytes, file: BinaryIO, size: int, tail: bytes, sent: Any) -> Iterator[bytes]:
    yield head
    left = size
    while left:
        chunk = file.read(min(_CHUNK, left))
        if not chunk:  # the file has become shorter: the announced length cannot be kept
            raise InvalidRequestError("it changed while it was read: upload it again")
        sent.update(chunk)
        left -= len(chunk)
        yield chunk
    yield tail
