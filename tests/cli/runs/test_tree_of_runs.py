"""``runs list --tree``: each run below the one that it was started within."""

from __future__ import annotations

from typing import Any

from mcp_background_job.cli.runs.views import as_tree


def row(run_id: str, parent: str | None = None) -> dict[str, Any]:
    return {"run_id": run_id, **({"parent_run_id": parent} if parent else {})}


def test_runs_stand_below_their_parents_newest_first_and_whose_parent_is_not_shown_at_the_top() -> None:
    reports = [row("rgrand", "rchild"), row("rnew", "rgone"), row("rother", "rold"), row("rchild", "rold"), row("rold")]

    shown = [report["indent"] + report["run_id"] for report in as_tree(reports)]

    assert shown == ["rnew", "rold", "  rother", "  rchild", "    rgrand"]
