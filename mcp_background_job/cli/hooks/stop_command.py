"""``hook stop``, as ``--help`` and completion know it; clients get to ``cli.hooks.stop`` without all this."""

from __future__ import annotations

from mcp_background_job.cli.arguments import Seconds
from mcp_background_job.cli.hooks.stop import DEFAULT_MAX_S, run
from mcp_background_job.core.hooks import HookClient


def stop(*, client: HookClient, max: Seconds = DEFAULT_MAX_S) -> int:  # noqa: A002  the option's name
    """Wait at the end of a turn for what this conversation has started, and let its model continue with the news.

    Reads the hook's JSON from stdin. Jobs, runs and batches that the client's conversation has started are waited for;
    named servers and watchers are not. Prints nothing, and exits with 0, if there is nothing to wait for, if the time
    is up, and whatever goes wrong.

    Args:
        client: Which client runs this: claude-code, codex, cursor, gemini or opencode.
        max: Wait no longer than this, in seconds or as 5m, 2h: less than the client gives its hook.
    """
    run(["--client", client, "--max", str(max)])
