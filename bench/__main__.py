"""``python -m bench``: measure, print a table, and with ``--write`` write ``docs/explanation/benchmarks.md``."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable

from bench import report
from bench.figures import Figure
from bench.measurements.agents import measure_agent_streams
from bench.measurements.cold_start import measure_cold_start
from bench.measurements.comfyui import measure_comfyui_cancel, measure_comfyui_restart
from bench.measurements.comfyui_wedges import measure_comfyui_wedges
from bench.measurements.commands import measure_commands
from bench.measurements.downloads import measure_downloads
from bench.measurements.history import measure_crash, measure_history
from bench.measurements.load import measure_load
from bench.measurements.long_history import measure_long_history
from bench.measurements.many import measure_idle, measure_many
from bench.measurements.page_opening import measure_page_opening
from bench.measurements.pages import measure_page_news, measure_page_size, measure_pages
from bench.measurements.queue import measure_batch_dispatch, measure_batch_size
from bench.measurements.runs import measure_run_cancel
from bench.measurements.start import measure_start
from bench.measurements.status import measure_status
from bench.measurements.subscribers import measure_subscribers
from bench.measurements.tail import measure_tail
from bench.measurements.throughput import measure_throughput
from bench.measurements.tokens import measure_progress_bar, measure_tools
from bench.measurements.uploads import measure_uploads
from bench.measurements.waiting import measure_waiting
from bench.plan import Plan
from bench.workspace import Workspace

#: All measurements by name. Those that write much or many files come last: the disk's late work slows the next one.
MEASUREMENTS: dict[str, Callable[[Plan], list[Figure]]] = {
    "start": measure_start,
    "waiting": measure_waiting,
    "cold-start": measure_cold_start,
    "commands": measure_commands,
    "tools": measure_tools,
    "progress-bar": measure_progress_bar,
    "comfyui-cancel": measure_comfyui_cancel,
    "comfyui-wedges": measure_comfyui_wedges,
    "comfyui-restart": measure_comfyui_restart,
    "batch-dispatch": measure_batch_dispatch,
    "batch-size": measure_batch_size,
    "run-cancel": measure_run_cancel,
    "agent-streams": measure_agent_streams,
    "load": measure_load,
    "subscribers": measure_subscribers,
    "many": measure_many,
    "idle": measure_idle,
    "status": measure_status,
    "page-size": measure_page_size,
    "page-news": measure_page_news,
    "pages": measure_pages,
    "crash": measure_crash,
    "page-opening": measure_page_opening,
    "tail": measure_tail,
    "throughput": measure_throughput,
    "downloads": measure_downloads,
    "uploads": measure_uploads,
    "history": measure_history,
    "long-history": measure_long_history,
}


def main() -> int:
    """Measure; returns 1 if a bar is missed."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(128 + signal.SIGTERM))  # tidy up then too
    began = time.monotonic()
    figures: list[Figure] = []
    with Workspace() as space:
        plan = Plan(space, quick=arguments.quick, peer=arguments.peer)
        for name in arguments.only or MEASUREMENTS:
            print(f"{time.monotonic() - began:5.0f} s  {name} …", file=sys.stderr, flush=True)
            measured = MEASUREMENTS[name](plan)
            print(report.as_text(measured), flush=True)  # at once: the next one may fail
            figures += measured
    print(f"\n{'; '.join(f'{name}: {value}' for name, value in report.machine().items())}")
    print(f"took {time.monotonic() - began:.0f} s")
    if arguments.write:
        print(f"wrote {report.write_document(figures, peer=arguments.peer is not None)}")
    return int(any(figure.kept is False for figure in figures))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure this project against the floor.")
    parser.add_argument("--peer", metavar="CMD", help="a stdio MCP server to measure against instead of the floor one")
    parser.add_argument("--only", metavar="NAME", action="append", choices=MEASUREMENTS, help=", ".join(MEASUREMENTS))
    parser.add_argument("--quick", action="store_true", help="fewer samples and smaller sizes: a trial, no record")
    parser.add_argument("--write", action="store_true", help="write docs/explanation/benchmarks.md")
    arguments = parser.parse_args()
    if arguments.write and (arguments.quick or arguments.only):
        parser.error("--write takes a whole run: leave out --quick and --only")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
