"""Brings files to the server as inputs of workflows: the same content once, and never over something else unasked.

    hash it               the whole file, before anything is sent
    was it sent before?   by the journal; and the server still has that, unchanged, by its own word
    send it               the server itself gives a new name to what has another content than a file of that name
    look                  whether the server has all of it; only then it is noted

Whoever is killed before the note sends it again, and the server finds that it has it.
"""

from __future__ import annotations

import functools
import hashlib
import math
import os
import re
import stat
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from mcp_background_job.comfyui.wire.endpoint import Endpoint
from mcp_background_job.comfyui.wire.node_outputs import OutputFile
from mcp_background_job.comfyui.wire.transfer import in_thread
from mcp_background_job.comfyui.wire.upload import Form, Held, Sender
from mcp_background_job.core.comfyui.upload import Upload
from mcp_background_job.errors import BackgroundJobError, BrokenOutputError, InvalidRequestError
from mcp_background_job.registry.uploads import SqliteUploads

#: Characters that tell apart what a mask was laid over.
_MARK = 8

#: A name with the folder of the server that it lies in behind it.
_ANNOTATED = re.compile(r"(?P<name>.+) \[(?P<folder>input|output|temp)\]", re.DOTALL)


@dataclass(frozen=True)
class Uploaded:
    """What became of a file that was to be uploaded.

    Attributes:
        path: the file.
        name: what a workflow calls it, empty if it is not there.
        is_new: it was sent now, and not before.
        size: bytes.
        trouble: why it is not there.
    """

    path: Path
    name: str = ""
    is_new: bool = False
    size: int = 0
    trouble: str = ""


@dataclass(frozen=True)
class Wish:
    """How files are to be kept at the server.

    Attributes:
        subfolder: below its folder for inputs.
        overwrite: whether they may take the place of others of their names.
        original: the picture that a mask is laid over.
    """

    subfolder: str = ""
    overwrite: bool = False
    original: OutputFile | None = None

    @property
    def purpose(self) -> str:
        """What is made of a file there, as it is noted."""
        return f"mask of {annotated(self.original)}" if self.original else ""

    def name_of(self, path: Path) -> str:
        """Return the name to ask for.

        A mask needs one of its own for each picture: the server takes a file of its name with its content, which is the
        mask alone, for what was to be made.
        """
        if not self.original:
            return path.name
        return f"{path.stem}-{hashlib.sha256(self.purpose.encode()).hexdigest()[:_MARK]}{path.suffix}"


class Uploads:
    """Uploads to one server."""

    def __init__(self, endpoint: Endpoint, uploads: SqliteUploads) -> None:
        """Takes where files go, and where they are noted."""
        self._endpoint = endpoint
        self._uploads = uploads

    async def upload(
        self,
        paths: Sequence[Path],
        wish: Wish,
        *,
        done: Callable[[int], None] = lambda _: None,
        limit_s: float = math.inf,
    ) -> list[Uploaded]:
        """Upload files; one that cannot be stops none of the others.

        Args:
            paths: of the files.
            wish: how they are to be kept.
            done: is told how many are over.
            limit_s: no file is begun later; those that were not are not in the answer.
        """
        deadline = time.monotonic() + limit_s
        results: list[Uploaded] = []
        for path in paths:  # one by one: of two that are the same the second finds the first
            if time.monotonic() >= deadline:
                break
            results.append(await self._upload(path, wish))
            done(len(results))
        return results

    async def _upload(self, path: Path, wish: Wish) -> Uploaded:
        sender = Sender(self._endpoint)
        try:
            return await in_thread(functools.partial(self._run, sender, path, wish), sender.abort)
        except OSError as error:
            return Uploaded(path, trouble=error.strerror or str(error))
        except (BackgroundJobError, ValueError) as error:
            return Uploaded(path, trouble=str(error))

    def _run(self, sender: Sender, path: Path, wish: Wish) -> Uploaded:
        with open(path, "rb", opener=_open_plain) as file:
            size = _size_of(file)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            known = None if wish.overwrite else self._known(sender, digest, wish)
            if known is not None:
                return Uploaded(path, known.name, is_new=False, size=size)
            file.seek(0)
            form = Form(wish.name_of(path), wish.subfolder, overwrite=wish.overwrite, original=wish.original)
            name, sent = sender.send(file, size, form)
        if sent != digest:
            raise InvalidRequestError(f"it changed while it was sent, and the server has a mixture as {name}")
        held = self._held(sender, name, size, wish)
        server = self._endpoint.url
        self._uploads.record(
            Upload(
                server=server,
                sha256=digest,
                purpose=wish.purpose,
                subfolder=wish.subfolder,
                name=name,
                size=held.size,
                etag=held.etag,
                at=time.time(),
            )
        )
        return Uploaded(path, name, is_new=True, size=size)

    def _known(self, sender: Sender, digest: str, wish: Wish) -> Upload | None:
        """Return an earlier upload of this content, if the server says that it has not changed since."""
        known = self._uploads.get(self._endpoint.url, digest, purpose=wish.purpose, subfolder=wish.subfolder)
        if known is None or not known.etag:
            return None
        return known if sender.look(input_file(known.name)) == Held(known.size, known.etag) else None

    def _held(self, sender: Sender, name: str, size: int, wish: Wish) -> Held:
        held = sender.look(input_file(name))
        if held is None or (held.size != size and wish.original is None):
            there = "nothing" if held is None else f"{held.size:,} bytes"
            raise BrokenOutputError(f"the server accepted it, but has {there} of its {size:,} bytes as {name}")
        return held


def input_file(name: str) -> OutputFile:
    """Return the input that a workflow calls so."""
    subfolder, _, filename = name.rpartition("/")
    return OutputFile("", "", filename, subfolder, "input")


def file_named(name: str) -> OutputFile:
    """Return the file of the server that a workflow calls so, an output or a temporary one too."""
    found = _ANNOTATED.fullmatch(name)
    plain = input_file(found["name"] if found else name)
    return replace(plain, type=found["folder"]) if found else plain


def annotated(file: OutputFile) -> str:
    """Return how a workflow names a file of the server; what is not an input has its folder behind it."""
    name = "/".join(filter(None, [file.subfolder.replace("\\", "/"), file.filename]))
    return name if file.type == "input" else f"{name} [{file.type}]"


def _size_of(file: BinaryIO) -> int:
    facts = os.fstat(file.fileno())
    if not stat.S_ISREG(facts.st_mode):
        raise InvalidRequestError("it is not a regular file")
    if facts.st_size == 0:
        raise InvalidRequestError("it is empty")
    return facts.st_size


def _open_plain(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a pipe would have us wait for a writer
