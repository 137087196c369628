"""Downloads from a server that lists good files and bad ones, vanishes, drops connections, and is asked twice."""

from __future__ import annotations

import asyncio
import dataclasses
import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mcp_background_job.comfyui.outputs.download import Downloaded, Headway
from mcp_background_job.comfyui.outputs.part_file import PartFile, sweep
from mcp_background_job.comfyui.prompts.graphs import workflow
from mcp_background_job.comfyui.reports.output_report import of_download, status_of
from mcp_background_job.comfyui.wire import transfer as transfer_module
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.registry import database as database_module
from mcp_background_job.registry.database import Database
from mcp_background_job.registry.downloads import SqliteDownloads
from mcp_background_job.registry.journal import JOURNAL
from tests.comfyui.outputs.download_support import Site, sha256, site_of
from tests.comfyui.talk import submit
from tests.comfyui_simulator.nodes import graphs
from tests.live_files import begun_parts
from tests.patience import PATIENCE_S, until

pytestmark = pytest.mark.real_process

MB = 1024**2

#: Have the first larger file stall in the middle.
STALLS = ("--view-stall", str(MB), "1")

#: A file that is not sent at once: it fills the buffers of a connection.
LARGE = 32 * MB


def reasons(downloaded: Downloaded) -> dict[str, str]:
    return {missed.name: missed.reason for missed in downloaded.missed}


def counts(downloaded: Downloaded) -> tuple[int, int, int]:
    """Return how many files are new, were there already, and are missing."""
    new = sum(file.is_new for file in downloaded.files)
    return new, len(downloaded.files) - new, len(downloaded.missed)


# -- what is downloaded, and where to ----------------------------------------------------------------------------------


@pytest.mark.requirement("comfyui.download.whole")
async def test_files_of_any_kind_come_whole_with_their_subfolders(tmp_path: Path) -> None:
    async with site_of(tmp_path) as site:
        graph = graphs.files(
            graphs.output("a picture", "deep/er/picture"),
            graphs.file("film.mp4", kind="gifs", text="film", size=5 * MB),
            graphs.file("sound.flac", kind="audio", subfolder="audio", text="sound"),
            graphs.file("draft.png", folder="temp", text="draft"),
            graphs.file("small.latent", kind="latents"),
        )
        prompt_id = await site.run(graph, note="Blue tea / 2")
        downloaded = await site.download(prompt_id)
        assert counts(downloaded) == (5, 0, 0)
        assert site.tree() == {
            "Blue tea _ 2/audio/sound.flac": b"sound",
            "Blue tea _ 2/deep/er/picture_00001_.png": (
                site.simulator.output_directory / "deep/er/picture_00001_.png"
            ).read_bytes(),
            "Blue tea _ 2/draft.png": b"draft",
            "Blue tea _ 2/film.mp4": b"film" + bytes(5 * MB - 4),
            "Blue tea _ 2/small.latent": b"-",
        }
        known = site.downloads.get(prompt_id, "output", "audio", "sound.flac")
        assert known is not None
        assert (known.path, known.size, known.sha256) == (
            str(site.directory / "Blue tea _ 2/audio/sound.flac"),
            5,
            sha256(b"sound"),
        )


async def test_without_a_note_the_folder_is_the_begin_of_the_id_and_a_given_note_goes_first(tmp_path: Path) -> None:
    async with site_of(tmp_path) as site:
        plain = await site.run(graphs.file("a.txt", kind="text_files"))
        noted = await site.run(graphs.file("b.txt", kind="text_files"), note="of the submission")
        await site.downloader.download([(plain, ""), (noted, "of the session")], site.directory)
        assert list(site.tree()) == sorted([f"{plain[:8]}/a.txt", "of the session/b.txt"])


