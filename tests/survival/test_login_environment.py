"""Jobs of a server that a client has started with next to nothing have what a terminal would give them."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.client import ServerProcess, facts_of
from mcp_background_job.app import build
from mcp_background_job.config import load_settings
from mcp_background_job.jobs.inherited import inheritance
from mcp_background_job.processes import login
from mcp_background_job.processes.login import login_environment
from tests.conftest import Liveness
from tests.nursery.starts import program
from tests.patience import PATIENCE_S, WAIT_S, wait_until

pytestmark = pytest.mark.real_process

#: Writes the text into files that a shell reads, that of a terminal and others.
Profile = Callable[..., dict[str, str]]

SHELLS = {"bash": shutil.which("bash"), "zsh": shutil.which("zsh")}

#: What profiles do, and the file of each shell that does it.
NVM = 'export NVM_DIR="$HOME/.nvm"; export PATH="$HOME/.nvm/bin:$PATH"; export HTTPS_PROXY=http://proxy:1'
FILES = {"bash": ".bashrc", "zsh": ".zshrc"}
ONLY_FOR_PEOPLE = "case $- in *i*) ;; *) return ;; esac\n"


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> str:
    """A shell of users."""
    path = SHELLS[request.param]
    if path is None:
        pytest.skip(f"{request.param} is not on this machine")
    return path


@pytest.fixture
def profile(state_dir: str, tmp_path: Path, shell: str, monkeypatch: pytest.MonkeyPatch) -> Profile:
    """Writes the file of the shell that a terminal reads; returns what a client hands to a server."""
    monkeypatch.setattr(login, "_LIMIT_S", PATIENCE_S)
    monkeypatch.setattr(login, "_PLAIN_LIMIT_S", PATIENCE_S)

    def write(text: str, *others: str) -> dict[str, str]:
        for name in (FILES[Path(shell).name], *others):
            (tmp_path / name).write_text(text)
        return {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "SHELL": shell, "MCP_BG_STATE_DIR": state_dir}

    return write


PROFILES = {
    "nvm": NVM,
    "only for people": ONLY_FOR_PEOPLE + NVM,
    "pyenv": f"""eval "$(echo 'pyenv() {{ :; }}; export PYENV_SHELL=x')"; pyenv rehash; {NVM}""",
    "conda": f"""c=$("$HOME/no/conda" shell.hook 2> /dev/null); if [ $? -eq 0 ]; then eval "$c"; else {NVM}; fi""",
    "prints": f"echo hello; printf 'A=1\\0\\0' ; echo oops >&2; {NVM}; echo bye",
    "closes its output": f"exec > /dev/null 2>&1; {NVM}",
    "fails": f"{NVM}; no-such-command; false",
    "reads its input": f"read -r answer; {NVM}; cat",
    "asks the terminal": f"read -r answer < /dev/tty; {NVM}",
    "starts a daemon": f"(setsid sleep 0.3 &) ; {NVM}",
    "values of many lines": f"{NVM}; export ODD=$'a\\nb=c\\n'",
}


@pytest.mark.parametrize("name", PROFILES)
async def test_the_profile_of_a_terminal_is_read(profile: Profile, shell: str, name: str) -> None:
    given = profile(PROFILES[name])

    found = await login_environment(shell, given)

    assert found is not None
    assert found["PATH"].startswith(given["HOME"] + "/.nvm/bin:")
    assert found["HTTPS_PROXY"] == "http://proxy:1"
    if name == "values of many lines":
        assert found["ODD"] == "a\nb=c\n"


async def test_a_shell_that_becomes_something_else_at_once_is_asked_more_plainly(
    profile: Profile, shell: str, tmp_path: Path
) -> None:
    given = profile(ONLY_FOR_PEOPLE + "exec false")
    (tmp_path / ".profile").write_text("export FROM=profile\n")
    (tmp_path / ".zprofile").write_text("export FROM=profile\n")

    found = await login_environment(shell, given)

    assert found is not None
    assert found["FROM"] == "profile"


async def test_of_a_profile_that_hangs_nothing_is_left_when_nobody_asks_any_more(
    profile: Profile, shell: str, liveness: Liveness
) -> None:
    given = profile(f"{liveness.holder('beside')} &\n{liveness.holder('hangs')}")
    asking = asyncio.create_task(login_environment(shell, given))
    await asyncio.to_thread(liveness.expect, "beside", "hangs")

    asking.cancel()
    await asyncio.wait({asking})

    liveness.wait_dead("beside", "hangs")


async def test_a_profile_that_hangs_has_its_time(profile: Profile, shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "_LIMIT_S", 0.3)
    monkeypatch.setattr(login, "_PLAIN_LIMIT_S", 0.3)
    given = profile("exec sleep 60", ".profile", ".zprofile")

    assert await login_environment(shell, given) is None


@pytest.mark.parametrize("shell", ["bash"], indirect=True)
def test_a_server_that_dies_leaves_nothing_of_the_shell(profile: Profile, liveness: Liveness) -> None:
    server = _server(profile(liveness.holder("hangs")))
    server.initialize()
    liveness.expect("hangs")

    server.kill()

    liveness.wait_dead("hangs")


@pytest.mark.requirement("shell.login_env")
@pytest.mark.parametrize("shell", ["bash"], indirect=True)
def test_a_client_that_hands_over_little_gets_jobs_as_in_a_terminal(profile: Profile) -> None:
    given = profile(NVM)
    with _server(given | {"TERM": "xterm", "MCP_BG_HTTP_TOKEN": "hush"}) as server:
        jobs: list[dict[str, Any]] = []
        wait_until(lambda: _has_an_answer(server, jobs), "the login shell answers")
        job, status = jobs[-2:]

    path, proxy, *_ = job["output"].splitlines()
    assert path.startswith(f"{given['HOME']}/.nvm/bin:")
    assert {"/usr/bin", "/bin"} <= set(path.split(":"))
    assert proxy == "http://proxy:1"
    assert "hush" not in job["output"]
    assert "note" not in job
    assert status["env_from"] == f"server and {given['SHELL']}"


@pytest.mark.parametrize("shell", ["bash"], indirect=True)
def test_a_profile_that_hangs_holds_up_one_job_for_a_moment(profile: Profile) -> None:
    with _server(profile("exec sleep 60")) as server:
        job = _call(server, "execute_command", command="echo $PATH", wait_s=WAIT_S)
        status = _call(server, "get_job_status", job_id=job["job_id"])

    assert job["output"] == "/usr/bin:/bin"
    assert "has not answered yet" in job["note"]
    assert status["env_from"].endswith("has not answered yet")


@pytest.mark.parametrize("shell", ["bash"], indirect=True)
@pytest.mark.parametrize(
    ("setting", "is_server", "variables", "expected"),
    [
        ("never", True, 0, False),
        ("auto", True, 0, True),
        ("auto", True, 30, False),
        ("auto", False, 0, False),
        ("always", False, 30, True),
    ],
)
async def test_who_is_asked_is_set(
    profile: Profile,
    monkeypatch: pytest.MonkeyPatch,
    *,
    setting: str,
    is_server: bool,
    variables: int,
    expected: bool,
) -> None:
    given = profile(NVM) | {f"SESSION_{number}": "x" for number in range(variables)}
    for name in os.environ:
        monkeypatch.delenv(name)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(inheritance, "PATIENCE_S", PATIENCE_S)

    manager = build(load_settings(login_env=setting), is_server=is_server)
    try:
        inherited = await manager.inheritance.get()
    finally:
        manager.close()

    assert (inherited.variables.get("HTTPS_PROXY") == "http://proxy:1") is expected
    assert inherited.source == (f"server and {given['SHELL']}" if expected else "server")


def _has_an_answer(server: ServerProcess, jobs: list[dict[str, Any]]) -> bool:
    """Start a job that shows its environment; the first one may have to go on without the shell, and says so then."""
    job = _call(server, "execute_command", command="echo $PATH; echo $HTTPS_PROXY; env", wait_s=WAIT_S)
    status = _call(server, "get_job_status", job_id=job["job_id"])
    jobs += (job, status)
    is_early = status["env_from"].endswith("has not answered yet")
    assert is_early is ("has not answered yet" in job.get("note", ""))
    return not is_early


def _server(environment: dict[str, str]) -> ServerProcess:
    return ServerProcess(program(), environment)


def _call(server: ServerProcess, tool: str, **arguments: Any) -> dict[str, Any]:
    return facts_of(server.call(tool, **arguments))
