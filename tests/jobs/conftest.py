"""A manager whose jobs are not processes."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from mcp_background_job.jobs.manager import JobManager
from tests.places.in_memory import manager_in_memory
from tests.places.memory import MemoryPlace


@pytest.fixture
def memory_place() -> MemoryPlace:
    """The place of the jobs of ``memory_manager``."""
    return MemoryPlace()


@pytest.fixture
def memory_manager(memory_place: MemoryPlace) -> Generator[JobManager]:
    """A manager whose jobs obey their input; see ``tests.places.memory``."""
    manager = manager_in_memory(memory_place)
    yield manager
    manager.close()
