"""The console script: ``mcp-background-job``, or ``python -m mcp_background_job``."""

from __future__ import annotations

import signal
import sys

from mcp_background_job.cli import interruption
from mcp_background_job.cli.descriptors import make_up_for_closed


def main() -> None:
    """Run the command line; without arguments, serve MCP over stdio."""
    make_up_for_closed()
    if len(sys.argv) == 1:
        # What is imported takes a second, in which Ctrl-C is to end this as it does later: without a word.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        # Clients wait for this one, so it does not pay for the parsing of arguments that it has not got.
        from mcp_background_job.cli.serving.stdio import run  # noqa: PLC0415

        run()
    if sys.argv[1:3] == ["hook", "stop"] and not {"-h", "--help"} & set(sys.argv):
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # nor does this one say a word, nor while it waits
        # At the end of every turn somebody waits for it, see there.
        from mcp_background_job.cli.hooks.stop import run as run_hook  # noqa: PLC0415

        run_hook(sys.argv[3:])
    interruption.end_at_once()
    from mcp_background_job.cli.main import run as run_command  # noqa: PLC0415  so that Ctrl-C may strike meanwhile

    run_command()


if __name__ == "__main__":
    main()
