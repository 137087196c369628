"""A job's wishes to an engine: words of the form ``key=value`` after the name of the place."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.jobdir.records import Spec

#: Characters of a word that an error repeats.
_TOLD = 60

_COUNT = re.compile(r"[1-9][0-9]{0,5}")

V = TypeVar("V")


def of(spec: Spec) -> str:
    """Return a job's wishes, without the name of its place."""
    return spec.on.partition(" ")[2]


def read(words: str, keys: Mapping[str, Callable[[str], V]], engine: str) -> dict[str, V]:
    """Read the wishes of a job.

    Args:
        words: the wishes as the caller wrote them.
        keys: the known keys, and the function that reads each value; its ``ValueError`` says what to give.
        engine: name of the engine.

    Raises:
        InvalidRequestError: a word cannot be used; the message says which ones can.
    """
    values: dict[str, V] = {}
    for word in words.split():
        key, equals, value = word.partition("=")
        read_value = keys.get(key)
        if not equals or read_value is None:
            raise InvalidRequestError(f"on: {word[:_TOLD]!r} cannot be asked of {engine}: give {'=, '.join(keys)}=")
        if key in values:
            raise InvalidRequestError(f"on: {key} is given twice")
        try:
            values[key] = read_value(value)
        except ValueError as error:
            raise InvalidRequestError(f"on: {word[:_TOLD]!r} cannot be used: {key} is {error}") from error
    return values


def count(value: str) -> str:
    """Return a count, as it was written.

    Raises:
        ValueError: it is not a whole number of 1 or more.
    """
    if not _COUNT.fullmatch(value):
        raise ValueError("a whole number of 1 or more")
    return value
