"""Gives out what prompts have made, to be shown: files that ComfyUI itself names, and no others."""

from __future__ import annotations

import contextlib
import functools
import hashlib
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass

from mcp_background_job.comfyui.prompts.prompts import Prompts
from mcp_background_job.comfyui.prompts.results import finished_of_result
from mcp_background_job.comfyui.wire.endpoint import Endpoint
from mcp_background_job.comfyui.wire.node_outputs import Made, OutputFile
from mcp_background_job.comfyui.wire.pictures import form_of, is_picture
from mcp_background_job.comfyui.wire.transfer import Transfer, in_thread, view_path
from mcp_background_job.errors import MissingOutputError
from mcp_background_job.executors import lanes
from mcp_background_job.registry.journal_base import Journal

#: Of 100. A server makes a thumbnail by writing the picture anew, with as many pixels: that of a megapixel then has
#: some tens of kilobytes.
_QUALITY = 50

#: Those that servers, which read them with Pillow, can write anew without losing that they move.
_SHRUNK = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")

#: Bytes that are read, and handed on, at once.
_CHUNK = 256 * 1024


def reference_of(file: OutputFile) -> str:
    """Return what a page calls a file: it says nothing of where it lies, and asks for no other."""
    place = f"{file.type}\0{file.subfolder}\0{file.filename}"
    return hashlib.sha256(place.encode(errors="surrogatepass")).hexdigest()[:20]


@dataclass(frozen=True)
class Opened:
    """A file on its way.

    Attributes:
        file: what ComfyUI calls it.
        form: the media type of a picture, video or sound, by its first bytes; ``None`` for all else.
        chunks: its content. They are to be read to their end, or closed.
    """

    file: OutputFile
    form: str | None
    chunks: AsyncGenerator[bytes]


class Pictures:
    """What the prompts of one server have made."""

    def __init__(self, endpoint: Endpoint, journal: Journal, prompts: Prompts) -> None:
        """Takes what it looks at."""
        self._endpoint = endpoint
        self._journal = journal
        self._prompts = prompts

    async def made_by(self, prompt_id: str) -> Made:
        """Return what a prompt has made, or has made so far."""
        # What is over is journalled; the server, whose queue is large, need not be asked for each thumbnail.
        content = await lanes.journal(self._journal.result, prompt_id)
        finished = finished_of_result(content)
        if finished is None:
            prompt = await self._prompts.get(prompt_id)
            finished = prompt.finished
            if finished is None:
                return prompt.so_far
        return Made(finished.outputs, finished.shown)

    async def find(self, prompt_id: str, reference: str) -> OutputFile:
        """Return a file of a prompt by what a page calls it.

        Raises:
            MissingOutputError: the prompt has made no such file.
        """
        made = await self.made_by(prompt_id)
        file = next((one for one in made.outputs if reference_of(one) == reference), None)
        if file is None:
            raise MissingOutputError(f"prompt {prompt_id} has made no file {reference!r:.40}")
        return file

    def content(self, file: OutputFile) -> AsyncGenerator[bytes]:
        """Return the content of a file; the first chunk raises as ``open`` does."""
        return _chunks(self._endpoint, view_path(file))

    async def open(self, prompt_id: str, reference: str, *, small: bool) -> Opened:
        """Begin to get a file of a prompt; a small one is a thumbnail of a picture, and the file itself of all else.

        Raises:
            MissingOutputError: the prompt has made no such file, or the server no longer has it.
            UnreachableError: the server does not send it.
        """
        file = await self.find(prompt_id, reference)
        is_shrunk = small and file.filename.lower().endswith(_SHRUNK)
        chunks = (
            _chunks(self._endpoint, view_path(file, preview=f"webp;{_QUALITY}")) if is_shrunk else self.content(file)
        )
        try:
            first = await anext(chunks, b"")
        except BaseException:
            await chunks.aclose()
            raise
        return Opened(file, form_of(first), _with_first(first, chunks))

    async def whole(self, prompt_id: str, reference: str, *, small: bool, max_size: int) -> tuple[bytes, str]:
        """Return all of a picture, video or sound, with its media type; for where it cannot come by itself.

        Raises:
            MissingOutputError: there is none, or it is none of these, or it is larger.
            UnreachableError: the server does not send it.
        """
        opened = await self.open(prompt_id, reference, small=small)
        async with contextlib.aclosing(opened.chunks) as chunks:
            if opened.form is None or (small and not is_picture(opened.form)):
                raise MissingOutputError(f"{opened.file.filename} cannot be shown here")
            data = bytearray()
            async for chunk in chunks:
                data += chunk
                if len(data) > max_size:
                    raise MissingOutputError(f"{opened.file.filename} has more than {max_size:,} bytes")
        return bytes(data), opened.form


async def _with_first(first: bytes, rest: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    async with contextlib.aclosing(rest):
        if first:
            yield first
        async for chunk in rest:
            yield chunk


async def _chunks(endpoint: Endpoint, path: str) -> AsyncGenerator[bytes]:
    """Yield what is at a path. Each chunk is waited for in a thread, and not before it is asked for."""
    transfer = Transfer(endpoint)
    chunks = _copied(transfer, path)
    try:
        while chunk := await in_thread(functools.partial(next, chunks, b""), transfer.abort):
            yield chunk
    finally:
        await lanes.lasting(chunks.close)


def _copied(transfer: Transfer, path: str) -> Generator[bytes]:
    buffer = memoryview(bytearray(_CHUNK))
    with contextlib.closing(transfer.chunks(path, lambda: buffer)) as chunks:
        for chunk in chunks:
            yield bytes(chunk)
