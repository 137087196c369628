"""Where agents may download to."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcp_background_job.comfyui.outputs.output_directory import below
from mcp_background_job.errors import InvalidRequestError

pytestmark = pytest.mark.requirement("comfyui.download.inside")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "real").mkdir(parents=True)
    (root / "inward").symlink_to("real")
    (root / "outward").symlink_to(tmp_path)
    (root / "loop").symlink_to("loop")
    return root


@pytest.mark.parametrize(
    ("wanted", "where"),
    [
        ("comfyui-outputs", "comfyui-outputs"),
        ("a/b", "a/b"),
        ("a/../b", "b"),
        (".", "."),
        ("", "."),
        ("inward/a", "real/a"),
        ("{root}", "."),
        ("{root}/a", "a"),
    ],
)
def test_a_directory_below_the_root_is_taken(root: Path, wanted: str, where: str) -> None:
    assert below(root, wanted.format(root=root)) == (root / where).resolve()


@pytest.mark.parametrize(
    "wanted", ["..", "../root2", "a/../../b", "/", "/etc", "{root}2", "~", "outward", "outward/root2", "/proc/self/cwd"]
)
def test_a_directory_elsewhere_is_refused_by_a_sentence_that_names_the_setting(
    root: Path, wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(root.parent))
    with pytest.raises(InvalidRequestError, match=r"not inside .*COMFYUI_OUTPUT_DIR"):
        below(root, wanted.format(root=root))


@pytest.mark.parametrize("wanted", ["a\0b", "~nosuchuser/a", "loop/a"])
def test_what_is_no_path_is_refused_by_a_sentence(root: Path, wanted: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"^output_dir=.* cannot be used: "):
        below(root, wanted)


def test_the_whole_file_system_is_no_root() -> None:
    with pytest.raises(InvalidRequestError, match="set COMFYUI_OUTPUT_DIR"):
        below(Path("/"), "tmp")


def test_a_root_that_is_itself_a_link_is_where_it_leads(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    assert below(tmp_path / "link", "a") == root / "a"
    assert below(tmp_path / "link", str(tmp_path / "link" / "a")) == root / "a"
    assert below(tmp_path / "link", str(root / "a")) == root / "a"
