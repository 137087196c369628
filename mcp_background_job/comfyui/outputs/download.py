"""Downloads the outputs of prompts: each file whole or not at all, none twice, and no failure stops the others."""

from __future__ import annotations

import asyncio
import errno
import functools
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from mcp_background_job.comfyui.outputs.fetch import Fetch, Fetched, Wanted
from mcp_background_job.comfyui.outputs.output_directory import OutputDirectory
from mcp_background_job.comfyui.outputs.output_names import folder_of, text_file
from mcp_background_job.comfyui.prompts.prompts import Prompt, Prompts, check_prompt_id, elsewhere
from mcp_background_job.comfyui.wire.client import Client
from mcp_background_job.comfyui.wire.endpoint import Endpoint
from mcp_background_job.comfyui.wire.node_outputs import TEMPORARY, Made, OutputFile
from mcp_background_job.comfyui.wire.transfer import in_thread
from mcp_background_job.comfyui.wire.trouble import Trouble
from mcp_background_job.core.comfyui.submission import End, Stage, Submission
from mcp_background_job.errors import BackgroundJobError, UnreachableError
from mcp_background_job.executors import lanes
from mcp_background_job.registry.downloads import SqliteDownloads

#: Files in transfer at once: the line is busy while one begins or ends, and the server is not overloaded.
_AT_ONCE = 2

#: Seconds between two reports of progress.
_REPORT_S = 0.1

#: Troubles after which no other file will come either; any other trouble may concern one file.
_FINAL = (Trouble.REFUSED, Trouble.UNREACHABLE, Trouble.SILENT)


@dataclass(frozen=True)
class Headway:
    """The progress of a download.

    Attributes:
        files: the number of files.
        done: how many of them are finished, whatever the result.
        size: bytes received.
    """

    files: int
    done: int
    size: int


@dataclass(frozen=True)
class Choice:
    """The files to download.

    Attributes:
        kind: all files, or without those that the server keeps only for a while (previews).
        force: whether to download files that exist already, or cannot be whole.
    """

    kind: Literal["all", "output"] = "all"
    force: bool = False

    def takes(self, file: OutputFile) -> bool:
        """Tell whether a file is to be downloaded."""
        return self.kind == "all" or file.type != TEMPORARY


ALL = Choice()


@dataclass(frozen=True)
class Missed:
    """A file that was not downloaded, and why; without a name, all outputs of a prompt."""

    prompt_id: str
    name: str
    reason: str


@dataclass
class Downloaded:
    """The result of a download.

    Attributes:
        directory: the directory of the downloads.
        files: the files that are there now.
        missed: the files that are not.
        left: how many files were not begun, since the time was over.
        broken: files that are there now, and why they cannot be whole.
        empty: prompts without outputs.
        unknown: prompts that neither server nor journal knows.
        trouble: why the server did not answer, if it did not.
    """

    directory: Path
    files: list[Fetched] = field(default_factory=list[Fetched])
    missed: list[Missed] = field(default_factory=list[Missed])
    left: int = 0
    broken: list[Missed] = field(default_factory=list[Missed])
    empty: list[str] = field(default_factory=list[str])
    unknown: list[str] = field(default_factory=list[str])
    trouble: UnreachableError | None = None

    def complete(self) -> dict[str, Path]:
        """Return the folders of the prompts of which all files are there."""
        if self.left:  # whose files they are was not counted
            return {}
        missed = {one.prompt_id for one in (*self.missed, *self.broken)}
        folders = {file.wanted.prompt_id: self.directory / file.wanted.folder for file in self.files}
        return {prompt_id: folder for prompt_id, folder in folders.items() if prompt_id not in missed}


Report = Callable[[Headway], None]


