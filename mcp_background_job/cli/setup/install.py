"""``install`` and ``uninstall``: this server in a client's own configuration file, and out of it again."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

from mcp_background_job.cli import exit_codes, terminal
from mcp_background_job.cli.arguments import AsJson
from mcp_background_job.cli.parameter import Parameter, named
from mcp_background_job.config import load_settings
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.install.clients import Client, Machine, Name, client
from mcp_background_job.install.command import own_command
from mcp_background_job.install.installing import Change, installed, uninstalled, wanted_by
from mcp_background_job.install.records import Records

DryRun = Annotated[bool, named("--dry-run", "-n")]


def install(
    name: Annotated[Name, named("CLIENT")],
    /,
    *,
    dry_run: DryRun = False,
    project: bool = False,
    hooks: Annotated[bool, Parameter(negative="--no-hooks")] = True,
    command: str | None = None,
    as_json: AsJson = False,
) -> int:
    """Add this server to a client's configuration file; nothing else in it changes.

    The difference is printed before the file is written. What is there already is left alone.

    Args:
        name: The client.
        dry_run: Print the difference, and write nothing.
        project: Use the file of the project in this directory instead of the user's.
        hooks: Also write the stop hook, which lets the client's model go on when a job ends.
        command: The command line that starts this server, if it is not the one found.
        as_json: Print JSON, with the same field names everywhere.
    """
    chosen = client(name)
    words = own_command() if command is None else _words(command)
    wanted = wanted_by(chosen, Machine(), _directory(project=project), words, hooks=hooks)
    changes = installed(wanted, _records())
    _make(changes, dry_run=dry_run, as_json=as_json)
    if not as_json:
        _report(chosen, changes, dry_run=dry_run, nothing="has it already")
        if changes and not dry_run:
            terminal.paragraph(f"Restart {chosen.title}: {chosen.then}.")
    return exit_codes.OK


def uninstall(
    name: Annotated[Name, named("CLIENT")],
    /,
    *,
    dry_run: DryRun = False,
    project: bool = False,
    as_json: AsJson = False,
) -> int:
    """Remove this server and its hook from a client's configuration file, which is then as it was before.

    Args:
        name: The client.
        dry_run: Print the difference, and write nothing.
        project: Use the file of the project in this directory instead of the user's.
        as_json: Print JSON, with the same field names everywhere.
    """
    chosen = client(name)
    wanted = wanted_by(chosen, Machine(), _directory(project=project), [""], hooks=True)
    changes = uninstalled(wanted, _records())
    _make(changes, dry_run=dry_run, as_json=as_json)
    if not as_json:
        _report(chosen, changes, dry_run=dry_run, nothing="does not have it")
    return exit_codes.OK


def _make(changes: list[Change], *, dry_run: bool, as_json: bool) -> None:
    """Show all changes, and then make them; JSON says what was done, so it comes afterwards."""
    if not as_json:
        for change in changes:
            terminal.line(change.difference())
        terminal.flush()
    if not dry_run:
        records = _records()
        for change in changes:
            change.make(records)
    if as_json:
        shown = [{"path": str(change.path), "difference": change.difference()} for change in changes]
        terminal.as_json({"changes": shown, "written": bool(changes) and not dry_run})


def _report(chosen: Client, changes: list[Change], *, dry_run: bool, nothing: str) -> None:
    if not changes:
        terminal.paragraph(f"{chosen.title} {nothing}; nothing was changed")
    for change in changes:
        did = "removed" if change.after is None else "written"
        terminal.line(f"{'not ' if dry_run else ''}{did}: {change.path}")


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise InvalidRequestError(f"--command {command!r} cannot be split into words: {error}") from error
    if not words:
        raise InvalidRequestError("--command is empty: give the command line that starts this server")
    return words


def _directory(*, project: bool) -> Path | None:
    return Path.cwd() if project else None


def _records() -> Records:
    return Records(Path(load_settings().state_dir))
