"""``comfyui session``: one session: its prompts, and its file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from mcp_background_job.actions.comfyui.queue import Queueing, Session
from mcp_background_job.actions.opening import at_hand
from mcp_background_job.cli import exit_codes, terminal
from mcp_background_job.cli.arguments import AsJson, Limit
from mcp_background_job.cli.comfyui import show
from mcp_background_job.cli.comfyui.connection import with_comfyui
from mcp_background_job.cli.comfyui.prompts import listing
from mcp_background_job.cli.parameter import named
from mcp_background_job.cli.session import caller
from mcp_background_job.comfyui.control import ComfyUI
from mcp_background_job.comfyui.reports import queue_report
from mcp_background_job.comfyui.reports.report import Report
from mcp_background_job.comfyui.sessions import session_file
from mcp_background_job.core.text import counted
from mcp_background_job.errors import InvalidRequestError


def show_session(session: str | None = None, /, *, limit: Limit = 20, as_json: AsJson = False) -> int:
    """Show a session and its prompts.

    Args:
        session: Its name or id; without it, the current one of this directory.
        limit: How many prompts at most.
        as_json: Print JSON, with the field names of the tools.
    """
    asked = Session(action="show", name=session, limit=limit)
    return with_comfyui(lambda comfyui: _show(comfyui, asked, as_json=as_json))


async def _show(comfyui: ComfyUI, asked: Session, *, as_json: bool) -> int:
    known = await Queueing(at_hand(comfyui)).comfyui_session(caller(), asked)
    if as_json:
        terminal.as_json(known)
    else:
        show.sentence(_sentence(known), "completed")
        listing.write(known)
    return listing.exit_code(known)


def export_session(
    session: str | None = None, /, *, output: Annotated[Path | None, named("--output", "-o")] = None
) -> int:
    """Write a session as JSON that other tools read too.

    Args:
        session: Its name or id; without it, the current one of this directory.
        output: File to write; without it, it is printed.
    """
    return with_comfyui(lambda comfyui: _export(comfyui, session, output))


async def _export(comfyui: ComfyUI, reference: str | None, output: Path | None) -> int:
    session = await comfyui.sessions.find(reference, caller().directory)
    content = session_file.content_of(session, await comfyui.sessions.tracked_in(session))
    text = json.dumps(content, indent=2, ensure_ascii=False)
    if output is None:
        terminal.line(text)
    else:
        _write(output, f"{text}\n")
    return exit_codes.OK


def import_session(path: Annotated[Path, named("FILE")], /, *, as_json: AsJson = False) -> int:
    """Add a session from a file, as export writes it; or those of all files of a folder that are not here already.

    Args:
        path: File with the session, or folder with such files (*.json).
        as_json: Print JSON, with the field names of the tools.
    """
    if path.is_dir():
        files = sorted(path.glob("*.json"))
        return with_comfyui(lambda comfyui: _import_all(comfyui, files, as_json=as_json))
    content = _read(path)
    return with_comfyui(lambda comfyui: _import(comfyui, content, path, as_json=as_json))


async def _import(comfyui: ComfyUI, content: Any, path: Path, *, as_json: bool) -> int:
    session, tracked = session_file.session_of(content, caller().directory, path.name)
    taken = await comfyui.sessions.take_in(session, tracked)
    known = queue_report.of_imported_session(taken, len(tracked))
    if as_json:
        terminal.as_json(known)
    else:
        show.sentence(_sentence(known), "completed")
    return exit_codes.OK


async def _import_all(comfyui: ComfyUI, files: list[Path], *, as_json: bool) -> int:
    imported: list[Report] = []
    failures: list[Report] = []
    skipped = 0
    for path in files:
        try:
            session, tracked = session_file.session_of(_read(path), caller().directory, path.name)
        except InvalidRequestError as error:
            failures.append({"file": path.name, "reason": str(error)})
            continue
        if await comfyui.sessions.is_known(session):
            skipped += 1
        else:
            taken = await comfyui.sessions.take_in(session, tracked)
            imported.append(queue_report.of_imported_session(taken, len(tracked)))
    known: Report = {"imported": imported, "skipped": skipped, "failures": failures}
    if as_json:
        terminal.as_json(known)
    else:
        for one in imported:
            show.sentence(_sentence(one), "completed")
        terminal.paragraph(
            f"{counted(len(imported), 'session')} imported, {skipped} here already, {len(failures)} not read"
        )
        show.facts({"failures": failures}, ())
    return exit_codes.UNMET if failures else exit_codes.OK


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InvalidRequestError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InvalidRequestError(f"{path} is not JSON: {error}") from error


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InvalidRequestError(f"{path} cannot be written: {error.strerror}") from error


def _sentence(report: Report) -> str:
    """Return what a session is."""
    downloaded = f", {report['downloaded']} of them downloaded" if report.get("downloaded") else ""
    return f"session {report['name']} ({report['session_id']}), {counted(report['prompts'], 'prompt')}{downloaded}"
