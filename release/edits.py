"""What a release writes into files: texts from texts."""

from __future__ import annotations

import re

_UNRELEASED = "## Unreleased\n"
_ASSIGNED = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)


def version_set(module: str, version: str) -> str:
    """Return the text of a module with another version.

    Raises:
        ValueError: it is no version, or not newer than the one that stands there.
    """
    found = _ASSIGNED.search(module)
    if found is None:
        raise ValueError("__version__ is assigned nowhere")
    if _parts(version) <= _parts(found[1]):
        raise ValueError(f"{version} is not newer than {found[1]}")
    return _ASSIGNED.sub(f'__version__ = "{version}"', module)


def changelog_of_release(changelog: str, version: str, today: str) -> str:
    """Return a changelog in which what was unreleased has a version and a date, and an empty section stands above.

    Raises:
        ValueError: nothing is unreleased.
    """
    before, found, behind = changelog.partition(_UNRELEASED)
    if not found or not re.match(r"\s*(?!## )\S", behind):
        raise ValueError("CHANGELOG.md has nothing under Unreleased")
    return f"{before}{_UNRELEASED}\n## {version} - {today}\n{behind}"


def _parts(version: str) -> tuple[int, ...]:
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise ValueError(f"VERSION={version!r} is no version: give three numbers, such as 1.2.3")
    return tuple(map(int, version.split(".")))
