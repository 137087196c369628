"""What a release writes into files: texts from texts."""

from __future__ import annotations

import re

_UNRELEASED = "## Unreleased\n"

#: Parts the three numbers from what follows them while nothing is released, as Python's packages have it.
_DEVELOPMENT = ".dev"

_ASSIGNED = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)


def version_set(module: str, version: str) -> str:
    """Return the text of a module with another version.

    Raises:
        ValueError: it is no version of a release, or not newer than the one that the module has.
    """
    now = _version_of(module)
    wanted, (parts, _, development) = _parts(version), now.partition(_DEVELOPMENT)
    # 1.1.0.dev0 leads to 1.1.0: the release of the same three numbers is newer.
    if wanted < _parts(parts) or (wanted == _parts(parts) and not development):
        raise ValueError(f"{version} is not newer than {now}")
    return _assigned(module, version)


def development_begun(module: str) -> str:
    """Return the text of a released module with the version that the code has until the next release."""
    major, minor, _ = _parts(_version_of(module))
    return _assigned(module, f"{major}.{minor + 1}.0{_DEVELOPMENT}0")


def changelog_of_release(changelog: str, version: str, today: str) -> str:
    """Return a changelog in which what was unreleased has a version and a date, and an empty section stands above.

    Raises:
        ValueError: nothing is unreleased.
    """
    before, found, behind = changelog.partition(_UNRELEASED)
    if not found or not re.match(r"\s*(?!## )\S", behind):
        raise ValueError("CHANGELOG.md has nothing under Unreleased")
    return f"{before}{_UNRELEASED}\n## {version} - {today}\n{behind}"


def _version_of(module: str) -> str:
    found = _ASSIGNED.search(module)
    if found is None:
        raise ValueError("__version__ is assigned nowhere")
    return found[1]


def _assigned(module: str, version: str) -> str:
    return _ASSIGNED.sub(f'__version__ = "{version}"', module)


def _parts(version: str) -> tuple[int, ...]:
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise ValueError(f"VERSION={version!r} is no version: give three numbers, such as 1.2.3")
    return tuple(map(int, version.split(".")))
