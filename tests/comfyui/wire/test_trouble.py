"""Advice about a server that does not answer can be followed where the server is."""

from __future__ import annotations

import pytest

from mcp_background_job.comfyui.wire.trouble import Trouble, unreachable


@pytest.mark.parametrize("trouble", Trouble)
def test_a_server_on_another_machine_is_not_said_to_be_started_or_restarted_from_here(trouble: Trouble) -> None:
    far = str(unreachable("http://box:8188", trouble, "GET /queue", is_near=False))
    assert "start_comfyui" not in far
    assert "http://box:8188" in far


def test_a_silent_server_may_be_stopped_by_a_signal() -> None:
    for is_near in (True, False):
        told = str(unreachable("http://127.0.0.1:8188", Trouble.SILENT, "GET /queue", is_near=is_near))
        assert "a signal has stopped its process" in told
        assert ("restart_comfyui" in told) == is_near
