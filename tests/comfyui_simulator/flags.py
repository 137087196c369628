"""The command line: ComfyUI's own flags, and flags that make the simulator misbehave."""

import argparse
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Flags:
    listen: str
    port: int
    output_directory: Path
    dont_print_server: bool
    new: bool
    startup_delay: float
    start_gap: float
    history_gap: float
    next_gap: float
    manager: str
    queue_status: int | None
    html: bool
    hang: bool
    forbid: bool
    require_header: str | None
    exit_during_start: int | None
    die_after_interrupt: float | None
    old_interrupt: bool
    slow_stop: bool
    monitor_period: float
    view_drop: int | None
    view_stall: tuple[int, int]
    ledger: Path | None


def parse(arguments: list[str]) -> Flags:
    parser = argparse.ArgumentParser(prog="main.py")
    _add_own_flags_of_comfyui(parser)
    _add_time_flags(parser)
    _add_fault_flags(parser)
    found = parser.parse_args(arguments)
    return Flags(
        listen=found.listen,
        port=found.port,
        output_directory=found.output_directory.absolute(),
        dont_print_server=found.dont_print_server,
        new=found.version == "new",
        startup_delay=found.startup_delay,
        start_gap=found.start_gap,
        history_gap=found.history_gap,
        next_gap=found.next_gap,
        manager=found.manager,
        queue_status=found.queue_status,
        html=found.html,
        hang=found.hang,
        forbid=found.forbid,
        require_header=found.require_header,
        exit_during_start=found.exit_during_start,
        die_after_interrupt=found.die_after_interrupt,
        old_interrupt=found.old_interrupt,
        slow_stop=found.slow_stop,
        monitor_period=found.monitor_period,
        view_drop=found.view_drop,
        view_stall=(found.view_stall[0], found.view_stall[1]),
        ledger=found.ledger,
    )


def _add_own_flags_of_comfyui(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--listen", default="127.0.0.1", nargs="?", const="127.0.0.1")
    parser.add_argument("--port", type=int, default=8188)
    parser.add_argument("--output-directory", type=Path, default=Path(__file__).parent / "output")
    parser.add_argument("--dont-print-server", action="store_true")
    parser.add_argument("--disable-auto-launch", action="store_true")
    parser.add_argument("--cpu", action="store_true")
    parser.add_argument("--enable-manager", action="store_true")


def _add_time_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--version", choices=["new", "old"], default="new")
    parser.add_argument("--startup-delay", type=float, default=0.2, help="before the port is bound")
    parser.add_argument("--start-gap", type=float, default=0.0, help="from queue_running to the interrupt reset")
    parser.add_argument("--history-gap", type=float, default=0.0, help="from execution_success to the history entry")
    parser.add_argument("--next-gap", type=float, default=0.0, help="from the end of a prompt to the next one's begin")
    parser.add_argument("--ledger", type=Path, help="file to which all that happens to prompts is appended")
    parser.add_argument("--monitor-period", type=float, default=10.0, help="of the thread that the first bar leaves")
    parser.add_argument("--slow-stop", action="store_true", help="take two seconds for SIGINT")


def _add_fault_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--manager", choices=["none", "execv", "old"], default="none")
    parser.add_argument("--queue-status", type=int, help="answer GET /queue with this status")
    parser.add_argument("--html", action="store_true", help="answer everything with a page")
    parser.add_argument("--hang", action="store_true", help="accept connections, never answer")
    parser.add_argument("--forbid", action="store_true", help="answer everything with 403")
    parser.add_argument("--require-header", metavar="NAME: VALUE", help="answer requests without it with 401")
    parser.add_argument("--exit-during-start", type=int, metavar="CODE")
    parser.add_argument("--die-after-interrupt", type=float, metavar="SECONDS")
    parser.add_argument("--view-drop", type=int, metavar="BYTES", help="hang up after so many bytes of a file")
    parser.add_argument(
        "--view-stall",
        type=int,
        nargs=2,
        default=(0, 0),
        metavar=("BYTES", "TIMES"),
        help="send no more after so many bytes of the first longer files",
    )
    parser.add_argument("--old-interrupt", action="store_true", help="ignore prompt_id, as before 0.3.57")