async def test_new_files_have_the_mode_that_any_program_would_give_them(tmp_path: Path) -> None:
    async with site_of(tmp_path) as site:
        prompt_id = await site.run(graphs.file("a.png", text="a"))
        [file] = (await site.download(prompt_id)).files
        (tmp_path / "other").touch()
        assert file.path.stat().st_mode == (tmp_path / "other").stat().st_mode
        assert file.path.stat().st_nlink == 1


async def test_a_file_that_two_nodes_list_is_downloaded_once(tmp_path: Path) -> None:
    async with site_of(tmp_path) as site:
        graph = graphs.files(graphs.file("a.png", text="a"), graphs.listing(("", "a.png"), ("", "a.png"), kind="gifs"))
        assert counts(await site.download(await site.run(graph))) == (1, 0, 0)


async def test_what_failed_and_cancelled_prompts_have_made_is_downloaded_too(tmp_path: Path) -> None:
    async with site_of(tmp_path) as site:
        graph = graphs.chain(graphs.file("a.png", text="a"), graphs.raising())
        assert counts(await site.download(await site.run(graph))) == (1, 0, 0)


# -- what is there already ---------------------------------------------------------------------------------------------


@pytest.mark.requirement("comfyui.download.skipped")
async def test_what_is_there_is_skipped_without_a_transfer(tmp_path: Path) -> None:
    async with site_of(tmp_path) as site:
        prompt_id = await site.run(graphs.files(graphs.file("a.png", text="a"), graphs.file("b.png", text="b")))
        await site.download(prompt_id)
        before = site.tree()
        shutil.rmtree(site.simulator.output_directory)  # whoever asks for them gets a 404
        again = await site.download(prompt_id)
        assert counts(again) == (0, 2, 0)
        assert status_of(again) == "downloaded"
        assert site.tree() == before


@pytest.mark.requirement("comfyui.download.skipped")
@pytest.mark.parametrize("content", [b"edited", b"e", b""])
async def test_a_file_of_the_same_name_with_another_content_is_kept_and_not_taken_for_it(
    tmp_path: Path, content: bytes
) -> None:
    async with site_of(tmp_path) as site:
        prompt_id = await site.run(graphs.file("a.png", text="a"), note="n")
        await site.download(prompt_id)
        (site.directory / "n/a.png").write_bytes(content)
        assert counts(await site.download(prompt_id)) == (1, 0, 0)
        assert site.tree() == {"n/a.png": content, "n/a (2).png": b"a"}
        assert counts(await site.download(prompt_id)) == (0, 1, 0), "the second place is known as well"


async def test_a_file_that_was_deleted_is_downloaded_again(tmp_path: Path) -> None:
    async with site_of(tmp_path) as site:
        prompt_id = await site.run(graphs.file("a.png", text="a"), note="n")
        await site.download(prompt_id)
        (site.directory / "n/a.png").unlink()
        assert counts(await site.download(prompt_id)) == (1, 0, 0)
        assert site.tree() == {"n/a.png": b"a"}


async def test_the_same_file_that_nobody_noted_is_kept_and_noted(tmp_path: Path) -> None:
    async with site_of(tmp_path) as site:
        prompt_id = await site.run(graphs.file("a.png", text="a"), note="n")
        (site.directory / "n").mkdir(parents=True)
        (site.directory / "n/a.png").write_bytes(b"a")
        there = (site.directory / "n/a.png").stat()
        assert counts(await site.download(prompt_id)) == (0, 1, 0)
        assert site.tree() == {"n/a.png": b"a"}
        assert (site.directory / "n/a.png").stat().st_ino == there.st_ino
        known = site.downloads.get(prompt_id, "output", "", "a.png")
        assert known is not None
        assert known.sha256 == sha256(b"a")


async def test_files_of_one_name_get_numbers(tmp_path: Path) -> None:
    async with site_of(tmp_path) as site:
        for text in ("one", "two", "three"):
            await site.download(await site.run(graphs.file("latest.png", text=text), note="n"))
        assert site.tree() == {"n/latest.png": b"one", "n/latest (2).png": b"two", "n/latest (3).png": b"three"}


