"""Downloads what prompts have made: each file whole or not at all, none twice, and none that stops the others."""

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

#: Files on their way at once: while one begins or ends the line is not idle, and the server's is not taken over.
_AT_ONCE = 2

#: Between two reports of progress.
_REPORT_S = 0.1

#: With these no other file will come either; any other trouble may be that of one file.
_FINAL = (Trouble.REFUSED, Trouble.UNREACHABLE, Trouble.SILENT)


@dataclass(frozen=True)
class Headway:
    """How far a download is.

    Attributes:
        files: how many there are.
        done: how many of them are over, however they ended.
        size: bytes that have come.
    """

    files: int
    done: int
    size: int


@dataclass(frozen=True)
class Choice:
    """Which files are downloaded.

    Attributes:
        kind: all, or without those that the server keeps only for a while (previews).
        force: those too that are there already, or cannot be whole.
    """

    kind: Literal["all", "output"] = "all"
    force: bool = False

    def takes(self, file: OutputFile) -> bool:
        """Tell whether a file is to be downloaded."""
        return self.kind == "all" or file.type != TEMPORARY


ALL = Choice()


@dataclass(frozen=True)
class Missed:
    """A file that was not downloaded, and why; without a name, whatever a prompt has made."""

    prompt_id: str
    name: str
    reason: str


@dataclass
class Downloaded:
    """What came of a download.

    Attributes:
        directory: what was downloaded below.
        files: what is there now.
        missed: what is not.
        left: how many files were not begun, since the time was over.
        broken: files that are there now, and why they cannot be whole.
        empty: prompts that made nothing to be downloaded.
        unknown: prompts that nobody knows.
        trouble: why the server gave no answer, if it gave none.
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
        if self.left:  # whose they are was not counted
            return {}
        missed = {one.prompt_id for one in (*self.missed, *self.broken)}
        folders = {file.wanted.prompt_id: self.directory / file.wanted.folder for file in self.files}
        return {prompt_id: folder for prompt_id, folder in folders.items() if prompt_id not in missed}


Report = Callable[[Headway], None]


class Downloader:
    """Downloads from one server. Any number of them may download the same to the same place."""

    def __init__(self, client: Client, prompts: Prompts, downloads: SqliteDownloads) -> None:
        """Takes whom it asks, and where it notes what it has."""
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
        """Download files of prompts to folders that are named by their notes.

        Args:
            prompts: ids and notes; an empty note stands for that of the submission.
            directory: is made if it is not there and there is something to download.
            report: is told, in the event loop, how far it is.
            limit_s: no file is begun later.
            choice: which files.

        Raises:
            InvalidRequestError: a prompt id that is none, or a directory that cannot be used.
        """
        notes = {check_prompt_id(prompt_id): note for prompt_id, note in prompts}
        place = await lanes.look(OutputDirectory, directory)
        try:
            await self._client.queue()  # is anybody there? What prompts made the journal knows too, but has no files
        except UnreachableError as error:
            return Downloaded(
                place.path, missed=[Missed(prompt_id, "", str(error)) for prompt_id in notes], trouble=error
            )
        deadline = time.monotonic() + limit_s
        run = _Run(self._client.endpoint, self._downloads, place, report=report, deadline=deadline, choice=choice)
        for prompt_id, note in notes.items():
            # Of one whose end is journalled nobody needs to be asked: a session may have thousands.
            prompt = await self._prompts.ended_before(prompt_id)
            if prompt is None and time.monotonic() >= deadline:
                run.result.left += 1  # one at least: what it has made is not known
            else:
                run.want(prompt or await self._prompts.get(prompt_id), note)
        await run.work()
        return run.result


class _Run:
    """One download: what is still to be fetched, and what came of the rest."""

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
        """Have the files of a prompt fetched."""
        submission, finished = prompt.submission, prompt.finished
        if submission and submission.server != self._endpoint.url:
            # Names of files begin anew on each server: what this one has under them another prompt has made.
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
        # The same file may be listed by several nodes.
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
        """Fetch what is wanted."""
        try:
            await self._fetch_all()
        finally:
            if self._telling is not None:  # nobody listens any more
                self._telling.cancel()

    async def _fetch_all(self) -> None:
        self._tell()
        if self._waiting:
            await lanes.write(self._directory.make)
            # What was downloaded before is only compared, which takes time too: the next call goes on where one ended.
            self._waiting = deque(await lanes.journal(sorted, self._waiting, key=self._is_recorded))
        order = {(wanted.prompt_id, wanted.name): place for place, wanted in enumerate(self._waiting)}
        async with asyncio.TaskGroup() as tasks:
            for _ in range(_AT_ONCE):
                tasks.create_task(self._work())
        # What did not fit has left its room again, in which others that came meanwhile may fit.
        for wanted in self._without_room:
            await self._fetch(wanted, is_last_try=True)
        # As they are listed, and not as they happened to fail; prompts as a whole go first.
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
        """Count bytes, in whatever thread they come."""
        with self._lock:
            self._size += size
            if self._is_to_be_told:
                return
            self._is_to_be_told = True
        # A while later, with all that has come by then: what comes last before a server stalls is told too.
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
    """Tell whether a prompt of which the server tells no end was refused, or canceled before it began."""
    return submission.stage is Stage.REFUSED or submission.end is End.CANCELLED
