"""``comfyui status``: what ComfyUI does now."""

from __future__ import annotations

from mcp_background_job.actions.comfyui.renders import Rendering, Status
from mcp_background_job.actions.opening import at_hand
from mcp_background_job.cli import exit_codes, tables, terminal
from mcp_background_job.cli.arguments import AsJson
from mcp_background_job.cli.comfyui import show
from mcp_background_job.cli.comfyui.connection import with_comfyui
from mcp_background_job.cli.comfyui.prompts import rows
from mcp_background_job.cli.escaping import escaped
from mcp_background_job.cli.session import caller
from mcp_background_job.cli.wording import typed
from mcp_background_job.comfyui.control import ComfyUI
from mcp_background_job.comfyui.reports.report import Report
from mcp_background_job.core.output.screen import plain_lines

_TOLD = ("reachable", "why", "detail", "url", "servers", "version", "running", "pending", "more_pending", "log")


def status(*, log: bool = False, as_json: AsJson = False) -> int:
    """Show what ComfyUI does now: what runs and waits, its memory, its process; or why it does not answer.

    Args:
        log: Show the last lines of its log too, also if it is not a job of this program.
        as_json: Print JSON, with the field names of the tools.
    """
    return with_comfyui(lambda comfyui: _status(comfyui, Status(log=log), as_json=as_json))


async def _status(comfyui: ComfyUI, asked: Status, *, as_json: bool) -> int:
    known = await Rendering(at_hand(comfyui)).comfyui_status(caller(), asked)
    if as_json:
        terminal.as_json(known)
    else:
        _write(known)
    return exit_codes.OK if known["reachable"] else exit_codes.UNREACHABLE


def _write(known: Report) -> None:
    if known["reachable"]:
        show.sentence(_sentence(known), "in_progress" if known["running"] else "completed")
        _write_servers(known)
        show.facts(known, _TOLD)
        _write_queue(known)
        _write_log(known)
    else:
        terminal.say(typed(_sentence(known)))
        _write_servers(known)
        show.facts(known, _TOLD)


def _write_log(report: Report) -> None:
    """Write the lines of the log: without colours, and an entry of several lines, such as a traceback, on several."""
    for entry in report.get("log", ()):
        for line in plain_lines(entry).splitlines():
            terminal.line(escaped(line.rstrip()))


def _sentence(report: Report) -> str:
    """Return whether a server answers, and how much it has to do."""
    if servers := report.get("servers"):
        return _sentence_of_several(report, servers)
    if not report["reachable"]:
        return f"unreachable ({report.get('why', 'unknown')}): {report['detail']}"
    pending = len(report["pending"]) + report.get("more_pending", 0)
    return (
        f"ComfyUI {report['version']} answers at {report['url']}: {len(report['running'])} running, {pending} pending"
    )


def _sentence_of_several(report: Report, servers: list[Report]) -> str:
    pending = len(report["pending"]) + report.get("more_pending", 0)
    answering = sum(server["reachable"] for server in servers)
    return f"{answering} of {len(servers)} ComfyUIs answer: {len(report['running'])} running, {pending} pending in all"


def _write_servers(report: Report) -> None:
    """Write a line for each of several."""
    for server in report.get("servers", ()):
        terminal.paragraph(escaped(f"  {server['url']}: {_one_of_several(server)}"), indent="    ")


def _one_of_several(server: Report) -> str:
    if not server["reachable"]:
        return f"unreachable ({server.get('why', 'unknown')}): {server['detail']}"
    return f"ComfyUI {server['version']}, {server['running']} running, {server['pending']} pending"


def _write_queue(report: Report) -> None:
    """Write what runs and what waits."""
    if not report["running"] and not report["pending"]:
        return
    tables.write(rows.of_queue(report))
    if "more_pending" in report:
        terminal.line(f"and {report['more_pending']} more pending")
