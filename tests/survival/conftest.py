"""What tests of jobs that survive share."""

from __future__ import annotations

import pytest

from mcp_background_job.jobdir import control
from tests.patience import PATIENCE_S


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a busy runner's answer to a look; not for tests that stop their runner."""
    monkeypatch.setattr(control, "LOOK_TIMEOUT_S", PATIENCE_S)
