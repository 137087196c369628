"""Whether a client has cut an environment down, and what becomes of that and the login shell's together."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping

import pytest

from mcp_background_job.config import ComfyUISettings, Settings, variable_of
from mcp_background_job.jobs.inherited import inheritance
from mcp_background_job.jobs.inherited.environment import completed, is_cut_down, is_secret, merged_path
from mcp_background_job.jobs.inherited.inheritance import Inheritance

_SDK = ("HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER")
_SESSION = (
    *_SDK, "DISPLAY", "XAUTHORITY", "XDG_SESSION_ID", "XDG_RUNTIME_DIR", "XDG_DATA_DIRS", "DBUS_SESSION_BUS_ADDRESS",
    "SSH_AUTH_SOCK", "LS_COLORS", "LESSOPEN", "LANG",
)  # fmt: skip


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((), True),
        (("HOME", "PATH", "SHELL"), True),
        (_SDK, True),
        ((*_SDK, "MCP_BG_STATE_DIR", "MCP_BG_MAX_JOBS", "COMFYUI_URL", "OPENAI_API_KEY", "HTTPS_PROXY"), True),
        (
            (*_SDK, "npm_config_prefix", "npm_lifecycle_event", "INIT_CWD", "NODE", "COLOR", "EDITOR", "SHLVL", "_"),
            True,
        ),
        ((*_SDK, "UV", "VIRTUAL_ENV", "LC_CTYPE", "__CF_USER_TEXT_ENCODING", "PWD"), True),
        (_SESSION, False),
    ],
)
def test_a_client_s_environment_is_told_from_a_session_s(names: tuple[str, ...], expected: bool) -> None:  # noqa: FBT001
    assert is_cut_down(dict.fromkeys(names, "x")) is expected


@pytest.mark.parametrize(
    ("own", "login", "expected"),
    [
        ("/usr/bin:/bin", "/nvm/bin:/usr/local/bin:/usr/bin:/bin", "/nvm/bin:/usr/local/bin:/usr/bin:/bin"),
        ("/mine:/usr/bin:/bin", "/nvm:/usr/bin:/bin", "/mine:/nvm:/usr/bin:/bin"),
        ("/usr/bin:/mine:/bin", "/nvm:/usr/bin:/bin", "/nvm:/usr/bin:/bin:/mine"),
        ("/usr/bin", "", "/usr/bin"),
        ("", "/a:/b", "/a:/b"),
        ("", "", ""),
        ("/x:/y", "/a:/b", "/x:/y:/a:/b"),
        ("/a:/a:/b", "/b:/c:/b", "/a:/b:/c"),
    ],
)
def test_of_two_paths_nothing_is_lost_and_the_profile_s_order_holds(own: str, login: str, expected: str) -> None:
    assert merged_path(own, login) == expected


def test_the_login_shell_adds_and_overrides_nothing() -> None:
    own = {"HOME": "/h", "LANG": "C", "PATH": "/bin"}
    login = {"LANG": "de", "PATH": "/nvm:/bin", "HTTPS_PROXY": "p", "SHLVL": "2", "PWD": "/", "TERM": "xterm", "_": "x"}

    assert completed(own, login) == {"HOME": "/h", "LANG": "C", "PATH": "/nvm:/bin", "HTTPS_PROXY": "p"}


def test_every_secret_setting_is_kept_from_jobs() -> None:
    secrets = [
        variable_of(setting.name, kind)
        for kind in (Settings, ComfyUISettings)
        for setting in dataclasses.fields(kind)
        if not setting.repr
        and setting.name not in {"url", "urls"}  # which ComfyUI there is, is the business of jobs too
    ]
    assert secrets
    assert all(is_secret(name) and is_secret(name.lower()) for name in secrets)
    assert all(name not in completed({}, dict.fromkeys(secrets, "x")) for name in secrets)


# -- who waits for the shell -------------------------------------------------------------------------------------------


async def test_without_a_question_nothing_is_asked() -> None:
    inherited = await Inheritance({"A": "1"}).get()

    assert (inherited.variables, inherited.source, inherited.note) == ({"A": "1"}, "server", None)


async def test_the_shell_is_asked_once_and_says_what_all_jobs_have() -> None:
    asked: list[None] = []

    async def ask() -> Mapping[str, str]:
        asked.append(None)
        return {"B": "2"}

    environment = Inheritance({"A": "1"}, ask, login_shell="/bin/zsh")
    environment.begin()

    for inherited in (await environment.get(), await environment.get()):
        assert inherited.variables == {"A": "1", "B": "2", "PATH": ""}
        assert (inherited.source, inherited.note) == ("server and /bin/zsh", None)
    assert len(asked) == 1


async def test_the_first_job_waits_a_little_and_says_that_it_went_on_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inheritance, "PATIENCE_S", 0.05)
    answers = asyncio.Event()

    async def ask() -> Mapping[str, str]:
        await answers.wait()
        return {"B": "2"}

    environment = Inheritance({"A": "1"}, ask, login_shell="/bin/zsh")
    early = await environment.get()
    answers.set()
    await asyncio.sleep(0)
    late = await environment.get()

    assert early.variables == {"A": "1"}
    assert early.source == "server; /bin/zsh has not answered yet"
    assert early.note
    assert "/bin/zsh has not answered yet" in early.note
    assert (late.source, late.note) == ("server and /bin/zsh", None)


async def test_a_shell_without_an_answer_is_told_once_and_shown_always() -> None:
    async def ask() -> None:
        return None

    environment = Inheritance({"A": "1"}, ask, login_shell="/bin/zsh")
    first, second = await environment.get(), await environment.get()

    assert first.note
    assert second.note is None
    assert first.source == second.source == "server; /bin/zsh did not answer"


async def test_a_server_that_ends_stops_asking() -> None:
    stopped: list[None] = []

    async def ask() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append(None)

    environment = Inheritance({}, ask)
    environment.begin()
    await asyncio.sleep(0)
    await environment.close()

    assert stopped
