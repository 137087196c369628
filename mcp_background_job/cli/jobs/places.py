"""``places``: where jobs can run, and what is free there."""

from __future__ import annotations

from dataclasses import asdict

from mcp_background_job.cli import exit_codes, tables, terminal
from mcp_background_job.cli.arguments import AsJson
from mcp_background_job.cli.session import with_manager
from mcp_background_job.cli.tables import Column, Rows
from mcp_background_job.executors.overview import Overview, Part
from mcp_background_job.jobs.manager import JobManager

_COLUMNS = (
    Column("PLACE", "bold"),
    Column("PARTITION", overflow="cut"),
    Column("NODES"),
    Column("CPUS FREE"),
    Column("CPUS", spare=1),
    Column("GPUS FREE"),
    Column("GPUS", spare=2),
)


def places(*, as_json: AsJson = False) -> int:
    """Show where jobs can run: this machine, and the partitions of a cluster, with what is free in them.

    The exit code is 1 if a place does not answer.

    Args:
        as_json: Print JSON, with the same field names everywhere.
    """
    return with_manager(lambda manager: _places(manager, as_json=as_json))


async def _places(manager: JobManager, *, as_json: bool) -> int:
    found = await manager.places.overviews()
    if as_json:
        terminal.as_json({"places": [asdict(one) for one in found]})
    else:
        tables.write(Rows(_COLUMNS, [_row(one, part) for one in found for part in one.parts]))
        for one in found:
            for why, count in one.waiting.items():
                terminal.say(f"{one.place}: {count} job{' waits' if count == 1 else 's wait'}: {why}")
            for sentence in filter(None, [one.trouble, *one.warnings]):
                terminal.say(f"{one.place}: {sentence}")
    return exit_codes.UNMET if any(one.trouble for one in found) else exit_codes.OK


def _row(one: Overview, part: Part) -> tuple[str, ...]:
    nodes = str(part.nodes) if part.nodes_up == part.nodes else f"{part.nodes_up} of {part.nodes}"
    return one.place, part.name, nodes, *map(_count, (part.cpus_free, part.cpus, part.gpus_free, part.gpus))


def _count(number: int | None) -> str:
    return "" if number is None else str(number)
