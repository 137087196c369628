"""A server over stdio loads nothing of the page and of ``top``: most sessions show neither, and all wait for it."""

from __future__ import annotations

import subprocess
import sys

from tests.patience import PATIENCE_S

_LOADED = """
import sys
from mcp_background_job.app import build
from mcp_background_job.config import load_settings
from mcp_background_job.server.build import build_server
import mcp_background_job.server.serve
manager = build(load_settings(), is_server=True)
build_server(manager, load_settings())
manager.close()
print(*sys.modules)
"""

#: A whole server, whose client has gone before it serves.
_SERVED = """
import gc
from mcp_background_job.cli.serving.stdio import serve
searches = gc.get_stats()[2]["collections"]
serve()
print(gc.isenabled(), gc.get_freeze_count(), gc.get_stats()[2]["collections"] - searches)
"""

_NOT_YET = ("mcp_background_job.web", "mcp_background_job.actions.page", "mcp_background_job.cli", "textual")


def test_what_only_a_page_needs_is_not_loaded_with_a_server(state_dir: str) -> None:
    assert state_dir
    done = subprocess.run(
        [sys.executable, "-c", _LOADED], capture_output=True, text=True, check=True, timeout=PATIENCE_S
    )
    loaded = done.stdout.split()

    assert "mcp_background_job.server.serve" in loaded
    assert [name for name in loaded if name.startswith(_NOT_YET)] == []


def test_what_is_loaded_before_a_server_serves_is_never_searched_for_garbage(state_dir: str) -> None:
    assert state_dir
    done = subprocess.run(
        [sys.executable, "-c", _SERVED],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_S,
    )
    is_searching, kept, full_searches = done.stdout.split()

    assert is_searching == "True"
    assert int(kept) > 100_000
    assert int(full_searches) == 0
