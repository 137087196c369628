"""``make release VERSION=1.2.3``: from what is unreleased to files that users can install, with a commit and a tag.

A second commit gives the code that follows a version of its own, such as ``1.3.0.dev0``. So no program that is built
between two releases says that it is one of them.
"""

from __future__ import annotations

import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from release.edits import changelog_of_release, development_begun, version_set
from release.lock import resolve
from release.uv import ROOT, run
from release.wheel import build, try_out

_VERSION = ROOT / "mcp_background_job" / "__init__.py"
_CHANGELOG = ROOT / "CHANGELOG.md"


def main(version: str) -> None:
    """Make a release.

    The wheel is tried with the newest versions that the registry serves, as users get it, and with the oldest that it
    says it can use. What was edited stays edited if something fails: ``git restore .`` undoes it.

    Raises:
        SystemExit: there is something uncommitted, nothing to release, or the wheel does not work.
    """
    if dirty := run(["git", "status", "--porcelain"], cwd=ROOT):
        raise SystemExit(f"commit or remove this first:\n{dirty}")
    today = datetime.now(UTC).date().isoformat()
    try:
        changelog = changelog_of_release(_CHANGELOG.read_text(), version, today)
        module = version_set(_VERSION.read_text(), version)
    except ValueError as error:
        raise SystemExit(str(error)) from error
    _CHANGELOG.write_text(changelog)
    _write_version(module)
    built = build(ROOT / "dist" / version)
    with tempfile.TemporaryDirectory(prefix="release-") as directory:
        try_out(built, Path(directory) / "newest", "--refresh")
        oldest = Path(directory) / "oldest.txt"
        resolve(oldest, "--resolution", "lowest-direct")
        try_out(built, Path(directory) / "oldest", "--constraints", str(oldest))
    _commit(f"Release {version}")
    run(["git", "tag", f"v{version}"], cwd=ROOT)
    _write_version(development_begun(module))
    _commit(f"Begin what follows {version}")
    print(f"v{version} is committed and tagged. Push it, and attach to the release: {built.wheel}, {built.sdist}")


def _write_version(module: str) -> None:
    _VERSION.write_text(module)
    run([sys.executable, "-m", "mcp_background_job.install.plugin", "."], cwd=ROOT)


def _commit(message: str) -> None:
    run(["git", "commit", "--all", "--message", message], cwd=ROOT, environ=dict(os.environ))


if __name__ == "__main__":
    main("".join(sys.argv[1:]))
