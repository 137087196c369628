"""Which agents there are. Each adapter is loaded when a run of its kind is first asked for."""

from __future__ import annotations

import importlib
from typing import cast, get_args

from mcp_background_job.agents.adapters.base import Adapter
from mcp_background_job.core.run import Backend
from mcp_background_job.errors import InvalidRequestError

BACKENDS: tuple[Backend, ...] = get_args(Backend)

_ADAPTERS = "mcp_background_job.agents.adapters"


def load(backend: str) -> Adapter:
    """Return the adapter for a kind of agent.

    Raises:
        InvalidRequestError: there is none of this name.
    """
    if backend not in BACKENDS:
        raise InvalidRequestError(f"backend {backend!r} is unknown: give one of {', '.join(BACKENDS)}")
    return cast("Adapter", importlib.import_module(f"{_ADAPTERS}.{backend}").ADAPTER)