async def test_another_directory_gets_its_own_files_and_the_first_is_remembered_by_content(tmp_path: Path) -> None:
    async with site_of(tmp_path) as site:
        prompt_id = await site.run(graphs.file("a.png", text="a"), note="n")
        await site.download(prompt_id)
        other = await site.downloader.download([(prompt_id, "")], tmp_path / "other")
        assert counts(other) == (1, 0, 0)
        assert (tmp_path / "other/n/a.png").read_bytes() == b"a"
        shutil.rmtree(site.simulator.output_directory)
        assert counts(await site.download(prompt_id)) == (0, 1, 0)


# -- names and links that lead elsewhere -------------------------------------------------------------------------------


@pytest.mark.requirement("comfyui.download.inside")
async def test_names_that_lead_elsewhere_are_refused_and_the_others_come(tmp_path: Path) -> None:
    async with site_of(tmp_path) as site:
        bad = [("../../..", "evil.png"), ("", "../../evil.png"), ("/etc", "evil"), ("", ".evil"), ("a\0b", "evil")]
        graph = graphs.files(graphs.listing(*bad), graphs.file("good.png", text="good"))
        downloaded = await site.download(await site.run(graph, note="n"))
        assert counts(downloaded) == (1, 0, len(bad))
        assert all(missed.reason.startswith("its ") for missed in downloaded.missed)
        assert site.tree() == {"n/good.png": b"good"}
        assert not [name for _, folders, files in os.walk(tmp_path) for name in folders + files if "evil" in name]


