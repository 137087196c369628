"""Provides the outputs of prompts to be shown: files that ComfyUI itself names, and no others."""

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

#: Of 100. A server makes a thumbnail by re-encoding the picture at full resolution: one of a megapixel then has some
#: tens of kilobytes.
_QUALITY = 50

#: Formats that servers, which read them with Pillow, can re-encode; animated formats would lose their motion.
_SHRUNK = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")

#: Bytes that are read and passed on at once.
_CHUNK = 256 * 1024


def reference_of(file: OutputFile) -> str:
    """Return a page's reference to a file: it does not reveal the file's place, and fits no other file."""
    place = f"{file.type}\0{file.subfolder}\0{file.filename}"
    return hashlib.sha256(place.encode(errors="surrogatepass")).hexdigest()[:20]


@dataclass(frozen=True)
class Opened:
    """A file in transfer.

    Attributes:
        file: ComfyUI's name for it.
        form: the media type of a picture, video or sound, by its first bytes; ``None`` for everything else.
        chunks: its content. Read it to its end, or close it.
    """

    file: OutputFile
    form: str | None
    chunks: AsyncGenerator[bytes]


class Pictures:
    """The outputs of one server's prompts."""

    def __init__(self, endpoint: Endpoint, journal: Journal, prompts: Prompts) -> None:
        """Takes its parts."""
        self._endpoint = endpoint
        self._journal = journal
        self._prompts = prompts

    async def made_by(self, prompt_id: str) -> Made:
        """Return the outputs of a prompt, or its outputs so far."""
        # Ended prompts are in the journal: a server with a large queue need not be asked for each thumbnail.
        content = await lanes.journal(self._journal.result, prompt_id)
        finished = finished_of_result(content)
        if finished is None:
            prompt = await self._prompts.get(prompt_id)
            finished = prompt.finished
            if finished is None:
                return prompt.so_far
        return Made(finished.outputs, finished.shown)

    async def find(self, prompt_id: str, reference: str) -> OutputFile:
        """Return a file of a prompt by a page's reference to it.

        Raises:
            MissingOutputError: the prompt has no such output.
        """
        made = await self.made_by(prompt_id)
        file = next((one for one in made.outputs if reference_of(one) == reference), None)
        if file is None:
            raise MissingOutputError(f"prompt {prompt_id} has made no file {reference!r:.40}")
        return file

    def content(self, file: OutputFile) -> AsyncGenerator[bytes]:
        """Return the content of a file; reading the first chunk raises the errors of ``open``."""
        return _chunks(self._endpoint, view_path(file))

    async def open(self, prompt_id: str, reference: str, *, small: bool) -> Opened:
        """Begin to get a file of a prompt; ``small`` returns a thumbnail of a picture, and other files as they are.

        Raises:
            MissingOutputError: the prompt has no such output, or the server no longer has it.
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
        """Return the whole picture, video or sound, and its media type, for pages that cannot load it by itself.

        Raises:
            MissingOutputError: there is none, it is of another type, or it is larger.
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
    """Yield the content at a path. A thread waits for each chunk, once it is requested."""
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
