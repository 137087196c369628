"""``status``: all that is known of a job."""

from __future__ import annotations

from typing import Any, cast

from mcp_background_job.actions.jobs.facts import details_facts
from mcp_background_job.cli import exit_codes, fields, terminal
from mcp_background_job.cli.arguments import AsJson
from mcp_background_job.cli.escaping import escaped, printable
from mcp_background_job.cli.session import looks, with_manager
from mcp_background_job.cli.tables import style_of
from mcp_background_job.cli.wording import typed
from mcp_background_job.core.job import Job
from mcp_background_job.jobs.manager import JobManager

_LABEL_WIDTH = 18


def status(job: str, /, *, as_json: AsJson = False) -> int:
    """Show everything that is known about a job: its status or how it ended, what it uses, and what it wrote.

    Args:
        job: Id or name of the job.
        as_json: Print JSON, with the same field names everywhere.
    """
    return with_manager(lambda manager: _status(manager, job, as_json=as_json))


async def _status(manager: JobManager, reference: str, *, as_json: bool) -> int:
    details = await manager.details(reference, looks(manager))
    known = details_facts(details)
    if as_json:
        terminal.as_json(known)
        return exit_codes.OK
    for name, value in known.items():
        if value not in (None, [], 0) or name in ("exit_code", "output_bytes"):
            _write(details.job, name, value)
    return exit_codes.OK


def _write(job: Job, name: str, value: Any) -> None:
    if value is None:
        return
    if name == "processes":
        for process in value:
            _write_line("process", f"{process['pid']} {printable(process['command'])}")
    elif name == "status" and terminal.for_people():
        _write_styled(job)
    else:
        _write_line(name, typed(value) if name == "note" else _text(name, value))


def _write_line(name: str, text: str) -> None:
    write = terminal.copied if name == "command" else terminal.fact
    for number, line in enumerate(text.split("\n")):
        write("" if number else terminal.label(name), line, _LABEL_WIDTH)


def _write_styled(job: Job) -> None:
    from rich.console import Console  # noqa: PLC0415  a pipe does without
    from rich.text import Text  # noqa: PLC0415

    terminal.flush()
    Console().print(Text.assemble(f"{'status':{_LABEL_WIDTH}}", (job.status, style_of(job.status))))


def _text(name: str, value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(str(part) for part in cast("list[object]", value))
    if name == "command":
        return "\n".join(map(escaped, value.splitlines()))
    return printable(value) if name == "reason" else fields.value(name, value)