@pytest.mark.requirement("comfyui.download.inside")
@pytest.mark.parametrize("link", ["n", "n/sub"])
async def test_a_link_that_leads_out_is_not_followed(tmp_path: Path, link: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    async with site_of(tmp_path) as site:
        (site.directory / link).parent.mkdir(parents=True)
        (site.directory / link).symlink_to(outside)
        downloaded = await site.download(await site.run(graphs.file("a.png", subfolder="sub/deep"), note="n"))
        assert counts(downloaded) == (0, 0, 1)
        assert "leads out" in downloaded.missed[0].reason
        assert list(outside.iterdir()) == [], "nothing was made behind it either"


async def test_a_link_that_stays_inside_is_followed(tmp_path: Path) -> None:
    async with site_of(tmp_path) as site:
        (site.directory / "real").mkdir(parents=True)
        (site.directory / "n").symlink_to("real")
        await site.download(await site.run(graphs.file("a.png", text="a"), note="n"))
        assert (site.directory / "real/a.png").read_bytes() == b"a"


async def test_what_stands_in_the_place_of_a_file_is_left_alone(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"a")
    async with site_of(tmp_path) as site:
        folder = site.directory / "n"
        folder.mkdir(parents=True)
        (folder / "a.png").symlink_to(secret)
        os.mkfifo(folder / "b.png")
        (folder / "c.png").mkdir()
        (folder / "d.png").symlink_to("nowhere")
        graph = graphs.files(*(graphs.file(f"{name}.png", text="a") for name in "abcd"))
        assert counts(await site.download(await site.run(graph, note="n"))) == (4, 0, 0)
        assert all((folder / f"{name} (2).png").read_bytes() == b"a" for name in "abcd")
        assert secret.read_bytes() == b"a"
        assert (folder / "a.png").is_symlink()


# -- files that do not come --------------------------------------------------------------------------------------------


@pytest.mark.requirement("comfyui.download.goes_on")
async def test_a_file_that_vanished_does_not_stop_the_others(tmp_path: Path) -> None:
    async with site_of(tmp_path) as site:
        graph = graphs.files(graphs.listing(("", "gone.png")), graphs.file("a.png", text="a"))
        downloaded = await site.download(await site.run(graph, note="n"))
        assert counts(downloaded) == (1, 0, 1)
        assert "no longer has it" in reasons(downloaded)["gone.png"]
        assert status_of(downloaded) == "incomplete"
        assert site.tree() == {"n/a.png": b"a"}


@pytest.mark.requirement("comfyui.download.goes_on")
@pytest.mark.requirement("comfyui.download.whole")
async def test_a_connection_that_ends_in_the_middle_leaves_nothing_and_stops_nothing(tmp_path: Path) -> None:
    async with site_of(tmp_path, "--view-drop", "1000") as site:
        graph = graphs.files(graphs.file("cut.mp4", size=2000), graphs.file("a.png", text="a", size=1000))
        downloaded = await site.download(await site.run(graph, note="n"))
        assert counts(downloaded) == (1, 0, 1)
        assert "ended after 1,000 of 2,000 bytes" in reasons(downloaded)["cut.mp4"]
        assert downloaded.trouble is None
        assert list(site.tree()) == ["n/a.png"]


@pytest.mark.requirement("comfyui.download.goes_on")
async def test_a_server_that_dies_meanwhile_is_named_and_the_rest_is_reported(tmp_path: Path) -> None:
    async with site_of(tmp_path, "--view-stall", str(MB), "2") as site:
        graph = graphs.files(*(graphs.file(f"{number}.mp4", size=2 * MB) for number in range(6)))
        prompt_id = await site.run(graph, note="n")
        (site.directory / "n").mkdir(parents=True)
        downloading = asyncio.create_task(site.download(prompt_id))
        await until(lambda: _has_part(site.directory / "n", 2), "parts are there")
        site.simulator.stop()
        downloaded = await downloading
        assert downloaded.trouble is not None
        assert downloaded.trouble.trouble == "refused"
        assert status_of(downloaded) == "unreachable"
        told = [reasons(downloaded)[f"{number}.mp4"] for number in range(6)]
        assert all("closed the connection" in reason for reason in told[:2]), "they were on their way"
        assert sum("nothing listens there" in reason for reason in told[2:]) in (1, 2)
        assert told[4:] == ["not tried, since the server gives no answer"] * 2
        assert site.tree() == {}


async def test_all_that_has_come_is_told_though_no_more_comes(tmp_path: Path) -> None:
    async with site_of(tmp_path, *STALLS) as site:
        prompt_id = await site.run(graphs.file("a.mp4", size=2 * MB))
        told: list[int] = []

        def note(headway: Headway) -> None:
            told.append(headway.size)

        downloading = asyncio.create_task(site.download(prompt_id, report=note))

        async def all_is_told() -> bool:
            assert not downloading.done()
            return told[-1:] == [MB]

        await until(all_is_told, "the part is told that has come")
        assert len(told) < 100  # and not each piece of it
        downloading.cancel()
        await asyncio.wait([downloading])


async def _has_part(folder: Path, count: int = 1) -> bool:
    return begun_parts(folder) == count


async def test_a_server_that_falls_silent_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer_module, "SILENCE_S", 0.3)
    async with site_of(tmp_path, *STALLS) as site:
        downloaded = await site.download(await site.run(graphs.file("a.mp4", size=2 * MB)))
        assert downloaded.trouble is not None
        assert downloaded.trouble.trouble == "silent"
        assert site.tree() == {}


async def test_a_server_that_is_not_there_is_a_trouble_and_no_lack_of_outputs(tmp_path: Path) -> None:
    async with site_of(tmp_path) as site:
        prompt_id = await site.run(graphs.file("a.png"))
        site.simulator.stop()
        downloaded = await site.download(prompt_id)
        known = of_download(downloaded)
        assert (known["status"], known["why"], known["failed"]) == ("unreachable", "refused", 1)
        assert not site.directory.exists()


