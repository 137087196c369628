"""The real server, over HTTP with its token, with the tools of the conformance suite beside its own: ``PORT``."""

from __future__ import annotations

import sys
from typing import Any

from mcp_background_job.actions.jobs import table
from mcp_background_job.config import load_settings
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.server.serve import serve_http
from tests.conformance.fixtures import Fixtures


def main() -> None:
    """Serve until it is ended."""
    own = table.job_actions

    def job_actions(manager: JobManager, *rest: Any) -> list[Any]:
        return [*own(manager, *rest), *Fixtures(manager).actions()]

    table.job_actions = job_actions
    serve_http(load_settings(), "127.0.0.1", int(sys.argv[1]))


if __name__ == "__main__":
    main()
