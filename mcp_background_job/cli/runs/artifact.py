"""``runs artifact``: the whole of a field that an event shows cut."""

from __future__ import annotations

from mcp_background_job.actions.opening import at_hand
from mcp_background_job.actions.runs.requests import Artifact
from mcp_background_job.actions.runs.running import Running
from mcp_background_job.agents.runs import MAX_ARTIFACT_BYTES, RunManager
from mcp_background_job.cli import exit_codes, terminal
from mcp_background_job.cli.runs.session import RunId, asked_for, with_runs
from mcp_background_job.cli.session import caller
from mcp_background_job.core.output.harmless import shown


def artifact(run: RunId, seq: int, field: str, /) -> int:
    """Print the full text of a field that an event shows cut.

    Args:
        run: Id of a run, or the name of an agent: its newest run.
        seq: Number of the event.
        field: The field, as artifact_refs of the event names it: /output, say.
    """
    asked = asked_for(run)
    path = field if field.startswith("/") else f"/{field}"

    async def print_it(runs: RunManager) -> int:
        offset = 0
        while True:
            request = Artifact(
                seq=seq,
                field_path=path,
                run_id=asked.run_id,
                agent_name=asked.agent_name,
                offset=offset,
                limit=MAX_ARTIFACT_BYTES,
            )
            piece = await Running(at_hand(runs)).get_event_artifact(caller(), request)
            _write(piece["content"])
            offset = piece["offset"] + piece["returned_bytes"]
            if not piece["has_more"]:
                return exit_codes.OK

    return with_runs(print_it)


def _write(content: str) -> None:
    if terminal.for_people():
        terminal.draw("\n".join(map(shown, content.split("\n"))))
    else:
        terminal.data(content.encode())
