"""Which project a client works for: as the server was started, as the client says, or as a request over HTTP says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport
from mcp_types import ErrorData

from mcp_background_job.app import build
from mcp_background_job.config import load_settings
from mcp_background_job.errors import ConfigError
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.server import roots
from mcp_background_job.server.build import build_server
from mcp_background_job.server.fastmcp_names import Middleware
from mcp_background_job.server.http_path import PATH, ProjectInPath
from tests.server.calls import Caller


@pytest.fixture
async def of_no_project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, state_dir: str) -> AsyncGenerator[JobManager]:
    """A manager of a server that was started in the home directory."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MCP_BG_STATE_DIR", state_dir)
    monkeypatch.chdir(tmp_path)
    manager = build(load_settings())
    yield manager
    manager.close()


async def _job_of(client: Client[Any], name: str) -> str:
    return str((await Caller(client).facts("execute_command", command="true", name=name, wait_s=0))["job_id"])


def _projects(manager: JobManager, ids: list[str]) -> list[str | None]:
    specs = [manager.places.store_of(job_id).spec(job_id) for job_id in ids]
    return [spec.project if spec else None for spec in specs]


@pytest.mark.real_process
async def test_a_server_in_the_home_directory_takes_the_first_root_of_its_client(
    of_no_project: JobManager, tmp_path: Path
) -> None:
    repository = tmp_path / "my shop"
    (repository / ".git").mkdir(parents=True)
    (repository / "src").mkdir()
    offered = [(repository / "src").as_uri(), "file:///elsewhere"]
    async with Client(build_server(of_no_project, load_settings()), roots=offered, mode="legacy") as client:
        ids = [await _job_of(client, "one"), await _job_of(client, "two")]
    assert _projects(of_no_project, ids) == [str(repository)] * 2


def _refuse(*_: Any) -> ErrorData:
    return ErrorData(code=-32601, message="what roots?")


async def _never(*_: Any) -> Any:
    await asyncio.Event().wait()


@pytest.mark.real_process
@pytest.mark.parametrize("offered", [None, [], _refuse, _never])
async def test_without_a_root_it_works_for_no_project_and_says_so(
    of_no_project: JobManager, monkeypatch: pytest.MonkeyPatch, offered: list[str] | Callable[..., Any] | None
) -> None:
    monkeypatch.setattr(roots, "_ANSWER_S", 0.2)
    async with Client(build_server(of_no_project, load_settings()), roots=offered, mode="legacy") as client:
        assert _projects(of_no_project, [await _job_of(client, "dev")]) == [""]
        assert "no project" in (await Caller(client).facts("list_jobs"))["note"]
        assert "no project" in await Caller(client).error("kill_job", all_of_project=True)


async def test_a_setting_names_the_project(monkeypatch: pytest.MonkeyPatch, state_dir: str, tmp_path: Path) -> None:
    monkeypatch.setenv("MCP_BG_STATE_DIR", state_dir)
    (tmp_path / "link").symlink_to(tmp_path)
    for said, project in (("shop", "shop"), (f"{tmp_path}/link", str(tmp_path)), ("  ", str(Path.cwd().resolve()))):
        monkeypatch.setenv("MCP_BG_PROJECT", said)
        manager = build(load_settings())
        manager.close()
        assert manager.project == project
    monkeypatch.setenv("MCP_BG_PROJECT", "two\nlines")
    with pytest.raises(ConfigError, match="MCP_BG_PROJECT"):
        load_settings()


@pytest.mark.real_process
async def test_over_http_a_request_says_which_project_it_is_of(manager: JobManager) -> None:
    server = build_server(manager, load_settings())
    app = server.http_app(path=PATH, middleware=[Middleware(ProjectInPath)])

    def http(path: str, **headers: str) -> Client[Any]:
        def over_asgi(
            headers: dict[str, str] | None = None,
            timeout: httpx2.Timeout | None = None,
            auth: httpx2.Auth | None = None,
            **options: Any,
        ) -> httpx2.AsyncClient:
            transport = httpx2.ASGITransport(app=app)
            return httpx2.AsyncClient(transport=transport, headers=headers, timeout=timeout, auth=auth, **options)

        transport = StreamableHttpTransport(f"http://test{path}", headers=headers, httpx_client_factory=over_asgi)
        return Client(transport)

    async with app.router.lifespan_context(app):
        ids: list[str] = []
        for client in (
            http("/mcp"),
            http("/mcp", **{"MCP-BG-Project": "shop"}),
            http("/mcp/p/my%20shop"),
            http("/mcp/p/blog", **{"MCP-BG-Project": "shop"}),
        ):
            async with client:
                ids.append(await _job_of(client, "dev"))
    assert len(set(ids)) == len(ids)
    assert _projects(manager, ids) == [manager.project, "shop", "my shop", "blog"]
