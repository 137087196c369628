"""What ``doctor`` finds out: the settings in force, the state directory, the machine, and what is wrong with them."""

from __future__ import annotations

import dataclasses
import os
import platform
import shutil
import stat
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mcp_background_job import __version__
from mcp_background_job.cli.doctor import at_ends, kernel
from mcp_background_job.cli.doctor.at_ends import AtEnds
from mcp_background_job.config import AUTO, TOOLSETS, ComfyUISettings, Settings, given, variable_of
from mcp_background_job.core.states import State
from mcp_background_job.core.text import size
from mcp_background_job.core.values import frozen
from mcp_background_job.errors import BackgroundJobError
from mcp_background_job.executors import filesystem, lanes
from mcp_background_job.install.clients import Machine
from mcp_background_job.install.reaching import Installed, look
from mcp_background_job.jobdir.layout import COOKIE_VARIABLE, JOB_ID_VARIABLE
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.server.toolsets.facts import look_around
from mcp_background_job.server.toolsets.rule import Choice, choices

_PREFIX = variable_of("")

#: The source of a setting that nobody has set.
DEFAULT = "default"

_NOT_SETTINGS = {JOB_ID_VARIABLE, COOKIE_VARIABLE}


@frozen
class Setting:
    """A setting in force, and where it comes from."""

    variable: str
    value: str
    source: str


@dataclass
class Findings:
    """What was found.

    Attributes:
        version: of this package.
        python: its version.
        system: kernel and machine.
        settings: all that there are.
        toolsets: whether an MCP server would offer each group of tools, and why.
        state_dir: facts about the state directory.
        environment: where that of jobs that are started from here comes from.
        jobs: how many are live, and how many there are.
        on_end: the command that is run at ends.
        comfyui: whether it answers, and where.
        clients: those that have this server, and how many of its tools each reaches.
        kernel: what the kernel offers.
        warnings: what could be better.
        problems: what is wrong.
    """

    version: str = __version__
    python: str = field(default_factory=platform.python_version)
    system: str = field(default_factory=platform.platform)
    settings: list[Setting] = field(default_factory=list[Setting])
    toolsets: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    state_dir: dict[str, Any] = field(default_factory=dict[str, Any])
    environment: str = ""
    jobs: dict[str, int] = field(default_factory=dict[str, int])
    on_end: AtEnds = field(default_factory=AtEnds)
    comfyui: dict[str, Any] = field(default_factory=dict[str, Any])
    clients: list[Installed] = field(default_factory=list[Installed])
    kernel: dict[str, bool] = field(default_factory=kernel.offers)
    warnings: list[str] = field(default_factory=list[str])
    problems: list[str] = field(default_factory=list[str])

    def as_dict(self) -> dict[str, Any]:
        """Return them for JSON."""
        return asdict(self)


def examine(settings: Settings, comfyui: ComfyUISettings) -> Findings:
    """Look at what is there before a manager has touched it."""
    findings = Findings(settings=_settings(settings) + _settings(comfyui), state_dir=_state_dir(settings.state_dir))
    findings.warnings += _unknown_variables()
    findings.warnings += [
        f"this system has no {name}: {kernel.CONSEQUENCES[name]}"
        for name, there in findings.kernel.items()
        if not there
    ]
    _judge_state_dir(findings, settings)
    return findings


async def examine_jobs(manager: JobManager, settings: Settings, findings: Findings) -> None:
    """Look at the jobs, whether their index can be used, and what tools a server would offer."""
    findings.environment = (await manager.inheritance.get()).source
    findings.toolsets = [asdict(choice) for choice in await _choices(manager, settings)]
    await manager.recover()
    jobs = await manager.index.call(lambda registry: registry.count())
    unended = await manager.index.call(lambda registry: registry.unended())
    queued = sum(job.state is State.QUEUED for job in unended)
    findings.jobs = {"live": len(unended) - queued, "queued": queued, "total": jobs}
    findings.on_end = await at_ends.look(manager)
    if findings.on_end.program and not findings.on_end.is_found:
        findings.warnings.append(f"MCP_BG_ON_END: /bin/sh finds no {findings.on_end.program}, which it begins with")
    if manager.index.trouble:
        findings.problems.append(manager.index.trouble)
    if trouble := manager.places.health():
        findings.problems.append(trouble)


async def _choices(manager: JobManager, settings: Settings) -> list[Choice]:
    if settings.toolsets == AUTO:
        return choices(await lanes.look(look_around, manager.state, manager.inheritance.known))
    return [Choice(toolset, toolset in settings.toolsets, "as it is set") for toolset in TOOLSETS]


async def examine_clients(findings: Findings) -> None:
    """Look at which clients have this server, and start it as they would."""
    findings.clients = await look(Machine(), Path.cwd())
    findings.problems += [
        f"{one.client} does not reach this server: {one.why} ({one.path}); run install {one.client}"
        for one in findings.clients
        if one.why
    ]


def blame(findings: Findings, error: BackgroundJobError) -> None:
    """Add an error that kept the manager from working."""
    findings.problems.append(str(error))


def _settings(settings: Settings | ComfyUISettings) -> list[Setting]:
    kind = type(settings)
    environment = given(kind)
    return [
        Setting(
            variable := variable_of(setting.name, kind),
            _shown(getattr(settings, setting.name), setting),
            "environment" if variable in environment else _source_of_default(setting.name),
        )
        for setting in dataclasses.fields(kind)
    ]


def _source_of_default(name: str) -> str:
    return "XDG_STATE_HOME" if name == "state_dir" and os.environ.get("XDG_STATE_HOME") else DEFAULT


def _shown(value: Any, setting: dataclasses.Field[Any]) -> str:
    if value is None or value == {}:
        return ""
    if not setting.repr:
        shown = setting.metadata["shown"]
        return shown(value) if shown else "(set)"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)  # pyright: ignore[reportUnknownArgumentType]


def _unknown_variables() -> list[str]:
    known = {variable_of(setting.name) for setting in dataclasses.fields(Settings)} | _NOT_SETTINGS
    unknown = sorted(key for key in os.environ if key.upper().startswith(_PREFIX) and key.upper() not in known)
    return [f"{key} is set, but it is not a setting: see the list of settings" for key in unknown]


def _state_dir(path: str) -> dict[str, Any]:
    try:
        facts = os.stat(path)  # noqa: PTH116  a plain path, as everywhere below
    except OSError:
        return {"path": path, "exists": False}
    return {
        "path": path,
        "exists": True,
        "owner": facts.st_uid,
        "mode": f"{stat.S_IMODE(facts.st_mode):04o}",
        "free": shutil.disk_usage(path).free,
    }


def _judge_state_dir(findings: Findings, settings: Settings) -> None:
    known = findings.state_dir
    if not known["exists"]:
        return
    if int(known["mode"], 8) & 0o077 and known["owner"] == os.geteuid():
        findings.warnings.append(
            f"the state directory {known['path']} was open to others (mode {known['mode']}); it is now 0700"
        )
    kind = filesystem.kind_of(known["path"])
    if filesystem.is_shared(kind):
        findings.warnings.append(
            f"the state directory {known['path']} is on {kind}, whose locks other machines may not see: set "
            "MCP_BG_STATE_DIR to a disk of this machine; jobs for a cluster have their own directory, MCP_BG_SLURM_DIR"
        )
    if known["free"] < settings.max_output_size:
        findings.problems.append(
            f"the disk of {known['path']} has {size(known['free'])} left, less than one job may write "
            f"({size(settings.max_output_size)}): prune old jobs, or set MCP_BG_MAX_OUTPUT_SIZE lower"
        )
