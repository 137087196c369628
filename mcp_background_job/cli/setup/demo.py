"""``demo``: the promises, shown with real processes."""

from __future__ import annotations


def main() -> None:
    """Run the demonstration; it takes about half a minute."""
    from mcp_background_job.server.demo import main as demonstrate  # noqa: PLC0415  fastmcp takes a second to import

    demonstrate()