async def test_prompts_without_files_say_why(tmp_path: Path) -> None:
    async with site_of(tmp_path) as site:
        nothing = await site.run(graphs.showing({"value": [1]}))
        runs = await site.control.submit_running(graphs.stepped(1000, 0.1))
        waits = await site.control.submit(graphs.stepped(1, 0.0))
        unknown = "00000000-0000-4000-8000-000000000000"
        downloaded = await site.download(nothing, runs, waits, unknown)
        assert downloaded.empty == [nothing]
        assert [(missed.prompt_id, missed.reason.split(":")[0]) for missed in downloaded.missed] == [
            (runs, "in_progress"),
            (waits, "pending"),
            (unknown, "unknown"),
        ]
        assert status_of(downloaded) == "incomplete"
        assert status_of(await site.download(unknown)) == "not_found"
        assert status_of(await site.download(nothing)) == "downloaded"
        assert not site.directory.exists(), "there was nothing to put there"


async def test_what_was_refused_or_canceled_before_it_ran_has_made_nothing(tmp_path: Path) -> None:
    async with site_of(tmp_path) as site:
        await site.control.submit_running(graphs.stepped(1000, 0.1))
        waits = await site.control.submit(graphs.stepped(1, 0.0))
        await site.control.canceller.cancel_pending(waits)
        refused = await site.control.submitter.submit(workflow.of_api(graphs.load_checkpoint("nowhere.safetensors")))
        downloaded = await site.download(waits, refused.prompt_id)
        assert (downloaded.empty, downloaded.missed) == ([waits, refused.prompt_id], [])
        assert status_of(downloaded) == "downloaded"


async def test_outputs_that_a_broken_history_only_counts_are_not_called_none(tmp_path: Path) -> None:
    async with site_of(tmp_path) as site:
        # Nobody may listen: with a listener it would be the end of the server.
        prompt_id = submit(site.simulator, graphs.files(graphs.file("a.png"), graphs.bad_ui()))
        await site.control.until_over(prompt_id)
        downloaded = await site.download(prompt_id)
        assert downloaded.empty == []
        assert "broken" in downloaded.missed[0].reason


@pytest.mark.parametrize("prompt_id", ["j4k2", "", "{}"])
async def test_an_id_of_something_else_is_refused_before_anything_is_done(tmp_path: Path, prompt_id: str) -> None:
    async with site_of(tmp_path) as site:
        good = await site.run(graphs.file("a.png"))
        with pytest.raises(InvalidRequestError):
            await site.download(good, prompt_id)
        assert not site.directory.exists()


# -- time and progress -------------------------------------------------------------------------------------------------


async def test_progress_counts_files_and_bytes(tmp_path: Path) -> None:
    heard: list[Headway] = []
    async with site_of(tmp_path) as site:
        graph = graphs.files(graphs.file("a.mp4", size=LARGE), graphs.listing(("", "gone.png")))
        await site.download(await site.run(graph), report=heard.append)
    assert heard[0] == Headway(files=2, done=0, size=0)
    assert heard[-1] == Headway(files=2, done=2, size=LARGE)
    assert [(one.done, one.size) for one in heard] == sorted((one.done, one.size) for one in heard)


async def test_no_file_is_begun_after_the_time_and_the_next_call_goes_on(tmp_path: Path) -> None:
    async with site_of(tmp_path) as site:
        prompt_id = await site.run(graphs.files(graphs.file("a.png"), graphs.file("b.png")))
        downloaded = await site.download(prompt_id, limit_s=0)
        assert (counts(downloaded), downloaded.left, status_of(downloaded)) == ((0, 0, 0), 2, "incomplete")
        assert counts(await site.download(prompt_id)) == (2, 0, 0)


async def test_a_cancelled_download_ends_at_once_and_leaves_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer_module, "SILENCE_S", 2 * PATIENCE_S)
    async with site_of(tmp_path, *STALLS) as site:
        prompt_id = await site.run(graphs.file("a.mp4", size=2 * MB), note="n")
        downloading = asyncio.create_task(site.download(prompt_id))
        await until(lambda: _has_part(site.directory / "n"), "a part is there")
        downloading.cancel()
        async with asyncio.timeout(PATIENCE_S):
            with pytest.raises(asyncio.CancelledError):
                await downloading
        assert site.tree() == {}


