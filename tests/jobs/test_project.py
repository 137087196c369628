from __future__ import annotations

from pathlib import Path

import pytest

from mcp_background_job.core.naming import Asker, Named, chosen, qualified, reference_of
from mcp_background_job.jobs.inherited.project import project_named, project_of, working_directory


@pytest.mark.parametrize("mark", [".git", ".hg", ".jj"])
def test_a_repository_is_the_project_of_all_that_lies_in_it(tmp_path: Path, mark: str) -> None:
    (tmp_path / mark).mkdir()
    inner = tmp_path / "src" / "deep"
    inner.mkdir(parents=True)
    assert project_of(str(inner)) == project_of(str(tmp_path)) == str(tmp_path)


def test_the_innermost_repository_counts_even_if_its_mark_is_a_file(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    worktree = tmp_path / "worktree"
    worktree.mkdir()
    (worktree / ".git").write_text("gitdir: elsewhere")
    assert project_of(str(worktree)) == str(worktree)


def test_a_directory_outside_of_repositories_is_its_own_project(tmp_path: Path) -> None:
    assert project_of(str(tmp_path)) == str(tmp_path)


def test_a_link_leads_to_the_project_that_it_points_to(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    (tmp_path / "link").symlink_to(real)
    assert project_of(str(tmp_path / "link")) == str(real)


@pytest.mark.parametrize(
    ("said", "name"),
    [
        (" barn ", "barn"),
        ("barn/", "barn"),
        ("north//barn", "north/barn"),
        ("/no/where/./barn/", "/no/where/barn"),
    ],
)
def test_a_project_that_is_named_can_be_told_by_its_last_part(said: str, name: str) -> None:
    assert project_named(said) == name
    reference = reference_of(qualified(project_named(said), "dev"))
    assert chosen(reference, [Named("jx", project_named(said))], Asker("", changes=True)) is not None


def test_the_root_is_no_project_also_by_name() -> None:
    with pytest.raises(ValueError, match="root"):
        project_named("//")


def test_root_and_home_are_no_project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert project_of("/") == ""
    assert project_of(str(tmp_path)) == ""


def test_a_repository_of_the_home_directory_is_no_project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".git").mkdir()
    (tmp_path / "notes").mkdir()
    assert project_of(str(tmp_path)) == ""
    assert project_of(str(tmp_path / "notes")) == str(tmp_path / "notes")


def test_the_working_directory_is_the_real_one_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PWD", "/somewhere/else")
    assert working_directory() == str(tmp_path)


def test_a_removed_working_directory_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert working_directory() == ""
