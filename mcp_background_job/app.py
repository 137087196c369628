"""Puts the parts together."""

from __future__ import annotations

import contextlib
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from mcp_background_job.config import AUTO, ComfyUISettings, Settings, given
from mcp_background_job.errors import ConfigError, InvalidRequestError
from mcp_background_job.executors.local.place import LocalPlace
from mcp_background_job.executors.names import FileNames
from mcp_background_job.executors.places import Places
from mcp_background_job.jobdir.layout import (
    COOKIE_VARIABLE,
    EVENT_VARIABLE,
    JOB_ID_VARIABLE,
    RUN_ID_VARIABLE,
    StateDir,
    is_job_id,
)
from mcp_background_job.jobs.indexing.index import Index
from mcp_background_job.jobs.inherited.environment import is_cut_down, is_secret
from mcp_background_job.jobs.inherited.inheritance import Inheritance
from mcp_background_job.jobs.inherited.project import own_project
from mcp_background_job.jobs.inherited.shell import users_shell
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.news import JobNews
from mcp_background_job.jobs.policy import Policy
from mcp_background_job.registry.base import Registry
from mcp_background_job.registry.news_base import News

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_background_job.agents.runs import RunManager
    from mcp_background_job.comfyui.control import ComfyUI
    from mcp_background_job.comfyui.wire.endpoint import Endpoint
    from mcp_background_job.executors.base import Place
    from mcp_background_job.executors.forward import Forward

_SECONDS_PER_DAY = 86_400


def build(settings: Settings, *, is_server: bool = False) -> JobManager:
    """Return a manager for the jobs in the settings' state directory.

    Args:
        settings: what is set.
        is_server: a client has started this process, and may have cut its environment down.

    Raises:
        StateDirError: the directory cannot be used.
    """
    state = StateDir(settings.state_dir)
    root = StateDir(settings.slurm_dir or f"{state.path}/slurm")
    of_ray = StateDir(settings.ray_dir or f"{state.path}/ray")
    family = (state, root, of_ray)
    clusters = [*_slurm(settings, root, family), *_ray(settings, of_ray, family)]
    places = Places([LocalPlace(state, family), *clusters], FileNames(state.names_lock))
    places.prepare()
    return JobManager(
        places,
        Index(places, lambda: _open_registry(state.index)),
        policy_of(settings),
        news=JobNews(places, lambda: _open_news(state.news)),
        state=state,
        inheritance=_inheritance(settings, is_server=is_server),
        keep_s=settings.keep_days * _SECONDS_PER_DAY,
    )


def _slurm(settings: Settings, root: StateDir, family: Sequence[StateDir]) -> list[Place]:
    """Return Slurm, if it is a place here. Nothing of it is loaded where it is not.

    Raises:
        ConfigError: what is to be asked of it for each job cannot be.
    """
    is_found = settings.places == AUTO and (_is_on_path("sbatch") or Path(root.path).is_dir())
    if not is_found and "slurm" not in settings.places:
        return []
    from mcp_background_job.executors.slurm.place import SlurmPlace  # noqa: PLC0415  most machines have no cluster

    try:
        place = SlurmPlace.of(
            root.path,
            dict(os.environ),
            family=family,
            options=settings.slurm_options,
            python=settings.slurm_python,
            poll_s=settings.slurm_poll_s,
            control=settings.slurm_control,
        )
    except InvalidRequestError as error:
        raise ConfigError(f"MCP_BG_SLURM_OPTIONS: {error}") from error
    return [place]


def _ray(settings: Settings, root: StateDir, family: Sequence[StateDir]) -> list[Place]:
    """Return Ray likewise.

    Raises:
        ConfigError: what is to be asked of it for each job cannot be.
    """
    is_found = settings.places == AUTO and (settings.ray_address or Path(root.path).is_dir())
    if not is_found and "ray" not in settings.places:
        return []
    from mcp_background_job.executors.ray.place import RayPlace  # noqa: PLC0415  most machines have no cluster

    try:
        place = RayPlace.of(
            root.path,
            settings.ray_address,
            settings.ray_token or "",
            family=family,
            options=settings.ray_options,
        )
    except InvalidRequestError as error:
        raise ConfigError(f"MCP_BG_RAY_OPTIONS: {error}") from error
    return [place]


