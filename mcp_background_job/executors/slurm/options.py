"""The wishes that a job may have to Slurm, and their form for ``sbatch``: ``gpus=1 cpus=8 mem=64G time=4h``."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import field

from mcp_background_job.core.values import frozen
from mcp_background_job.executors.nodes import wishes

_GPUS = re.compile(r"(?:[A-Za-z0-9_.-]+:)?([1-9][0-9]{0,5})")
_MEMORY = re.compile(r"[1-9][0-9]{0,11}(?:[KMGT]B?)?", re.IGNORECASE)
#: Names at a site, and expressions of them: ``a100&nvlink``, ``gpu:a100:2,shard:1``.
_NAME = re.compile(r"[A-Za-z0-9_][^\s\0]{0,199}")

#: ``90s``, ``4h``, ``1d12h``.
_SPAN = re.compile(r"(?:(\d{1,5})d)?(?:(\d{1,5})h)?(?:(\d{1,7})m)?(?:(\d{1,9})s)?", re.IGNORECASE)
#: Slurm's own form. Hours follow days: ``1-12``, ``1-12:30``, ``1-12:30:00``. Without days, minutes come first,
#: ``30:00``, or hours, ``4:00:00``.
_DAYS = re.compile(r"(\d{1,5})-(\d{1,2})(?::(\d{2}))?(?::(\d{2}))?")
_CLOCK = re.compile(r"(?:(\d{1,5}):)?(\d{1,5}):(\d{2})")
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400

#: Slurm's limit is this much later than ours (seconds), and only applies if ours has failed.
_BEHIND_OUR_LIMIT_S = 120

#: No site gives a job more than a year; a longer limit is not passed on to Slurm.
_LONGEST_S = 365 * _DAY


def _gpus(value: str) -> str:
    if not _GPUS.fullmatch(value):
        raise ValueError("how many, or which and how many: 2, a100:2")
    return value


def _memory(value: str) -> str:
    if not _MEMORY.fullmatch(value):
        raise ValueError("a size: 64G, 800M")
    return value.upper().removesuffix("B")


def _time(value: str) -> str:
    seconds = _seconds(value)
    if not seconds:
        raise ValueError("a time with its unit: 90m, 4h, 1d12h, or as Slurm writes it: 4:00:00")
    return str(seconds)


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError("a name that the cluster knows")
    return value


#: Each key, and the function that reads its value; its error says what to give.
KEYS: dict[str, Callable[[str], str]] = {
    "gpus": _gpus,
    "cpus": wishes.count,
    "mem": _memory,
    "time": _time,
    "partition": _name,
    "account": _name,
    "qos": _name,
    "constraint": _name,
    "gres": _name,
    "reservation": _name,
}


@frozen
class Options:
    """A job's wishes to Slurm, by key; all of them are valid."""

    values: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def gpus(self) -> int:
        """The number of GPUs that ``gpus`` asks for."""
        match = _GPUS.fullmatch(self.values.get("gpus", ""))
        return int(match[1]) if match else 0

    def over(self, defaults: Options) -> Options:
        """Return these wishes, with defaults for the keys that they lack."""
        return Options({**defaults.values, **self.values})

    def arguments(self, timeout_s: float | None) -> list[str]:
        """Return the arguments for ``sbatch``; ``timeout_s`` is our own time limit, if there is one."""
        known = dict(self.values)
        gres = [f"gpu:{known.pop('gpus')}"] if "gpus" in known else []
        gres += [known.pop("gres")] if "gres" in known else []
        told = [f"--gres={','.join(gres)}"] if gres else []
        if limit := known.pop("time", None) or _beyond(timeout_s):
            told.append(f"--time={_clock(int(limit))}")
        names = {"cpus": "cpus-per-task"}
        return told + [f"--{names.get(key, key)}={value}" for key, value in known.items()]


def read(words: str) -> Options:
    """Read the wishes of a job.

    Raises:
        InvalidRequestError: a word cannot be used; the message says which ones can.
    """
    return Options(wishes.read(words, KEYS, "Slurm"))


def _seconds(value: str) -> int:
    match = _SPAN.fullmatch(value) or _DAYS.fullmatch(value) or _CLOCK.fullmatch(value)
    parts = match.groups() if match else ()
    units = (_DAY, _HOUR, _MINUTE, 1)[-len(parts) :]
    return sum(int(part or 0) * unit for part, unit in zip(parts, units, strict=False))


def _beyond(timeout_s: float | None) -> int:
    if timeout_s is None or timeout_s > _LONGEST_S:
        return 0
    return -(-math.ceil(timeout_s) // _MINUTE) * _MINUTE + _BEHIND_OUR_LIMIT_S


def _clock(seconds: int) -> str:
    """Return a time in Slurm's form; Slurm counts whole minutes."""
    minutes = -(-seconds // _MINUTE)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{days}-{hours:02}:{minutes:02}:00"
