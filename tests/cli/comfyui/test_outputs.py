"""``comfyui download`` and ``upload``, as a user would type it."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cli.comfyui_line import ComfyUILine, Renderer
from tests.cli.command_line import CommandLine, end_of, on_terminal, read_until
from tests.comfyui_simulator.nodes import graphs
from tests.comfyui_simulator.process import Simulator
from tests.live_files import begun_parts
from tests.patience import WAIT, wait_until

pytestmark = pytest.mark.real_process

MB = 1024**2


def run(renderer: Renderer, graph: graphs.Graph, note: str = "") -> str:
    done = renderer.json("submit", renderer.file(graph), "--wait", WAIT, "--note", note)
    assert done["status"] == "completed"
    return done["prompt_id"]


def tree(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_outputs_come_to_the_directory_that_is_named(renderer: Renderer, tmp_path: Path) -> None:
    one = run(renderer, graphs.file("a.png", text="a", subfolder="sub"), "tea")
    two = run(renderer, graphs.file("b.mp4", kind="gifs", text="b"))
    out, err = renderer.ends(0, "download", one, two, "-o", str(tmp_path / "here"))
    assert out.splitlines()[0] == f"2 files (2 B) downloaded to {tmp_path / 'here'}"
    assert err == ""
    assert tree(tmp_path / "here") == {"tea/sub/a.png": b"a", f"{two[:8]}/b.mp4": b"b"}
    again = renderer.json("download", one, two, "--output-dir", str(tmp_path / "here"))
    assert (again["status"], again["written"], again["skipped"]) == ("downloaded", 0, 2)
    assert again["files"] == sorted(["tea/sub/a.png", f"{two[:8]}/b.mp4"])


def test_inputs_are_uploaded_and_the_names_that_workflows_use_are_printed(renderer: Renderer, tmp_path: Path) -> None:
    image = tmp_path / "a.png"
    image.write_bytes(b"image")

    out, err = renderer.ends(0, "upload", str(image))
    again, _ = renderer.ends(0, "upload", str(image))
    missing, _ = renderer.ends(1, "upload", str(tmp_path / "none.png"))

    assert out.splitlines()[0] == "1 file (5 B) uploaded"
    assert f"{image} → a.png" in out
    assert err == ""
    assert again.splitlines()[0] == "nothing uploaded, 1 there already"
    assert missing.splitlines()[0] == "nothing uploaded, 1 not uploaded"


def test_without_a_directory_they_come_to_where_one_is(renderer: Renderer, tmp_path: Path) -> None:
    prompt_id = run(renderer, graphs.file("a.png", text="a"), "tea")
    (tmp_path / "here").mkdir()
    child = renderer.cli.open("comfyui", "download", prompt_id, cwd=tmp_path / "here")
    assert end_of(child)[0] == 0
    assert tree(tmp_path / "here") == {"comfyui-outputs/tea/a.png": b"a"}


def test_what_is_missing_gives_exit_code_1_and_the_reasons(renderer: Renderer, tmp_path: Path) -> None:
    graph = graphs.files(graphs.listing(("", "gone.png"), ("..", "evil\x1b[2J")), graphs.file("a.png"))
    prompt_id = run(renderer, graph, "tea")
    out, _ = renderer.ends(1, "download", prompt_id, "-o", str(tmp_path / "here"))
    assert out.splitlines()[0].endswith("2 not downloaded")
    assert f"gone.png of prompt {prompt_id}: the server no longer has it" in out
    assert "\x1b" not in out
    known = renderer.json("download", prompt_id, "-o", str(tmp_path / "here"), code=1)
    assert [failure["file"] for failure in known["failures"]] == ["gone.png", "../evil\x1b[2J"]


def test_other_ends_have_their_exit_codes(renderer: Renderer, nobody: ComfyUILine, tmp_path: Path) -> None:
    there = str(tmp_path / "here")
    nobody.cli.environment["COMFYUI_PORT"] = str(renderer.port)
    unknown = "00000000-0000-4000-8000-000000000000"
    assert renderer.json("download", unknown, "-o", there, code=8)["status"] == "not_found"
    _, err = renderer.ends(2, "download", "j4k2", "-o", there)
    assert "background job" in err
    (tmp_path / "file").touch()
    _, err = renderer.ends(2, "download", run(renderer, graphs.file("a.png")), "-o", str(tmp_path / "file"))
    assert "cannot be downloaded to" in err
    renderer.ends(2, "download")
    renderer.cli.environment["COMFYUI_PORT"] = str(nobody.port)
    out, err = renderer.ends(6, "download", unknown, "-o", there)
    assert (out, "unreachable (refused)" in err) == ("", True)
    assert "mcp-background-job comfyui start" in err
    assert not Path(there).exists()


@pytest.fixture
def staller(cli: CommandLine, tmp_path: Path) -> Any:
    """The commands, with a ComfyUI that stalls in the middle of the first large file."""
    with Simulator.start("--startup-delay", "0", "--view-stall", str(MB), "1") as simulator:
        yield Renderer(cli, tmp_path, simulator)


def _await_part(directory: Path) -> None:
    wait_until(lambda: begun_parts(directory) > 0, "a part is there")


def test_a_terminal_shows_how_far_it_is(staller: Renderer, tmp_path: Path) -> None:
    graph = graphs.files(graphs.file("a.png", text="a"), graphs.file("b.mp4", size=2 * MB))
    prompt_id = run(staller, graph, "tea")
    child, terminal = on_terminal(staller.cli, "comfyui", "download", prompt_id, "-o", str(tmp_path / "here"))
    text = read_until(terminal, b"1 of 2 files")
    if b"MB" not in text:  # of the second file, which stalls after its first one, little had come yet
        read_until(terminal, b"MB")
    child.send_signal(signal.SIGINT)
    code, _, err = end_of(child)
    assert code == 130
    assert b"skipped the next time" in err
    os.close(terminal)
    assert list(tree(tmp_path / "here")) == ["tea/a.png"]


@pytest.mark.requirement("comfyui.download.killed")
def test_a_download_that_was_killed_is_completed_by_the_next(staller: Renderer, tmp_path: Path) -> None:
    prompt_id = run(staller, graphs.file("b.mp4", text="film", size=2 * MB), "tea")
    child = staller.open("download", prompt_id, "-o", str(tmp_path / "here"))
    _await_part(tmp_path / "here")
    child.kill()
    child.wait()
    assert [name.endswith(".part") for name in tree(tmp_path / "here")] == [True]
    staller.ends(0, "download", prompt_id, "-o", str(tmp_path / "here"))
    assert tree(tmp_path / "here") == {"tea/b.mp4": b"film" + bytes(2 * MB - 4)}


@pytest.mark.requirement("comfyui.download.skipped")
def test_several_at_once_make_one_file(renderer: Renderer, tmp_path: Path) -> None:
    prompt_id = run(renderer, graphs.file("b.mp4", text="film", size=20 * MB), "tea")
    children: list[subprocess.Popen[bytes]] = [
        renderer.open("download", prompt_id, "-o", str(tmp_path / "here")) for _ in range(3)
    ]
    assert [end_of(child)[0] for child in children] == [0, 0, 0]
    assert tree(tmp_path / "here") == {"tea/b.mp4": b"film" + bytes(20 * MB - 4)}
