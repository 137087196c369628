"""The real server, over HTTP with its token, with what the conformance suite asks for beside its own: ``PORT``."""

from __future__ import annotations

import sys
from typing import Any

from fastmcp import FastMCP

from mcp_background_job.actions.jobs import table
from mcp_background_job.config import load_settings
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.server import build, serve
from mcp_background_job.server.toolsets.offered import Offered
from tests.conformance.fixture_jobs import Fixtures
from tests.conformance.fixture_rounds import add_rounds
from tests.conformance.fixture_texts import add_texts
from tests.conformance.fixture_tools import add_tools


def main() -> None:
    """Serve until it is ended."""
    own_actions, own_offer, own_server = table.job_actions, build.Offered, serve.build_server
    offers: list[Offered] = []

    def job_actions(manager: JobManager, *rest: Any) -> list[Any]:
        return [*own_actions(manager, *rest), *Fixtures(manager).actions()]

    def offer(*given: Any) -> Offered:
        offers.append(own_offer(*given))
        return offers[-1]

    def build_server(*given: Any, **named: Any) -> FastMCP[Any]:
        server = own_server(*given, **named)
        add_tools(server, offers[-1].whenever_more)
        add_rounds(server)
        add_texts(server)
        return server

    table.job_actions = job_actions
    build.Offered = offer
    serve.build_server = build_server
    serve.serve_http(load_settings(), "127.0.0.1", int(sys.argv[1]))


if __name__ == "__main__":
    main()