class Downloader:
    """Downloads from one server. Any number of downloaders may write the same files to the same place."""

    def __init__(self, client: Client, prompts: Prompts, downloads: SqliteDownloads) -> None:
        """Takes the client, the prompts, and the table of downloads."""
        self._client = client
        self._prompts = prompts
        self._downloads = downloads

    async def download(
        self,
        prompts: Iterable[tuple[str, str]],
        directory: Path,
        *,
        report: Report = lambda _: None,
        limit_s: float = math.inf,
        choice: Choice = ALL,
    ) -> Downloaded:
        """Download files of prompts to folders that are named after the prompts' notes.

        Args:
            prompts: ids and notes; an empty note means that of the submission.
            directory: is made if it does not exist and there is something to download.
            report: receives the progress, in the event loop.
            limit_s: seconds after which no further file is begun.
            choice: the files to download.

        Raises:
            InvalidRequestError: a prompt id is invalid, or the directory cannot be used.
        """
        notes = {check_prompt_id(prompt_id): note for prompt_id, note in prompts}
        place = await lanes.look(OutputDirectory, directory)
        try:
            await self._client.queue()  # checks that it answers: the journal knows outputs, but has no files
        except UnreachableError as error:
            return Downloaded(
                place.path, missed=[Missed(prompt_id, "", str(error)) for prompt_id in notes], trouble=error
            )
        deadline = time.monotonic() + limit_s
        run = _Run(self._client.endpoint, self._downloads, place, report=report, deadline=deadline, choice=choice)
        for prompt_id, note in notes.items():
            # If a prompt's end is in the journal, the server is not asked: a session may have thousands of prompts.
            prompt = await self._prompts.ended_before(prompt_id)
            if prompt is None and time.monotonic() >= deadline:
                run.result.left += 1  # at least one: its outputs are unknown
            else:
                run.want(prompt or await self._prompts.get(prompt_id), note)
        await run.work()
        return run.result


