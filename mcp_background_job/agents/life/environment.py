"""The environment of an agent: a list of what it may have, instead of all that we have."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from mcp_background_job.jobdir.layout import RUN_ID_VARIABLE
from mcp_background_job.jobs.inherited.environment import plain_output

#: What programs need to find their files, their language, their certificates and the network; no keys and no tokens.
ALLOWED = (
    "HOME",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "LOGNAME",
    "MCP_BG_MAX_*",  # what it starts with this program is kept where it is itself, and within the same limits
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
        ours: to choose from.
        run_id: marks every process of the run.
        cwd: the workspace.
        temporary: the run's own temporary directory.
        passed: names, or patterns with ``*``, beyond the common ones.
        added: variables that its adapter sets.
    """
    patterns = (*ALLOWED, *passed)
    chosen = {name: value for name, value in ours.items() if any(fnmatchcase(name, pattern) for pattern in patterns)}
    places = {"TMPDIR": temporary, RUN_ID_VARIABLE: run_id}
    chosen |= {**plain_output(chosen), **(added or {}), **places}
    return {**chosen, "PATH": _safe_path(chosen.get("PATH", os.defpath), cwd)}


def _safe_path(path: str, cwd: str) -> str:
    """Return PATH without the workspace: a file in it that is named ``git`` would be run in place of git.

    An empty or relative part means the working directory too.
    """
    here = os.path.realpath(cwd)
    parts = [part for part in path.split(os.pathsep) if os.path.isabs(part) and os.path.realpath(part) != here]
    return os.pathsep.join(parts) or os.defpath
