"""Whatever a server or a note says, a file stays inside of the directory that it is downloaded to."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mcp_background_job.comfyui.outputs.output_names import MAX_NAME, candidates, folder_of, parts_of
from mcp_background_job.comfyui.wire.node_outputs import OutputFile

ID = "0c2f6d2e-97c4-4f6d-a3d1-6f1f0b6a5a11"

#: What names and notes are attacked with, beside any text.
NASTY = st.text(alphabet=st.sampled_from('./\\~:*?"<>|\0\n\r\x1b\u2028\udc80 aC8é界-_()'), max_size=40)
ANY = st.one_of(
    NASTY, st.text(max_size=300), st.sampled_from(["..", ".", "/etc/passwd", "C:\\x", "NUL.png", "a" * 300])
)


def file_of(filename: str, subfolder: str = "") -> OutputFile:
    return OutputFile(node_id="9", kind="images", filename=filename, subfolder=subfolder, type="output")


@pytest.mark.parametrize(
    ("subfolder", "filename", "parts"),
    [
        ("", "a.png", ("a.png",)),
        ("x", "a.png", ("x", "a.png")),
        ("x/y", "a.png", ("x", "y", "a.png")),
        ("x//y/", "a.png", ("x", "y", "a.png")),
        ("x\\y", "a.png", ("x", "y", "a.png")),  # a server on Windows
        ("2026-11-26", "14:30 (1)_00001_.png", ("2026-11-26", "14:30 (1)_00001_.png")),
        ("", "a..b.png", ("a..b.png",)),
        ("", "猫.tar.gz", ("猫.tar.gz",)),
        ("", "console.png", ("console.png",)),
        ("", "no suffix", ("no suffix",)),
    ],
)
def test_a_name_that_can_do_no_harm_is_kept_as_it_is(subfolder: str, filename: str, parts: tuple[str, ...]) -> None:
    assert parts_of(file_of(filename, subfolder)) == parts


@pytest.mark.parametrize(
    ("subfolder", "filename"),
    [
        ("", ".."),
        ("", "."),
        ("", ""),
        ("..", "a.png"),
        ("x/../..", "a.png"),
        ("x\\..\\..", "a.png"),
        ("/etc", "passwd"),
        ("\\\\host\\share", "a.png"),
        ("C:", "a.png"),
        ("c:\\windows", "a.png"),
        ("", "/etc/passwd"),
        ("", "x/a.png"),
        ("", "..\\a.png"),
        ("", "C:a.png"),
        ("", "a\0.png"),
        ("a\0b", "a.png"),
        ("", "a\n.png"),
        ("", "a\x1b[2J.png"),
        ("", "a\u2028.png"),
        ("", "a\udc80.png"),
        ("", ".bashrc"),
        (".git/hooks", "post-checkout"),
        ("", "NUL"),
        ("", "con.png"),
        ("COM1", "a.png"),
        ("", "lpt².txt"),
        ("", "a.png."),
        ("", "a.png "),
        ("", "a" * 252 + ".png"),
        ("", "界" * 85 + ".png"),
    ],
)
def test_a_name_that_could_do_harm_is_refused_with_a_reason(subfolder: str, filename: str) -> None:
    with pytest.raises(ValueError, match=r"^its (name has|folder) .+"):
        parts_of(file_of(filename, subfolder))


@given(ANY, ANY)
@example("..", "a.png")
@example("a/..\\b", "x")
def test_whatever_the_server_sends_the_path_stays_inside(subfolder: str, filename: str) -> None:
    try:
        parts = parts_of(file_of(filename, subfolder))
    except ValueError:
        return
    path = os.path.normpath(os.path.join("/out/folder", *parts))
    assert path == "/".join(("/out/folder", *parts)), "the system reads it as it is written"
    assert all(0 < len(part.encode()) <= MAX_NAME for part in parts)
    assert "\0" not in path


@pytest.mark.parametrize(
    ("note", "folder"),
    [
        ("portrait", "portrait"),
        ("blue tea, version 2", "blue tea, version 2"),
        ("blue/tea", "blue_tea"),
        ("../../etc", "etc"),
        ("/etc/passwd", "etc_passwd"),
        (".hidden", "hidden"),
        ("line\nbreak\ttab", "line break tab"),
        ("C:\\x", "C__x"),
        ("con", "_con"),
        ("nul.txt", "_nul.txt"),
        ("猫 🐈", "猫 🐈"),
        ("x" * 100, "x" * 60),
        ("", "0c2f6d2e"),
        ("...", "0c2f6d2e"),
        ("/", "0c2f6d2e"),
        (" \0\x1b ", "0c2f6d2e"),
    ],
)
def test_a_note_becomes_the_name_of_a_folder(note: str, folder: str) -> None:
    assert folder_of(note, ID) == folder


@given(ANY, ANY)
@example("a" * 59 + ". b", "x")
@example("", "../..")
def test_whatever_note_and_id_are_the_folder_is_a_safe_name(note: str, ident: str) -> None:
    folder = folder_of(note, ident)
    assert parts_of(file_of("a.png", folder)) == (folder, "a.png")


@pytest.mark.parametrize(
    ("name", "second"),
    [
        ("name.png", "name (2).png"),
        ("a.tar.gz", "a.tar (2).gz"),
        ("name", "name (2)"),
        ("x" * 251 + ".png", "x" * 247 + " (2).png"),
        ("界" * 83 + ".png", "界" * 82 + " (2).png"),
        ("a." + "x" * 252, "a." + "x" * 249 + " (2)"),
    ],
)
def test_names_that_are_taken_get_numbers(name: str, second: str) -> None:
    assert list(islice(candidates(name), 2)) == [name, second]


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=255))
def test_names_with_numbers_differ_and_fit(name: str) -> None:
    names = list(islice(candidates(name), 12))
    assert len(set(names)) == 12
    assert all(len(numbered.encode()) <= MAX_NAME for numbered in names[1:])


def test_numbered_names_come_to_an_end() -> None:
    assert sum(1 for _ in candidates("a.png")) == 9999


def test_a_file_is_where_its_parts_say(tmp_path: Path) -> None:
    parts = parts_of(file_of("a b.png", "x/y"))
    assert tmp_path.joinpath(folder_of("n/m", ID), *parts) == tmp_path / "n_m" / "x" / "y" / "a b.png"
