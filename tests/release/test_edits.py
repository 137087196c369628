from __future__ import annotations

import re

import pytest

from release.edits import changelog_of_release, development_begun, version_set
from release.lock import difference
from release.uv import ROOT

_MODULE = '"""What it is."""\n\n__version__ = "1.9.0"\n'
_CHANGELOG = "# Changelog\n\n## Unreleased\n\n### Added\n\n- More.\n\n## 1.9.0 - 2026-01-01\n\n- Less.\n"


@pytest.mark.parametrize("version", ["1.9.1", "1.10.0", "2.0.0"])
def test_a_release_has_a_newer_version(version: str) -> None:
    assert version_set(_MODULE, version) == _MODULE.replace("1.9.0", version)


@pytest.mark.parametrize("version", ["1.9.0", "1.8.7", "0.10.0", "", "2", "2.0", "v2.0.0", "2.0.0rc1", "2.0.0\n"])
def test_what_is_no_newer_version_is_refused(version: str) -> None:
    with pytest.raises(ValueError, match=r"is not newer than 1\.9\.0|is no version"):
        version_set(_MODULE, version)


@pytest.mark.parametrize("version", ["2.0.0", "2.0.1", "3.0.0"])
def test_a_version_in_development_leads_to_a_release_of_the_same_numbers_or_higher(version: str) -> None:
    developed = _MODULE.replace("1.9.0", "2.0.0.dev0")
    assert version_set(developed, version) == _MODULE.replace("1.9.0", version)


@pytest.mark.parametrize("version", ["1.9.0", "1.99.99", "2.0.0.dev1"])
def test_what_is_older_than_the_version_in_development_is_refused(version: str) -> None:
    with pytest.raises(ValueError, match=r"is not newer than 2\.0\.0\.dev0|is no version"):
        version_set(_MODULE.replace("1.9.0", "2.0.0.dev0"), version)


def test_after_a_release_the_code_has_a_version_of_its_own() -> None:
    assert development_begun(_MODULE) == _MODULE.replace("1.9.0", "1.10.0.dev0")


def test_what_was_unreleased_gets_a_version_and_a_date() -> None:
    assert changelog_of_release(_CHANGELOG, "2.0.0", "2026-12-01") == _CHANGELOG.replace(
        "## Unreleased\n", "## Unreleased\n\n## 2.0.0 - 2026-12-01\n"
    )


@pytest.mark.parametrize(
    "changelog",
    ["# Changelog\n", "## Unreleased\n", "## Unreleased\n\n## 1.9.0 - 2026-01-01\n\n- Less.\n"],
)
def test_without_changes_there_is_nothing_to_release(changelog: str) -> None:
    with pytest.raises(ValueError, match="nothing under Unreleased"):
        changelog_of_release(changelog, "2.0.0", "2026-12-01")


def test_the_project_can_be_released() -> None:
    module = (ROOT / "mcp_background_job" / "__init__.py").read_text()
    assert re.search(r'^__version__ = "99\.0\.0"$', version_set(module, "99.0.0"), re.MULTILINE)
    assert "\n## Unreleased\n" in (ROOT / "CHANGELOG.md").read_text()


def test_two_locks_differ_by_what_is_new_gone_or_moved() -> None:
    old = "a==1\nb==1 ; sys_platform == 'win32'\nc==3\n"
    new = "a==1\nb==2 ; sys_platform == 'win32'\nd==1\n"
    assert difference(old, new).split("\n") == [
        "  b: 1 ; sys_platform == 'win32' -> 2 ; sys_platform == 'win32'",
        "  c: 3 -> none",
        "  d: none -> 1",
    ]
    assert difference(old, old) == ""