# -- several at once, and killed ones ----------------------------------------------------------------------------------


@pytest.mark.requirement("comfyui.download.skipped")
async def test_several_downloads_of_the_same_at_once_make_one_file_each(tmp_path: Path) -> None:
    async with site_of(tmp_path) as site:
        graph = graphs.files(*(graphs.file(f"{number}.mp4", text=f"{number}", size=MB) for number in range(6)))
        prompt_id = await site.run(graph, note="n")
        results = await asyncio.gather(*(site.download(prompt_id) for _ in range(4)))
        assert [len(result.files) for result in results] == [6] * 4
        assert sum(counts(result)[0] for result in results) == 6
        assert site.tree() == {f"n/{number}.mp4": f"{number}".encode() + bytes(MB - 1) for number in range(6)}


_DOWNLOAD = """
import asyncio, sys
from pathlib import Path
from tests.comfyui.outputs.download_support import site_at
from tests.comfyui_simulator.process import Simulator

async def main(port, directory, prompt_id):
    class Elsewhere:
        pass
    there = Elsewhere()
    there.port = int(port)
    async with site_at(there, Path(directory)) as site:
        downloaded = await site.downloader.download([(prompt_id, "n")], site.directory)
        print(len(downloaded.files), len(downloaded.missed), flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


def _downloading(site: Site, tmp_path: Path, prompt_id: str) -> subprocess.Popen[bytes]:
    """Download in a process of its own."""
    argv = [sys.executable, "-c", _DOWNLOAD, str(site.simulator.port), str(tmp_path), prompt_id]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3])


@pytest.mark.requirement("comfyui.download.killed")
async def test_after_a_kill_in_the_middle_the_next_download_sweeps_up_and_completes(tmp_path: Path) -> None:
    async with site_of(tmp_path, *STALLS) as site:
        prompt_id = await site.run(graphs.file("a.mp4", text="film", size=LARGE), note="n")
        (site.directory / "n").mkdir(parents=True)
        with _downloading(site, tmp_path, prompt_id) as process:
            await until(lambda: _has_part(site.directory / "n"), "a part is there")
            process.kill()
        assert len(site.tree()) == 1, "the part of the dead one"
        assert counts(await site.download(prompt_id)) == (1, 0, 0)
        assert site.tree() == {"n/a.mp4": b"film" + bytes(LARGE - 4)}


@pytest.mark.requirement("comfyui.download.killed")
async def test_the_part_of_a_download_that_goes_on_elsewhere_is_not_swept(tmp_path: Path) -> None:
    async with site_of(tmp_path, *STALLS) as site:
        prompt_id = await site.run(graphs.file("a.mp4", size=2 * MB), note="n")
        (site.directory / "n").mkdir(parents=True)
        with _downloading(site, tmp_path, prompt_id) as process:
            await until(lambda: _has_part(site.directory / "n"), "a part is there")
            [part] = site.tree()
            assert counts(await site.download(prompt_id)) == (1, 0, 0)
            assert part in site.tree()
            process.kill()
        sweep(site.directory / "n")
        assert list(site.tree()) == ["n/a.mp4"]


def test_of_many_who_publish_and_sweep_at_once_each_keeps_its_own(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from mcp_background_job.comfyui.outputs.part_file import PartFile, sweep
folder, mine = Path(sys.argv[1]), sys.argv[2]
for number in range(200):
    sweep(folder)
    part = PartFile.create(folder)
    part.write(memoryview(f"{mine} {number}".encode()))
    sweep(folder)
    assert part.publish(folder / f"{mine}-{number}")
    part.publish(folder / f"common-{number}")
    part.discard()
"""
    processes = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name]) for name in ("a", "b", "c")]
    assert [process.wait(PATIENCE_S) for process in processes] == [0, 0, 0]
    names = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert len(names) == 800
    for name, content in names.items():
        mine, _, number = name.partition("-")
        assert content in ([f"{mine} {number}"] if mine != "common" else [f"{one} {number}" for one in "abc"])


