"""``doctor``: the settings in force, and what is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from mcp_background_job.app import build, comfyui_endpoints
from mcp_background_job.cli import exit_codes, terminal
from mcp_background_job.cli.arguments import AsJson, Every
from mcp_background_job.cli.doctor import comfyui as comfyui_checkup
from mcp_background_job.cli.doctor.checkup import DEFAULT, Findings, blame, examine, examine_clients, examine_jobs
from mcp_background_job.cli.doctor.probing import probe
from mcp_background_job.cli.session import with_manager
from mcp_background_job.cli.wording import typed
from mcp_background_job.comfyui.reports.report import Report
from mcp_background_job.comfyui.wire.endpoint import Endpoint
from mcp_background_job.config import Settings, load_comfyui_settings, load_settings
from mcp_background_job.core.text import size
from mcp_background_job.errors import BackgroundJobError
from mcp_background_job.executors import looping
from mcp_background_job.install.reaching import Installed
from mcp_background_job.jobs.manager import JobManager


def doctor(*, on: str = "", every: Every = False, as_json: AsJson = False) -> int:
    """Show what is wrong, which clients have this server, its tools, the state directory, ComfyUI, and your settings.

    Each command line in the clients' files is started once, asked for its tools, and ended. One that stands only in a
    file of the current directory is not, since a repository may have brought it.

    With --on slurm or ray it runs one short job there instead, which proves that a node has what jobs need.

    Args:
        on: Where to run such a job: slurm, "slurm partition=gpu", or ray.
        every: Show all settings, those at their defaults too, and what the kernel offers.
        as_json: Print JSON, with the same field names everywhere.
    """
    if on:
        return with_manager(lambda manager: _probe(manager, on, as_json=as_json))
    settings = load_settings()
    comfyui = load_comfyui_settings()
    endpoints = comfyui_endpoints(comfyui)
    findings = examine(settings, comfyui)
    looping.in_loop(_look(settings, endpoints, findings))
    if as_json:
        terminal.as_json(findings.as_dict())
    else:
        _write(findings, every=every)
    return exit_codes.UNMET if findings.problems else exit_codes.OK


async def _probe(manager: JobManager, on: str, *, as_json: bool) -> int:
    steps = await probe(manager, on)
    name = manager.places.named(on).name if steps[0].is_proved else ""
    warnings = [text for one in await manager.places.overviews() if one.place == name for text in one.warnings]
    if as_json:
        terminal.as_json({"steps": [vars(step) for step in steps], "warnings": warnings})
    else:
        _section(
            f"one job on {on}", ((step.what, f"{'yes' if step.is_proved else 'no'}: {step.told}") for step in steps)
        )
        _section("warnings", ((text, "") for text in warnings))
    return exit_codes.OK if all(step.is_proved for step in steps) else exit_codes.UNMET


async def _look(settings: Settings, endpoints: Sequence[Endpoint], findings: Findings) -> None:
    """Look at clients, jobs and ComfyUI side by side: a client's server takes seconds to start and to end."""
    async with asyncio.TaskGroup() as group:
        group.create_task(examine_clients(findings))
        group.create_task(_look_at_jobs(settings, findings))
        comfyui = group.create_task(comfyui_checkup.examine(endpoints))
    findings.comfyui = comfyui.result()


async def _look_at_jobs(settings: Settings, findings: Findings) -> None:
    try:
        manager = build(settings)
        try:
            await examine_jobs(manager, settings, findings)
        finally:
            await manager.inheritance.close()
            manager.close()
    except BackgroundJobError as error:
        blame(findings, error)


def _write(findings: Findings, *, every: bool) -> None:
    terminal.paragraph(f"mcp-background-job {findings.version}, Python {findings.python}, {findings.system}")
    _section("problems", ((text, "") for text in findings.problems))
    if not findings.problems:
        terminal.line("\nnothing is wrong")
    _section("warnings", ((text, "") for text in findings.warnings))
    _section("clients", ((one.client, _client(one)) for one in findings.clients))
    _section("tools of the MCP server", _toolsets(findings))
    _section("state directory", _state_dir(findings))
    jobs = {**findings.jobs, "environment from": findings.environment, "command at ends": findings.on_end.told}
    _section("jobs", ((name, str(value)) for name, value in jobs.items() if value != ""))
    _section("ComfyUI", _comfyui(findings))
    shown = [item for item in findings.settings if every or item.source != DEFAULT]
    _section("settings", ((item.variable, f"{item.value or '-'}  ({item.source})") for item in shown))
    if every:
        _section("kernel", ((name, "yes" if there else "no") for name, there in findings.kernel.items()))
    else:
        terminal.line(f"\nsettings at their defaults: {len(findings.settings) - len(shown)} (doctor --all shows them)")


def _section(title: str, pairs: Iterable[tuple[str, str]]) -> None:
    pairs = list(pairs)
    if not pairs:
        return
    width = max((len(name) for name, value in pairs if value), default=0)
    terminal.line(f"\n{title}")
    for name, value in pairs:
        if value:
            terminal.fact(f"  {name}", value, width + 4)
        else:
            terminal.paragraph(f"  {name}", indent="  ")


def _toolsets(findings: Findings) -> list[tuple[str, str]]:
    return [
        (known["toolset"], f"{'offered' if known['is_offered'] else 'not offered'}: {known['why']}")
        for known in findings.toolsets
    ]


def _state_dir(findings: Findings) -> list[tuple[str, str]]:
    known = findings.state_dir
    if not known["exists"]:
        return [("path", f"{known['path']} (made when it is first needed)")]
    return [
        ("path", known["path"]),
        ("owner", f"user {known['owner']}"),
        ("mode", known["mode"]),
        ("free", size(known["free"])),
    ]


def _comfyui(findings: Findings) -> list[tuple[str, str]]:
    known = findings.comfyui
    return [line for one in (known, *known.get("others", ())) if one for line in _one_comfyui(one)]


def _one_comfyui(known: Report) -> list[tuple[str, str]]:
    if known["reachable"]:
        return [("url", known["url"]), ("answers", f"yes, version {known['version']}")]
    return [("url", known["url"]), ("answers", f"no ({known['why']}): {typed(known['detail'])}")]


def _client(one: Installed) -> str:
    missed = "not reached" if one.why else "not tried"
    reached = missed if one.tools is None else f"reached, {one.tools} tools"
    return f"{reached}{_hook(one)}  ({one.path})"


def _hook(one: Installed) -> str:
    if one.hook is None:
        return ""
    cure = f": the end of a job does not wake its model; install {one.client} adds it"
    return "; has the stop hook" if one.hook else f"; has no stop hook{cure}"
