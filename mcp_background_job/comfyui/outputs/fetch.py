"""Gets one file of a prompt to its place: not if it is there already, and never over another file."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from mcp_background_job.comfyui.outputs.digest import Digest
from mcp_background_job.comfyui.outputs.output_directory import OutputDirectory
from mcp_background_job.comfyui.outputs.output_names import candidates, parts_of
from mcp_background_job.comfyui.outputs.part_file import PartFile
from mcp_background_job.comfyui.outputs.soundness import trouble_with
from mcp_background_job.comfyui.wire.endpoint import Endpoint
from mcp_background_job.comfyui.wire.node_outputs import OutputFile
from mcp_background_job.comfyui.wire.transfer import Transfer, view_path
from mcp_background_job.core.comfyui.download import Download
from mcp_background_job.errors import BrokenOutputError, RegistryError
from mcp_background_job.registry.downloads import SqliteDownloads


@dataclass(frozen=True)
class Wanted:
    """A file to download.

    Attributes:
        prompt_id: the prompt that made it.
        folder: the name of the folder for the prompt's files.
        file: the server's name for it.
        text: its content, if that came with the answer and not as a file.
    """

    prompt_id: str
    folder: str
    file: OutputFile
    text: str | None = None

    @property
    def name(self) -> str:
        """Its name for people."""
        return "/".join(filter(None, [self.file.subfolder, self.file.filename]))


@dataclass(frozen=True)
class Fetched:
    """A file that is in its place.

    Attributes:
        wanted: the file.
        path: its place.
        size: bytes.
        is_new: whether it was not there before.
        trouble: why it cannot be whole; empty if no sign says so.
    """

    wanted: Wanted
    path: Path
    size: int
    is_new: bool
    trouble: str = ""


@dataclass(frozen=True)
class _Content:
    size: int
    sha256: str


class Fetch:
    """One file in transfer. One thread runs it, and any thread may abort it."""

    def __init__(
        self, endpoint: Endpoint, downloads: SqliteDownloads, directory: OutputDirectory, *, force: bool = False
    ) -> None:
        """Takes the server, the table of downloads, and the directory.

        With ``force``, the file is requested even if it is there already, and accepted even if it cannot be whole.
        """
        self._transfer = Transfer(endpoint)
        self._downloads = downloads
        self._directory = directory
        self._force = force

    def run(self, wanted: Wanted, count: Callable[[int], None]) -> Fetched:
        """Get the file; ``count`` receives the number of bytes as they come.

        Raises:
            ValueError: its name is not allowed here.
            MissingOutputError: the server does not have it.
            BrokenOutputError: the server has only a part of it.
            UnreachableError: it did not come, or not all of it.
            OSError: it cannot be written.
            RegistryError: it is there, and could not be recorded.
        """
        *subfolders, name = parts_of(wanted.file)
        folder = self._directory.folder([wanted.folder, *subfolders])
        there = None if self._force else self._already(wanted, folder, name)
        if there is not None:
            return there
        part = PartFile.create(folder)
        try:
            content = self._receive(wanted, part, count)
            trouble = "" if wanted.text is not None else trouble_with(content.size, part.read_at)
            if trouble and not self._force:
                raise BrokenOutputError(f"the server's copy is incomplete: {trouble}")
            path, is_new = _settle(part, folder, name, content)
        finally:
            part.discard()
        if not trouble:  # a broken file is requested again: the server may have all of it by then
            self._note(wanted, path, content)
        return Fetched(wanted, path, content.size, is_new, trouble)

    def abort(self) -> None:
        """Make the transfer fail now."""
        self._transfer.abort()

    def _already(self, wanted: Wanted, folder: Path, name: str) -> Fetched | None:
        """Return the file if it, with its recorded content, is where it was put or would be put."""
        known = self._known(wanted)
        if known is None:
            return None
        for path in dict.fromkeys([Path(known.path), folder / name]):
            if path.parent == folder and _holds(path, _Content(known.size, known.sha256)):
                return Fetched(wanted, path, known.size, is_new=False)
        return None

    def _known(self, wanted: Wanted) -> Download | None:
        file = wanted.file
        return self._downloads.get(wanted.prompt_id, file.type, file.subfolder, file.filename)

    def _receive(self, wanted: Wanted, part: PartFile, count: Callable[[int], None]) -> _Content:
        size = 0
        with Digest() as digest, closing(self._chunks(wanted, digest.buffer)) as chunks:
            for chunk in chunks:
                digest.update(chunk)
                part.write(chunk)
                size += len(chunk)
                count(len(chunk))
        return _Content(size, digest.hexdigest())

    def _chunks(self, wanted: Wanted, buffer: Callable[[], memoryview]) -> Generator[memoryview]:
        if wanted.text is None:
            return self._transfer.chunks(view_path(wanted.file), buffer)
        return _chunks_of(wanted.text.encode(), buffer)

    def _note(self, wanted: Wanted, path: Path, content: _Content) -> None:
        file = wanted.file
        download = Download(
            prompt_id=wanted.prompt_id,
            type=file.type,
            subfolder=file.subfolder,
            filename=file.filename,
            path=str(path),
            size=content.size,
            sha256=content.sha256,
            at=time.time(),
        )
        try:
            self._downloads.record(download)
        except RegistryError as error:
            raise RegistryError(f"it is at {path}, but that could not be recorded: {error}") from error


def _chunks_of(content: bytes, buffer: Callable[[], memoryview]) -> Generator[memoryview]:
    while content:
        into = buffer()
        count = min(len(into), len(content))
        into[:count] = content[:count]
        content = content[count:]
        yield into[:count]


def _settle(part: PartFile, folder: Path, name: str, content: _Content) -> tuple[Path, bool]:
    """Give a whole file its name, or the next free one; returns its path, and whether it is new."""
    for candidate in candidates(name):
        path = folder / candidate
        if part.publish(path):
            return path, True
        if _holds(path, content):
            return path, False
    raise FileExistsError(f"{folder / name} and all its numbered names are taken")


def _holds(path: Path, content: _Content) -> bool:
    """Tell whether a regular file has this content; false if it cannot be read."""
    try:
        with open(path, "rb", opener=_open_plain) as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode) or facts.st_size != content.size:
                return False
            return hashlib.file_digest(file, "sha256").hexdigest() == content.sha256
    except OSError:
        return False


def _open_plain(path: str, flags: int) -> int:
    # A link may lead to a file elsewhere, and opening a pipe would wait for a writer.
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
