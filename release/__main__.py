"""``make release VERSION=1.2.3``: from what is unreleased to files that users can install, with a commit and a tag."""

from __future__ import annotations

import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from release.edits import changelog_of_release, version_set
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
    _VERSION.write_text(module)
    run([sys.executable, "-m", "mcp_background_job.install.plugin", "."], cwd=ROOT)
    built = build(ROOT / "dist" / version)
    with tempfile.TemporaryDirectory(prefix="release-") as directory:
        try_out(built, Path(directory) / "newest", "--refresh")
        oldest = Path(directory) / "oldest.txt"
        resolve(oldest, "--resolution", "lowest-direct")
        try_out(built, Path(directory) / "oldest", "--constraints", str(oldest))
    run(["git", "commit", "--all", "--message", f"Release {version}"], cwd=ROOT, environ=dict(os.environ))
    run(["git", "tag", f"v{version}"], cwd=ROOT)
    print(f"v{version} is committed and tagged. Push it, and attach to the release: {built.wheel}, {built.sdist}")


if __name__ == "__main__":
    main("".join(sys.argv[1:]))
