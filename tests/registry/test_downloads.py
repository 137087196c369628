"""What was downloaded, as the journal's database has it."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_background_job.core.comfyui.download import Download
from mcp_background_job.registry.database import Database
from mcp_background_job.registry.downloads import SqliteDownloads
from mcp_background_job.registry.journal import JOURNAL

ONE = Download(
    prompt_id="one",
    type="output",
    subfolder="x/y",
    filename="a.png",
    path="/out/tea/x/y/a.png",
    size=2**40,
    sha256="0" * 64,
    at=1.5,
)


@contextlib.contextmanager
def opened(path: str = ":memory:") -> Generator[SqliteDownloads]:
    with contextlib.closing(Database(path, JOURNAL)) as database:
        yield SqliteDownloads(database)


def same(download: Download) -> tuple[str, str, str, str]:
    return download.prompt_id, download.type, download.subfolder, download.filename


def test_a_download_is_there_after_reopening(tmp_path: Path) -> None:
    path = f"{tmp_path}/comfyui.sqlite3"
    with opened(path) as downloads:
        downloads.record(ONE)
    with opened(path) as downloads:
        assert downloads.get(*same(ONE)) == ONE


@pytest.mark.parametrize("name", ["prompt_id", "type", "subfolder", "filename"])
def test_a_file_is_known_by_all_that_names_it(name: str) -> None:
    other = dataclasses.replace(ONE, **{name: "other"}, path="/elsewhere")
    with opened() as downloads:
        downloads.record(ONE)
        assert downloads.get(*same(other)) is None
        downloads.record(other)
        assert downloads.get(*same(ONE)) == ONE
        assert downloads.get(*same(other)) == other


def test_the_last_download_of_a_file_counts() -> None:
    later = dataclasses.replace(ONE, path="/elsewhere", size=1, sha256="1" * 64, at=2.0)
    with opened() as downloads:
        downloads.record(ONE)
        downloads.record(later)
        assert downloads.get(*same(ONE)) == later


@given(st.text(), st.text(), st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_any_names_are_found_again(prompt_id: str, filename: str, path: str) -> None:
    with opened() as downloads:
        downloads.record(dataclasses.replace(ONE, prompt_id=prompt_id, filename=filename, path=path))
        found = downloads.get(prompt_id, "output", "x/y", filename)
        assert found is not None
        assert found.path == path


def test_a_path_that_is_no_text_is_found_again() -> None:
    with opened() as downloads:
        downloads.record(dataclasses.replace(ONE, path="/out/\udcff"))
        found = downloads.get(*same(ONE))
        assert found is not None
        assert found.path == "/out/\udcff"


def test_any_thread_may_note_and_ask(tmp_path: Path) -> None:
    with opened(f"{tmp_path}/comfyui.sqlite3") as downloads, ThreadPoolExecutor(8) as threads:
        ones = [dataclasses.replace(ONE, filename=f"{number}.png") for number in range(40)]
        list(threads.map(downloads.record, ones))
        assert [found.result() for found in [threads.submit(downloads.get, *same(one)) for one in ones]] == ones