def _is_on_path(program: str) -> bool:
    """Tell whether a program can be run. What the standard library has for it takes longer to load than to look."""
    return any(os.access(f"{directory}/{program}", os.X_OK) for directory in os.get_exec_path())


def build_comfyui(manager: JobManager, settings: ComfyUISettings) -> ComfyUI:
    """Return the control of the ComfyUIs that the settings name; it keeps what it knows in the manager's directory.

    Raises:
        ConfigError: the settings do not name one.
        RegistryError: the journal of submissions cannot be used.
    """
    from mcp_background_job.comfyui.control import ComfyUI  # noqa: PLC0415  many a session needs none
    from mcp_background_job.comfyui.process.startup import Settings as Startup  # noqa: PLC0415
    from mcp_background_job.comfyui.wire.endpoint import endpoint_of_job, job_named  # noqa: PLC0415
    from mcp_background_job.core.comfyui.pool import pool_of  # noqa: PLC0415
    from mcp_background_job.registry.journal import SqliteJournal  # noqa: PLC0415
    from mcp_background_job.registry.pools import SqlitePools  # noqa: PLC0415

    state = manager.state
    directory = Path(state.comfyui)
    directory.mkdir(mode=0o700, exist_ok=True)
    how = Startup(
        directory=settings.dir,
        arguments=settings.args,
        command=settings.command,
        restart_command=settings.restart_command,
    )
    endpoints = {endpoint.url: endpoint for endpoint in comfyui_endpoints(settings)}
    home_job = job_named(settings.url or "")
    if home_job and not _port_of(manager, home_job):
        raise ConfigError(f"COMFYUI_URL={settings.url}: no job of this id is a ComfyUI on a node")
    journal = SqliteJournal(state.comfyui_journal)
    journal.rename_servers()
    root = Path(settings.output_dir or manager.working_dir)
    named = tuple(endpoints) if settings.names_a_server else ()
    name = pool_of(named)
    if len(named) > 1:
        SqlitePools(journal.database).join(name, named)

    def made(endpoint: Endpoint, forward: Forward | None = None, *, is_home: bool = False) -> ComfyUI:
        return ComfyUI(
            endpoint,
            journal,
            manager,
            directory,
            how,
            output_root=root,
            pool=name,
            other=other,
            owns_journal=is_home,
            named=named,
            forward=forward,
        )

    def of_job(job_id: str, *, is_home: bool = False) -> ComfyUI | None:
        port = _port_of(manager, job_id)
        forward = manager.places.forward(job_id, port) if port else None
        return made(endpoint_of_job(job_id, forward.port), forward, is_home=is_home) if forward else None

    def other(url: str) -> ComfyUI | None:
        if job_id := job_named(url):
            return of_job(job_id)
        return made(endpoints[url]) if url in endpoints else None

    home = of_job(home_job, is_home=True) if home_job else None
    return home or made(next(iter(endpoints.values())), is_home=True)


def _port_of(manager: JobManager, job_id: str) -> int:
    """Return where a ComfyUI listens that is a job on a node; 0 if there is no such job."""
    from mcp_background_job.comfyui.wire.endpoint import PORT_VARIABLE  # noqa: PLC0415  many a session needs none

    spec = manager.places.store_of(job_id).spec(job_id) if is_job_id(job_id) else None
    port = (spec.env or {}).get(PORT_VARIABLE, "") if spec and spec.on else ""
    return int(port) if port.isdecimal() else 0


def comfyui_endpoints(settings: ComfyUISettings) -> list[Endpoint]:
    """Return where the ComfyUIs are that the settings name, the first one first.

    Raises:
        ConfigError: one is no URL, or is named twice.
    """
    from mcp_background_job.comfyui.wire.endpoint import endpoint_of, job_named  # noqa: PLC0415  see above

    if settings.urls and settings.url:
        raise ConfigError("COMFYUI_URL and COMFYUI_URLS are both set: give one of them")
    found: list[Endpoint] = []
    for url in settings.urls or [settings.url]:
        if url and job_named(url):
            continue
        endpoint = endpoint_of(url, settings.host, settings.port, token=settings.token, headers=settings.headers)
        if any(one.url == endpoint.url for one in found):
            raise ConfigError(f"COMFYUI_URLS names {endpoint.url} twice: give each ComfyUI once")
        found.append(endpoint)
    return found


