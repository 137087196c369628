"""Files come to the server as inputs: the same content once, nothing replaced unasked, and all of it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mcp_background_job.comfyui.prompts.uploads import Uploaded, Uploads, Wish, annotated, file_named
from mcp_background_job.comfyui.reports.input_report import of_uploads
from mcp_background_job.comfyui.wire.endpoint import endpoint_of
from mcp_background_job.comfyui.wire.node_outputs import OutputFile
from mcp_background_job.registry.database import Database
from mcp_background_job.registry.journal import JOURNAL
from mcp_background_job.registry.uploads import SqliteUploads
from tests.comfyui.prompts.cancel_support import QUICK
from tests.comfyui_simulator.process import Simulator, free_port

MB = 1024**2


@dataclass
class Desk:
    """A simulator, and uploads to it."""

    simulator: Simulator
    uploads: Uploads
    database: Database
    directory: Path

    def write(self, name: str, content: bytes) -> Path:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    async def upload(self, *paths: Path, **wish: object) -> list[Uploaded]:
        return await self.uploads.upload(paths, Wish(**wish))  # pyright: ignore[reportArgumentType]

    def inputs(self) -> dict[str, bytes]:
        folder = self.simulator.output_directory.with_name("input")
        files = [path for path in folder.rglob("*") if path.is_file()]
        return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(files)}


@contextlib.asynccontextmanager
async def desk_of(tmp_path: Path, *flags: str) -> AsyncGenerator[Desk]:
    with Simulator.start(*QUICK, *flags) as simulator:
        database = Database(str(tmp_path / "comfyui.sqlite3"), JOURNAL)
        endpoint = endpoint_of(None, "127.0.0.1", simulator.port)
        yield Desk(simulator, Uploads(endpoint, SqliteUploads(database)), database, tmp_path / "files")
        database.close()


def names(uploaded: list[Uploaded]) -> list[tuple[str, bool, str]]:
    return [(one.name, one.is_new, one.trouble) for one in uploaded]


@pytest.mark.real_process
@pytest.mark.requirement("comfyui.upload.once")
async def test_the_same_content_is_sent_once_and_another_never_takes_its_place(tmp_path: Path) -> None:
    async with desk_of(tmp_path) as desk:
        cat, twin = desk.write("cat.png", b"cat"), desk.write("b/twin.png", b"cat")
        other, film = desk.write("c/cat.png", b"another cat"), desk.write("film.mp4", os.urandom(3 * MB))
        uploaded = await desk.upload(cat, twin, other, film)
        assert names(uploaded) == [
            ("cat.png", True, ""),
            ("cat.png", False, ""),
            ("cat (1).png", True, ""),
            ("film.mp4", True, ""),
        ]
        assert desk.inputs() == {"cat.png": b"cat", "cat (1).png": b"another cat", "film.mp4": film.read_bytes()}
        assert [one.is_new for one in await desk.upload(cat, twin, other, film)] == [False] * 4
        known = of_uploads(await desk.upload(other, desk.directory / "nowhere.png"))
        assert known == {
            "status": "incomplete",
            "uploaded": 0,
            "there_already": 1,
            "failed": 1,
            "bytes": 0,
            "names": {str(other): "cat (1).png"},
            "failures": [{"file": str(desk.directory / "nowhere.png"), "reason": "No such file or directory"}],
        }
        # In a folder of its own it is something else, and what is to be replaced is.
        assert names(await desk.upload(cat, subfolder="poses/old")) == [("poses/old/cat.png", True, "")]
        assert names(await desk.upload(other, overwrite=True)) == [("cat.png", True, "")]
        assert desk.inputs()["cat.png"] == b"another cat"
        # By now what was noted of this name is not true any more.
        assert names(await desk.upload(cat)) == [("cat (2).png", True, "")]


@pytest.mark.real_process
async def test_what_the_server_lost_or_somebody_killed_had_no_time_to_note_is_brought_there(tmp_path: Path) -> None:
    async with desk_of(tmp_path) as desk:
        cat = desk.write("cat.png", b"cat")
        await desk.upload(cat)
        (desk.simulator.output_directory.with_name("input") / "cat.png").unlink()
        assert names(await desk.upload(cat)) == [("cat.png", True, "")]
        # Killed before the note: the server itself finds that it has it.
        with contextlib.closing(sqlite3.connect(desk.database.path)) as journal:
            journal.execute("DELETE FROM uploads")
            journal.commit()
        assert names(await desk.upload(cat)) == [("cat.png", True, "")]
        assert list(desk.inputs()) == ["cat.png"]


@pytest.mark.real_process
async def test_a_mask_is_laid_over_an_input_or_an_output(tmp_path: Path) -> None:
    async with desk_of(tmp_path) as desk:
        output = desk.simulator.output_directory
        output.mkdir(exist_ok=True)
        (output / "made.png").write_bytes(b"made")
        mask = desk.write("mask.png", b"mask")
        original = file_named("made.png [output]")
        assert names(await desk.upload(mask)) == [("mask.png", True, "")]
        [masked] = await desk.upload(mask, original=original)
        assert b"made.png with a mask of 4 bytes" in desk.inputs()[masked.name]
        assert names(await desk.upload(mask, original=original)) == [(masked.name, False, "")]
        # The mask alone is not what was made of it.
        assert names(await desk.upload(mask)) == [("mask.png", False, "")]
        gone = await desk.upload(mask, original=file_named("gone.png"))
        assert "the server accepted it, but has nothing" in gone[0].trouble


async def test_what_cannot_be_sent_is_said_file_by_file(tmp_path: Path) -> None:
    endpoint = endpoint_of(None, "127.0.0.1", free_port())
    database = Database(str(tmp_path / "comfyui.sqlite3"), JOURNAL)
    uploads = Uploads(endpoint, SqliteUploads(database))
    (tmp_path / "empty.png").touch()
    (tmp_path / "cat.png").write_bytes(b"cat")
    os.mkfifo(tmp_path / "pipe")
    asked = [tmp_path / name for name in ("empty.png", "pipe", "", "cat.png", "null\0byte")]
    reasons = [one.trouble for one in await uploads.upload(asked, Wish())]
    database.close()
    assert reasons[:3] == ["it is empty", "it is not a regular file", "Is a directory"]
    assert "nothing listens there" in reasons[3]
    assert "null" in reasons[4]


async def test_after_the_time_no_file_is_begun(tmp_path: Path) -> None:
    database = Database(str(tmp_path / "comfyui.sqlite3"), JOURNAL)
    uploads = Uploads(endpoint_of(None, "127.0.0.1", free_port()), SqliteUploads(database))
    assert await uploads.upload([tmp_path / "cat.png"], Wish(), limit_s=0) == []
    database.close()
    assert of_uploads([], left=1)["status"] == "incomplete"


@pytest.mark.parametrize("name", ["a.png", "sub/a b.png", "a.png [output]", "deep/er/a.png [temp]"])
def test_names_with_and_without_a_folder_come_back(name: str) -> None:
    assert annotated(file_named(name)) == name


def test_what_is_no_folder_of_the_server_belongs_to_the_name() -> None:
    assert file_named("a.png [x]") == OutputFile("", "", "a.png [x]", "", "input")


def test_a_name_that_is_none_is_not_repeated_whole() -> None:
    told = of_uploads([Uploaded(Path("/in") / ("y" * 50_000), trouble="File name too long")])
    ((failure,), status) = told["failures"], told["status"]
    assert (status, failure["reason"]) == ("incomplete", "File name too long")
    assert len(failure["file"]) == 300
