"""Managers of runs whose agents speak to the model on loopback."""

from __future__ import annotations

from collections.abc import Mapping

from mcp_background_job.agents.life.launching import Policy
from mcp_background_job.agents.runs import RunManager
from mcp_background_job.jobs.inherited.inheritance import Inheritance
from mcp_background_job.jobs.manager import JobManager

#: What the agents need to know of the model, and to keep to it, beyond what their adapters pass on.
_PASSED = ("FAKE_API_KEY", "OPENCODE_*", "CLAUDE_CODE_*", "DISABLE_*")


def runs_of(manager: JobManager, environment: Mapping[str, str]) -> RunManager:
    """Return a manager of runs whose agents have this environment."""
    policy = Policy(max_runs=4, passed=_PASSED)
    return RunManager(manager, policy, inheritance=Inheritance(environment), keep_s=60)
