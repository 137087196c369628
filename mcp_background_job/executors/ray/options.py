"""The wishes that a job may have to Ray, and their form for Ray: ``gpus=1 cpus=8 mem=64G resources=a100:1``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

from mcp_background_job.core.values import frozen
from mcp_background_job.executors.nodes import wishes

#: Several jobs may share a GPU: 0.5.
_SHARE = re.compile(r"[1-9][0-9]{0,5}|0?\.[0-9]{1,4}")
_MEMORY = re.compile(r"([1-9][0-9]{0,11})([KMGT]?)B?", re.IGNORECASE)
_UNITS = {"": 2**20, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_RESOURCES = re.compile(r"[A-Za-z0-9_.-]{1,100}:(?:[1-9][0-9]{0,5}|0?\.[0-9]{1,4})")


def _cpus(value: str) -> int:
    return int(wishes.count(value))


def _gpus(value: str) -> float:
    if not _SHARE.fullmatch(value) or not float(value):
        raise ValueError("how many, or a share of one: 2, 0.5")
    return float(value)


def _memory(value: str) -> int:
    match = _MEMORY.fullmatch(value)
    if not match:
        raise ValueError("a size: 64G, 800M")
    return int(match[1]) * _UNITS[match[2].upper()]


def _resources(value: str) -> dict[str, float]:
    parts = value.split(",")
    if not all(map(_RESOURCES.fullmatch, parts)):
        raise ValueError("custom resources of the cluster, and how much of each: a100:1,licence:0.5")
    return {name: float(count) for name, _, count in (part.partition(":") for part in parts)}


#: Each key, and the function that reads its value; its error says what to give.
KEYS: dict[str, Callable[[str], Any]] = {"gpus": _gpus, "cpus": _cpus, "mem": _memory, "resources": _resources}

_NAMES = {
    "gpus": "entrypoint_num_gpus",
    "cpus": "entrypoint_num_cpus",
    "mem": "entrypoint_memory",
    "resources": "entrypoint_resources",
}


#: Ray's names of these resources on nodes.
_HAD_AS = {"gpus": "GPU", "cpus": "CPU", "mem": "memory"}


@frozen
class Options:
    """A job's wishes to Ray, by key; all of them are valid."""

    values: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def over(self, defaults: Options) -> Options:
        """Return these wishes, with defaults for the keys that they lack."""
        return Options({**defaults.values, **self.values})

    @property
    def gpus(self) -> float:
        """How many GPUs are asked for."""
        return self.values.get("gpus", 0.0)

    def asked(self) -> dict[str, Any]:
        """Return the wishes in the form for Ray."""
        return {_NAMES[key]: value for key, value in self._all.items()}

    def of_one_node(self) -> dict[str, float]:
        """Return the resources that the job's node must have, by Ray's names."""
        wanted = self._all
        known = {name: wanted[key] for key, name in _HAD_AS.items() if key in wanted}
        return known | wanted.get("resources", {})

    @property
    def _all(self) -> dict[str, Any]:
        # At least one processor is asked for: Ray runs a job without wishes on the head.
        return {"cpus": 1, **self.values}


def read(words: str) -> Options:
    """Read the wishes of a job.

    Raises:
        InvalidRequestError: a word cannot be used; the message says which ones can.
    """
    return Options(wishes.read(words, KEYS, "Ray"))
