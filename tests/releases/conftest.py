"""Release 1.0.0, from this repository's history, beside this release on the same state directory."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from bench.client import ServerProcess
from tests.nursery.starts import Nursery, program
from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[2]

#: The commit of release 1.0.0.
COMMIT = "5606e95"

#: Starts a server of a release ("1.0.0" or "ours") with settings.
Serve = Callable[..., ServerProcess]


@pytest.fixture(scope="session")
def release_1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of release 1.0.0's files."""
    if not (ROOT / ".git").exists():
        pytest.skip("release 1.0.0 is in the history of the repository, and this is a copy without it")
    if _git("cat-file", "-e", f"{COMMIT}^{{commit}}").returncode:
        pytest.skip(f"commit {COMMIT}, release 1.0.0, is not in this clone: fetch the whole history")
    archive = _git("archive", COMMIT, "mcp_background_job")
    assert archive.returncode == 0, archive.stderr
    directory = tmp_path_factory.mktemp("release-1.0.0")
    subprocess.run(["/usr/bin/env", "tar", "-x", "-C", directory], input=archive.stdout, check=True)
    return directory


def _git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    git = shutil.which("git")
    if git is None:
        pytest.skip("git, which has release 1.0.0, is not installed")
    # Whoever owns the files: the home in which that may be said is not the tests'.
    return subprocess.run([git, "-c", "safe.directory=*", *arguments], cwd=ROOT, check=False, capture_output=True)


@pytest.fixture(scope="session")
def former(release_1: Path) -> Generator[Nursery]:
    """Starts processes of release 1.0.0."""
    behind = os.environ.get("PYTHONPATH")  # for libraries that an ordinary user's Python finds
    path = os.pathsep.join(filter(None, (str(release_1), behind)))
    nursery = Nursery("mcp_background_job", PYTHONPATH=path, PYTHONSAFEPATH="1")
    yield nursery
    nursery.close()


@pytest.fixture
def trees(release_1: Path) -> dict[str, Path]:
    """The directory of each release."""
    return {"1.0.0": release_1, "ours": ROOT}


def environment_of(tree: Path, state_dir: str) -> dict[str, str]:
    """The environment in which this venv's Python imports one release."""
    plain = {key: value for key, value in os.environ.items() if not key.startswith(("MCP_BG_", "COMFYUI_"))}
    settings = {"MCP_BG_STATE_DIR": state_dir, "MCP_BG_TOOLSETS": os.environ["MCP_BG_TOOLSETS"]}
    return {**plain, "PYTHONPATH": str(tree), "PYTHONSAFEPATH": "1", **settings}


@pytest.fixture
def serve(trees: dict[str, Path], former: Nursery, state_dir: str, tmp_path: Path) -> Generator[Serve]:
    """Starts servers in one project; at the end, those that are still open are closed."""
    servers: list[ServerProcess] = []
    project = tmp_path / "project"
    project.mkdir()

    def serve(release: str, **settings: str) -> ServerProcess:
        tree = trees[release]
        environment = environment_of(tree, state_dir) | settings
        command = former.command("mcp_background_job") if release == "1.0.0" else program()
        server = ServerProcess(command, environment, str(project), answer_timeout_s=PATIENCE_S)
        servers.append(server)
        server.initialize()
        return server

    yield serve
    for server in servers:
        server.close()


@pytest.fixture
def python(trees: dict[str, Path], state_dir: str) -> Callable[..., str]:
    """Runs Python code with one release, and returns its output."""

    def run(release: str, code: str, *arguments: str) -> str:
        tree = trees[release]
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            env=environment_of(tree, state_dir),
            cwd=tree,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run
