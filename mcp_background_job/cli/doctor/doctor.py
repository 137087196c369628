"""``doctor``: the settings in force, and what is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from mcp_background_job.app import build, comfyui_endpoints
from mcp_background_job.cli import exit_codes, terminal
from mcp_background_job.cli.arguments import AsJson
from mcp_background_job.cli.doctor import comfyui as comfyui_checkup
from mcp_background_job.cli.doctor.checkup import Findings, blame, examine, examine_clients, examine_jobs
from mcp_background_job.cli.doctor.probing import probe
from mcp_background_job.cli.session import with_manager
from mcp_background_job.cli.wording import typed
from mcp_background_job.comfyui.reports.report import Report
from mcp_background_job.config import Settings, load_comfyui_settings, load_settings
from mcp_background_job.core.text import size
from mcp_background_job.errors import BackgroundJobError
from mcp_background_job.install.reaching import Installed
from mcp_background_job.jobs.manager import JobManager


def doctor(*, on: str = "", as_json: AsJson = False) -> int:
    """Show the settings in force and where each comes from, state directory, machine, ComfyUI, and what is wrong.

    Also shows which clients have this server. Each command line in their files is started once, asked for its tools,
    and ended. One that stands only in a file of the current directory is not, since a repository may have brought it.

    With --on slurm or ray it runs one short job there instead, which proves that a node has what jobs need.

    Args:
        on: Where to run such a job: slurm, "slurm partition=gpu", or ray.
        as_json: Print JSON, with the same field names everywhere.
    """
    if on:
        return with_manager(lambda manager: _probe(manager, on, as_json=as_json))
    settings = load_settings()
    comfyui = load_comfyui_settings()
    endpoints = comfyui_endpoints(comfyui)
    findings = examine(settings, comfyui)
    try:
        _look_at_jobs(settings, findings)
    except BackgroundJobError as error:
        blame(findings, error)
    findings.comfyui = asyncio.run(comfyui_checkup.examine(endpoints))
    examine_clients(findings)
    if as_json:
        terminal.as_json(findings.as_dict())
    else:
        _write(findings)
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


def _look_at_jobs(settings: Settings, findings: Findings) -> None:
    manager = build(settings)
    try:
        asyncio.run(_examine_jobs(manager, settings, findings))
    finally:
        manager.close()


async def _examine_jobs(manager: JobManager, settings: Settings, findings: Findings) -> None:
    try:
        await examine_jobs(manager, settings, findings)
    finally:
        await manager.inheritance.close()


def _write(findings: Findings) -> None:
    terminal.paragraph(f"mcp-background-job {findings.version}, Python {findings.python}, {findings.system}")
    _section("settings", ((item.variable, f"{item.value or '-'}  ({item.source})") for item in findings.settings))
    _section("tools of the MCP server", _toolsets(findings))
    _section("state directory", _state_dir(findings))
    jobs = {**findings.jobs, "environment from": findings.environment, "command at ends": findings.on_end.told}
    _section("jobs", ((name, str(value)) for name, value in jobs.items() if value != ""))
    _section("ComfyUI", _comfyui(findings))
    _section("clients", ((one.client, _client(one)) for one in findings.clients))
    _section("kernel", ((name, "yes" if there else "no") for name, there in findings.kernel.items()))
    _section("warnings", ((text, "") for text in findings.warnings))
    _section("problems", ((text, "") for text in findings.problems))
    if not findings.problems:
        terminal.line("\nnothing is wrong")


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
    return f"{reached}  ({one.path})"
