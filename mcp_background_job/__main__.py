"""The console script: ``mcp-background-job``, or ``python -m mcp_background_job``."""

from __future__ import annotations


def main() -> None:
    """Run the command line; without arguments, serve MCP over stdio."""
    from mcp_background_job.cli.main import run  # noqa: PLC0415  pyright and tests import this module

    run()


if __name__ == "__main__":
    main()
