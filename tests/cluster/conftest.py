"""A real Slurm for the tests of this folder, which ``make test-cluster`` runs."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

from tests.cluster.slurm import Slurm, missing


@pytest.fixture(scope="session")
def cluster() -> Generator[Slurm]:
    """A Slurm of three nodes with eight processors and one GPU each. One for all tests: they leave it as it was."""
    if "CLUSTER" not in os.environ:
        pytest.skip("make test-cluster runs this, against a real Slurm")
    if packages := missing():
        pytest.skip(f"these packages are missing, and cannot be installed: {' '.join(packages)}")
    slurm = Slurm()
    try:
        slurm.start()
        yield slurm
    finally:
        slurm.stop()