# -- disks -------------------------------------------------------------------------------------------------------------


def test_where_there_are_no_hard_links_nothing_is_replaced_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "taken").write_bytes(b"taken")
    part = PartFile.create(tmp_path)
    part.write(memoryview(b"new"))
    assert not part.publish(tmp_path / "taken")
    assert part.publish(tmp_path / "free")
    part.discard()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"taken": b"taken", "free": b"new"}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Mounts a disk of so many kB, to be filled."""
    mounted: list[Path] = []

    def mount(kilobytes: int) -> Path:
        disk = tmp_path / "disk"
        disk.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(disk)]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=PATIENCE_S)
        if done.returncode != 0:
            pytest.skip(f"needs the right to mount a disk that is small enough to fill: {done.stderr.strip()}")
        mounted.append(disk)
        return disk

    yield mount
    for disk in mounted:
        subprocess.run(["umount", "-l", str(disk)], check=True, timeout=PATIENCE_S)  # noqa: S607  as root it is on the path


@pytest.mark.requirement("comfyui.download.goes_on")
async def test_a_full_disk_is_said_and_what_fits_is_there(tmp_path: Path, small_disk: Callable[[int], Path]) -> None:
    disk = small_disk(1024)
    async with site_of(tmp_path) as site:
        graph = graphs.files(graphs.file("a.mp4", size=5 * MB), graphs.file("b.png", text="b", size=1000))
        prompt_id = await site.run(graph, note="n")
        downloaded = await site.downloader.download([(prompt_id, "")], disk / "out")
        assert reasons(downloaded) == {"a.mp4": "No space left on device"}
        assert [path.name for path in (disk / "out/n").iterdir()] == ["b.png"]


async def test_a_directory_that_cannot_be_made_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    async with site_of(tmp_path) as site:
        prompt_id = await site.run(graphs.file("a.png"))
        with pytest.raises(InvalidRequestError, match=r"cannot be downloaded to .*/out: "):
            await site.download(prompt_id)


async def test_a_file_that_cannot_be_noted_is_named_with_its_place(tmp_path: Path) -> None:
    path = str(tmp_path / "comfyui.sqlite3")
    async with site_of(tmp_path) as site:
        prompt_id = await site.run(graphs.file("a.png", text="a"), note="n")
        impatient = Database(path, dataclasses.replace(JOURNAL, busy_timeout_s=0.05))
        site.downloader._downloads = SqliteDownloads(impatient)
        with database_module.sqlite3.connect(path, isolation_level=None) as other:
            other.execute("BEGIN IMMEDIATE")
            downloaded = await site.download(prompt_id)
            other.execute("ROLLBACK")
        other.close()
        impatient.close()
        assert "n/a.png, but that could not be recorded" in reasons(downloaded)["a.png"]


# -- memory ------------------------------------------------------------------------------------------------------------


def _peak_kib(site: Site, tmp_path: Path, prompt_id: str) -> int:
    process = _downloading(site, tmp_path, prompt_id)
    assert process.stdout is not None
    assert process.stdout.readline() == b"1 0\n"
    process.stdout.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss


@pytest.mark.requirement("comfyui.download.memory")
@pytest.mark.parametrize("size", [64 * MB, pytest.param(1024 * MB, marks=pytest.mark.nightly)])
async def test_memory_does_not_grow_with_a_file(tmp_path: Path, size: int) -> None:
    async with site_of(tmp_path) as site:
        small = await site.run(graphs.file("small.mp4", size=1000))
        large = await site.run(graphs.file("large.mp4", size=size))
        least = await asyncio.to_thread(_peak_kib, site, tmp_path, small)
        most = await asyncio.to_thread(_peak_kib, site, tmp_path, large)
        assert (site.directory / "n/large.mp4").stat().st_size == size
        assert (most - least) / 1024 < 16
