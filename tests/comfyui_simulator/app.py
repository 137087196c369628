"""Puts the parts together, binds the port, and ends as ComfyUI ends."""

import asyncio
import errno
import faulthandler
import os
import sys
import threading

from aiohttp import web

from tests.comfyui_simulator import logs, parent, stats
from tests.comfyui_simulator.executor import Executor
from tests.comfyui_simulator.flags import Flags, parse
from tests.comfyui_simulator.interrupts import InterruptFlag
from tests.comfyui_simulator.ledger import Ledger
from tests.comfyui_simulator.logs import log
from tests.comfyui_simulator.prompt_queue import PromptQueue
from tests.comfyui_simulator.publisher import Publisher
from tests.comfyui_simulator.routes import manager_routes
from tests.comfyui_simulator.routes.file_routes import FileRoutes
from tests.comfyui_simulator.routes.info_routes import InfoRoutes
from tests.comfyui_simulator.routes.job_routes import JobRoutes
from tests.comfyui_simulator.routes.middlewares import faults, not_found, refuse_foreign_origin
from tests.comfyui_simulator.routes.prompt_routes import PromptRoutes
from tests.comfyui_simulator.worker import Worker

#: Seconds that the server takes to end after SIGINT: usually, and with ``--slow-stop``.
STOP_S = 0.3
SLOW_STOP_S = 2.0


def main() -> None:
    parent.limit_life()
    parent.tie()
    flags = parse(sys.argv[1:])
    ring = logs.set_up(new=flags.new)
    if flags.new:
        faulthandler.enable()
    try:
        _import_everything(flags)
        asyncio.new_event_loop().run_until_complete(_serve(flags, ring))
    except KeyboardInterrupt:
        ring.write("\nStopped server\n")
    # A second SIGINT meanwhile is not caught: the signal ends the process.
    threading.Event().wait(SLOW_STOP_S if flags.slow_stop else STOP_S)
    # Not sys.exit: the running prompt must die at any point of its thread, as in ComfyUI.
    os._exit(0)


def _import_everything(flags: Flags) -> None:
    """Take the time that the real server takes for its imports."""
    threading.Event().wait(flags.startup_delay)
    if flags.exit_during_start is not None:
        sys.stderr.write("simulated failure during start\n")
        sys.exit(flags.exit_during_start)


async def _serve(flags: Flags, ring: logs.LogRing) -> None:
    ledger = Ledger(flags.ledger)
    queue = PromptQueue(ledger)
    flag = InterruptFlag(new=flags.new)
    publisher = Publisher(queue, stats.features(new=flags.new))
    publisher.bind(asyncio.get_running_loop())
    queue.on_change = publisher.queue_changed
    application = web.Application(client_max_size=stats.MAX_UPLOAD, middlewares=[faults(flags), refuse_foreign_origin])
    PromptRoutes(flags, queue, flag, publisher, ledger).register(application.router)
    executor = Executor(flags, publisher, flag, ring)
    InfoRoutes(flags, ring, publisher, executor).register(application.router)
    FileRoutes(flags).register(application.router)
    if flags.new:
        JobRoutes(queue, flag).register(application.router)
    manager_routes.register(application.router, flags.manager)
    application.router.add_get("/{path:.*}", not_found)
    Worker(queue, executor, publisher, flags).start()
    await _listen(application, flags)
    await publisher.publish()


async def _listen(application: web.Application, flags: Flags) -> None:
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    if not flags.dont_print_server:
        log.info("Starting server\n")
    try:
        await web.TCPSite(runner, flags.listen, flags.port).start()
    except OSError as error:
        if error.errno != errno.EADDRINUSE or not flags.new:
            raise
        log.error(
            "Port %s is already in use on address %s. Please close the other application or use a different port"
            " with --port.",
            flags.port,
            flags.listen,
        )
        os._exit(1)
    port = runner.addresses[0][1]
    if not flags.dont_print_server:
        log.info("To see the GUI go to: http://%s:%s", flags.listen, port)
    parent.announce(port)
