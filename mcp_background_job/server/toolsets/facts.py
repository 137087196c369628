"""Looks at the machine for ``auto``: only a few stats and one connection, since a client is waiting."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping
from dataclasses import fields

from mcp_background_job.agents.adapters.program import find
from mcp_background_job.agents.adapters.table import PROGRAMS
from mcp_background_job.config import COMFYUI_PORT, ComfyUISettings, given, variable_of
from mcp_background_job.jobdir.layout import StateDir
from mcp_background_job.server.toolsets.rule import Facts

#: The kernel answers for a port of its own machine at once, unless the queue of those that knock is full: then somebody
#: listens who has not looked for a long time, as a wedged ComfyUI does.
_KNOCK_S = 0.02


def look_around(state: StateDir, environment: Mapping[str, str]) -> Facts:
    """Return what is known. Blocks for some milliseconds at most; nothing is changed.

    Args:
        state: where jobs, runs and the journal of ComfyUI are.
        environment: that agents would be started in.
    """
    settings = _settings()
    listens = not settings and _listens(COMFYUI_PORT)
    return Facts(
        comfyui_settings=settings,
        comfyui_listens=listens,
        # To open it takes longer than all else, so it is left alone where it would say nothing new.
        comfyui_was_used=not settings and not listens and _has_rows(state.comfyui_journal),
        agents=tuple(program for program in PROGRAMS.values() if find(program, environment)),
        had_runs=_has_entries(state.runs),
    )


def _settings() -> tuple[str, ...]:
    known = {variable_of(setting.name, ComfyUISettings) for setting in fields(ComfyUISettings)}
    return tuple(variable for variable in given(ComfyUISettings) if variable in known)


def _listens(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as knocking:
        knocking.settimeout(_KNOCK_S)
        try:
            knocking.connect(("127.0.0.1", port))
        except TimeoutError:
            return True
        except OSError:
            return False
    return True


def _has_rows(journal: str) -> bool:
    if not os.path.exists(journal):  # noqa: PTH110  a plain path of the state directory
        return False
    from mcp_background_job.registry.journal import has_rows  # noqa: PLC0415  few have one

    return has_rows(journal)


def _has_entries(directory: str) -> bool:
    with contextlib.suppress(OSError), os.scandir(directory) as entries:
        return next(entries, None) is not None
    return False
