"""A small picture of a prompt's output, as the server shrinks it."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass

from mcp_background_job.comfyui.wire.endpoint import Endpoint
from mcp_background_job.comfyui.wire.node_outputs import OutputFile
from mcp_background_job.comfyui.wire.pictures import form_of
from mcp_background_job.comfyui.wire.transfer import Transfer, in_thread, view_path
from mcp_background_job.errors import BackgroundJobError

#: Of 100; a picture of a megapixel then has some tens of kilobytes.
_QUALITY = 50

#: Bytes: models accept a few megabytes at most, and each one costs. A server does not reduce the resolution.
MAX_SIZE = 1_000_000

#: A picture comes in one or a few chunks of this size.
_CHUNK = 64 * 1024

#: Formats of which servers, which read them with Pillow, can make previews.
_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")

#: Formats that models accept.
_FORMS = ("image/webp", "image/png", "image/jpeg")


@dataclass(frozen=True)
class Preview:
    """A picture, or why there is none.

    Attributes:
        name: name of the file; empty if there is no picture.
        data: its bytes.
        mime_type: their media type.
        trouble: why there is none.
    """

    name: str = ""
    data: bytes = b""
    mime_type: str = ""
    trouble: str = ""


async def preview_of(endpoint: Endpoint, files: Iterable[OutputFile]) -> Preview:
    """Return a preview of the first image among files; permanent ones take precedence over temporary ones."""
    images = [file for file in files if file.filename.lower().endswith(_SUFFIXES)]
    if not images:
        return Preview()
    image = min(images, key=lambda file: file.type != "output")
    transfer = Transfer(endpoint)
    return await in_thread(functools.partial(_get, transfer, image), transfer.abort)


def _get(transfer: Transfer, image: OutputFile) -> Preview:
    name = image.filename
    data = bytearray()
    buffer = memoryview(bytearray(_CHUNK))
    try:
        with closing(transfer.chunks(view_path(image, preview=f"webp;{_QUALITY}"), lambda: buffer)) as chunks:
            for chunk in chunks:
                data += chunk
                if len(data) > MAX_SIZE:
                    return Preview(name, trouble=f"its preview has more than {MAX_SIZE:,} bytes")
    except BackgroundJobError as error:
        return Preview(name, trouble=str(error))
    mime_type = form_of(data)
    if mime_type not in _FORMS:  # a client that passes anything else to its model as a picture gets an error
        return Preview(name, trouble="the server did not answer with a picture")
    return Preview(name, bytes(data), mime_type)
