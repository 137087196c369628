"""Uploads files to the server as inputs of workflows: the same content once, and never over another file unasked.

    hash it               the whole file, before anything is sent
    was it sent before?   by the journal; and the server confirms that its copy has not changed
    send it               the server renames a file whose name has other content there
    look                  whether the server has all of it; only then it is recorded

A process killed before the record sends it again, and the server finds that it has it.
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

#: Characters that distinguish the pictures under a mask.
_MARK = 8

#: A name followed by the server's folder.
_ANNOTATED = re.compile(r"(?P<name>.+) \[(?P<folder>input|output|temp)\]", re.DOTALL)


@dataclass(frozen=True)
class Uploaded:
    """The result of an upload.

    Attributes:
        path: the file.
        name: its name in workflows, empty if it is not there.
        is_new: whether it was sent now, and not before.
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
    """How the server is to keep files.

    Attributes:
        subfolder: a folder below the one for inputs.
        overwrite: whether a file may replace another of its name.
        original: the picture under a mask.
    """

    subfolder: str = ""
    overwrite: bool = False
    original: OutputFile | None = None

    @property
    def purpose(self) -> str:
        """The purpose of a file there, as it is recorded."""
        return f"mask of {annotated(self.original)}" if self.original else ""

    def name_of(self, path: Path) -> str:
        """Return the name to ask for.

        A mask needs a separate name for each picture: if the server finds a file of its name with its content, the mask
        alone, it takes that file for the result.
        """
        if not self.original:
            return path.name
        return f"{path.stem}-{hashlib.sha256(self.purpose.encode()).hexdigest()[:_MARK]}{path.suffix}"


class Uploads:
    """Uploads to one server."""

    def __init__(self, endpoint: Endpoint, uploads: SqliteUploads) -> None:
        """Takes the server, and the table of uploads."""
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
        """Upload files; a failure stops none of the others.

        Args:
            paths: paths of the files.
            wish: how the server is to keep them.
            done: receives the number of finished files.
            limit_s: seconds after which no further file is begun; those are not in the answer.
        """
        deadline = time.monotonic() + limit_s
        results: list[Uploaded] = []
        for path in paths:  # one by one: if two are the same, the second finds the first
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
        """Return an earlier upload of this content, if the server confirms that it has not changed since."""
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
    """Return the input with this name in workflows."""
    subfolder, _, filename = name.rpartition("/")
    return OutputFile("", "", filename, subfolder, "input")


def file_named(name: str) -> OutputFile:
    """Return the server's file with this name in workflows, which may be an output or a temporary file too."""
    found = _ANNOTATED.fullmatch(name)
    plain = input_file(found["name"] if found else name)
    return replace(plain, type=found["folder"]) if found else plain


def annotated(file: OutputFile) -> str:
    """Return the name of a server's file in workflows; files that are not inputs have their folder behind it."""
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
    return os.open(path, flags | os.O_NONBLOCK)  # opening a pipe would wait for a writer
