"""``make docs-tables``: write the tables anew, from a server that is started for it."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile

from fastmcp import Client
from fastmcp.client.transports import StdioTransport

from tests.docs.tables.marked import replaced
from tests.docs.tables.pages import SETTING, pages


async def main() -> None:
    """Write them."""
    with tempfile.TemporaryDirectory() as directory:
        environ = {**os.environ, **SETTING, "MCP_BG_STATE_DIR": f"{directory}/state"}
        # The server ends with the client, so before its state directory is removed.
        server = StdioTransport(sys.executable, ["-m", "mcp_background_job"], env=environ, keep_alive=False)
        async with Client(server) as client:
            written = pages(await client.list_tools())
    for page, tables in written.items():
        page.write_text(replaced(page.read_text(), tables))


asyncio.run(main())