class _Run:
    """One download: the files still to fetch, and the results of the others."""

    def __init__(
        self,
        endpoint: Endpoint,
        downloads: SqliteDownloads,
        directory: OutputDirectory,
        *,
        report: Report,
        deadline: float,
        choice: Choice,
    ) -> None:
        self.result = Downloaded(directory.path)
        self._endpoint = endpoint
        self._downloads = downloads
        self._directory = directory
        self._report = report
        self._deadline = deadline
        self._choice = choice
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Wanted] = deque()
        self._without_room: list[Wanted] = []
        self._files = 0
        self._done = 0
        self._lock = threading.Lock()
        self._size = 0
        self._is_to_be_told = False
        self._telling: asyncio.TimerHandle | None = None

    def want(self, prompt: Prompt, note: str) -> None:
        """Add the files of a prompt to the download."""
        submission, finished = prompt.submission, prompt.finished
        if submission and submission.server != self._endpoint.url:
            # Each server numbers its files anew: the same names on this one belong to another prompt.
            reason = elsewhere(submission, self._endpoint.url)
            self.result.missed.append(Missed(prompt.prompt_id, "", reason))
            return
        if submission and finished is None and _has_never_run(submission):
            self.result.empty.append(prompt.prompt_id)
            return
        if finished is None:
            self._miss_all(prompt)
        note = note or (submission.note if submission else "")
        made = Made(finished.outputs, finished.shown) if finished else prompt.so_far
        wanted = [*self._files_of(prompt, made, note), *self._texts_of(prompt, made, note)]
        self._waiting += wanted
        self._files += len(wanted)
        if finished and finished.unlisted:
            reason = f"the server's history is broken: it counts {finished.unlisted} outputs, and cannot list them"
            self.result.missed.append(Missed(prompt.prompt_id, "", reason))
        elif finished and not wanted:
            self.result.empty.append(prompt.prompt_id)

    def _files_of(self, prompt: Prompt, made: Made, note: str) -> list[Wanted]:
        folder = folder_of(note, prompt.prompt_id)
        # Several nodes may list the same file.
        files = {(file.type, file.subfolder, file.filename): file for file in made.outputs if self._choice.takes(file)}
        return [Wanted(prompt.prompt_id, folder, file) for file in files.values()]

    def _texts_of(self, prompt: Prompt, made: Made, note: str) -> list[Wanted]:
        folder = folder_of(note, prompt.prompt_id)
        wanted: list[Wanted] = []
        for text in made.shown:
            if not text.is_text:
                continue
            file = text_file(text)
            wanted.append(Wanted(prompt.prompt_id, folder, file, text.text))
            if not text.is_whole:
                reason = f"only the first {len(text.text):,} of its {text.length:,} characters were kept"
                self.result.broken.append(Missed(prompt.prompt_id, file.filename, reason))
        return wanted

    def _miss_all(self, prompt: Prompt) -> None:
        if prompt.status == "unknown" and not prompt.submission and not prompt.reason.startswith("unreachable"):
            self.result.unknown.append(prompt.prompt_id)
        is_over = prompt.status not in ("pending", "in_progress")
        why = "the server's history does not list its files" if is_over else "it has not ended, and may make more"
        reason = f"{prompt.status}: {prompt.reason or why}"
        self.result.missed.append(Missed(prompt.prompt_id, "", reason))

    async def work(self) -> None:
        """Fetch the wanted files."""
        try:
            await self._fetch_all()
        finally:
            if self._telling is not None:  # nobody listens any more
                self._telling.cancel()

    async def _fetch_all(self) -> None:
        self._tell()
        if self._waiting:
            await lanes.write(self._directory.make)
            # Files downloaded before are only compared, but that takes time too: the next call continues where one
            # ended.
            self._waiting = deque(await lanes.journal(sorted, self._waiting, key=self._is_recorded))
        order = {(wanted.prompt_id, wanted.name): place for place, wanted in enumerate(self._waiting)}
        async with asyncio.TaskGroup() as tasks:
            for _ in range(_AT_ONCE):
                tasks.create_task(self._work())
        # A file that did not fit has freed its room again, and others that came meanwhile may fit.
        for wanted in self._without_room:
            await self._fetch(wanted, is_last_try=True)
        # In the listed order, not in the order of failure; whole prompts come first.
        self.result.missed.sort(key=lambda missed: order.get((missed.prompt_id, missed.name), -1))

    def _is_recorded(self, wanted: Wanted) -> bool:
        file = wanted.file
        return self._downloads.get(wanted.prompt_id, file.type, file.subfolder, file.filename) is not None

    async def _work(self) -> None:
        while self._waiting:
            wanted = self._waiting.popleft()
            if self.result.trouble:
                self._miss(wanted, "not tried, since the server gives no answer")
            elif time.monotonic() >= self._deadline:
                self.result.left += 1
            else:
                await self._fetch(wanted)
            self._done += 1
            self._tell()

    async def _fetch(self, wanted: Wanted, *, is_last_try: bool = False) -> None:
        try:
            fetch = Fetch(self._endpoint, self._downloads, self._directory, force=self._choice.force)
            fetched = await in_thread(functools.partial(fetch.run, wanted, self._count), fetch.abort)
            self.result.files.append(fetched)
            if fetched.trouble:
                self.result.broken.append(Missed(wanted.prompt_id, wanted.name, fetched.trouble))
        except UnreachableError as error:
            if error.trouble in _FINAL:
                self.result.trouble = error
            self._miss(wanted, str(error))
        except OSError as error:
            if error.errno == errno.ENOSPC and not is_last_try:
                self._without_room.append(wanted)
            else:
                self._miss(wanted, error.strerror or str(error))
        except (BackgroundJobError, ValueError) as error:
            self._miss(wanted, str(error))

    def _miss(self, wanted: Wanted, reason: str) -> None:
        self.result.missed.append(Missed(wanted.prompt_id, wanted.name, reason))

    def _count(self, size: int) -> None:
        """Count bytes; any thread may call it."""
        with self._lock:
            self._size += size
            if self._is_to_be_told:
                return
            self._is_to_be_told = True
        # Reported a little later, with all bytes by then: the last bytes before a server stalls are reported too.
        self._loop.call_soon_threadsafe(self._tell_later)

    def _tell_later(self) -> None:
        self._telling = self._loop.call_later(_REPORT_S, self._tell_counted)

    def _tell_counted(self) -> None:
        with self._lock:
            self._is_to_be_told = False
        self._tell()

    def _tell(self) -> None:
        self._report(Headway(self._files, self._done, self._size))


def _has_never_run(submission: Submission) -> bool:
    """Tell whether a prompt without an end at the server was refused, or canceled before it began."""
    return submission.stage is Stage.REFUSED or submission.end is End.CANCELLED