def has_several_comfyuis(manager: JobManager) -> bool:
    """Tell whether there are several ComfyUIs, or may come to be: on nodes of a cluster."""
    return len(manager.places.names) > 1 or "COMFYUI_URLS" in given(ComfyUISettings)


def has_work_for_comfyui(manager: JobManager) -> bool:
    """Tell whether there are prompts that are to be sent to a ComfyUI, or looked after; cheaper than its control.

    Raises:
        RegistryError: the journal of submissions cannot be used.
    """
    from mcp_background_job.registry.journal import SqliteJournal  # noqa: PLC0415  see above
    from mcp_background_job.registry.servers import SqliteServers  # noqa: PLC0415

    path = manager.state.comfyui_journal
    if not Path(path).exists():
        return False
    with contextlib.closing(SqliteJournal(path)) as journal:
        return bool(SqliteServers(journal.database).with_work())


def build_runs(manager: JobManager, settings: Settings) -> RunManager:
    """Return a manager for the runs of agents, which are jobs of the manager."""
    from mcp_background_job.agents.life.launching import Policy as RunPolicy  # noqa: PLC0415  many a session needs none
    from mcp_background_job.agents.runs import RunManager  # noqa: PLC0415

    return RunManager(
        manager,
        RunPolicy(max_runs=settings.max_runs, passed=tuple(settings.run_env)),
        inheritance=manager.inheritance,
        keep_s=settings.keep_days * _SECONDS_PER_DAY,
    )


def policy_of(settings: Settings) -> Policy:
    """Return what the settings say about starting jobs."""
    return Policy(
        max_jobs=settings.max_jobs,
        max_output=settings.max_output_size,
        timeout_s=settings.job_timeout,
        working_dir=settings.working_dir,
        allowed_commands=tuple(settings.allowed_commands),
        shell=tuple(shlex.split(settings.shell)),
        parent=_own_job(),
        project=own_project(settings.project),
        max_descendants=settings.max_descendants,
        max_depth=settings.max_depth,
        # What such a command starts runs none at its end: it might go on for ever.
        on_end="" if EVENT_VARIABLE in os.environ else settings.on_end,
    )


def _open_registry(path: str) -> Registry:
    from mcp_background_job.registry.sqlite import SqliteRegistry  # noqa: PLC0415  opened late, in the index's thread

    return SqliteRegistry(path)


def _open_news(path: str) -> News:
    from mcp_background_job.registry.news import SqliteNews  # noqa: PLC0415  opened late, in a thread of its own

    return SqliteNews(path)


def _own_job() -> str | None:
    """Return the id of the job that this process runs in: what it starts belongs to that."""
    if EVENT_VARIABLE in os.environ:  # then that names a job which is over, and this is no part of it
        return None
    job_id = os.environ.get(JOB_ID_VARIABLE, "")
    return job_id if is_job_id(job_id) else None


def _inheritance(settings: Settings, *, is_server: bool) -> Inheritance:
    # Ours, but for our keys and the marks of a job or run that this process may itself be a part of.
    marks = (JOB_ID_VARIABLE, COOKIE_VARIABLE, RUN_ID_VARIABLE)
    own = {key: value for key, value in os.environ.items() if key not in marks and not is_secret(key)}
    asks = settings.login_env == "always" or (settings.login_env == "auto" and is_server and is_cut_down(own))
    if not asks:
        return Inheritance(own)
    shell = users_shell(own)

    async def ask() -> dict[str, str] | None:
        from mcp_background_job.processes.login import login_environment  # noqa: PLC0415  most never ask

        return await login_environment(shell, own)

    return Inheritance(own, ask, login_shell=shell)
