"""The environment of an agent: an allow-list of our variables, instead of all of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from mcp_background_job.jobdir.layout import RUN_ID_VARIABLE
from mcp_background_job.jobs.inherited.environment import plain_output

#: Variables with which programs find their files, language, certificates and network; no keys and no tokens.
ALLOWED = (
    "HOME",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "LOGNAME",
    "MCP_BG_MAX_*",  # its own jobs and runs have the same state directory and the same limits
    "MCP_BG_STATE_DIR",
    "NODE_EXTRA_CA_CERTS",
    "PATH",
    "REQUESTS_CA_BUNDLE",
    "SHELL",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TZ",
    "USER",
    "XDG_*",
    "ALL_PROXY",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "all_proxy",
    "https_proxy",
    "http_proxy",
    "no_proxy",
)


def environment_of(
    ours: Mapping[str, str],
    *,
    run_id: str,
    cwd: str,
    temporary: str,
    passed: Iterable[str] = (),
    added: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the environment of an agent.

    Args:
        ours: the variables to choose from.
        run_id: marks every process of the run.
        cwd: the workspace.
        temporary: the run's own temporary directory.
        passed: names, or patterns with ``*``, beyond the common ones.
        added: variables that the agent's adapter sets.
    """
    patterns = (*ALLOWED, *passed)
    chosen = {name: value for name, value in ours.items() if any(fnmatchcase(name, pattern) for pattern in patterns)}
    places = {"TMPDIR": temporary, RUN_ID_VARIABLE: run_id}
    chosen |= {**plain_output(chosen), **(added or {}), **places}
    return {**chosen, "PATH": _safe_path(chosen.get("PATH", os.defpath), cwd)}


def _safe_path(path: str, cwd: str) -> str:
    """Return PATH without the workspace: a file in it that is named ``git`` would be run in place of git.

    An empty or relative part is dropped too, since it means the working directory.
    """
    here = os.path.realpath(cwd)
    parts = [part for part in path.split(os.pathsep) if os.path.isabs(part) and os.path.realpath(part) != here]
    return os.pathsep.join(parts) or os.defpath
