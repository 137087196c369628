"""The console script: ``mcp-background-job``, or ``python -m mcp_background_job``."""

from __future__ import annotations

import sys

from mcp_background_job.cli.descriptors import make_up_for_closed


def main() -> None:
    """Run the command line; without arguments, serve MCP over stdio."""
    make_up_for_closed()
    if len(sys.argv) == 1:
        # Clients wait for this one, so it does not pay for the parsing of arguments that it has not got.
        from mcp_background_job.cli.stdio import run  # noqa: PLC0415

        run()
    else:
        from mcp_background_job.cli.main import run as run_command  # noqa: PLC0415

        run_command()


if __name__ == "__main__":
    main()
