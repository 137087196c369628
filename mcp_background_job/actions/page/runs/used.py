"""The tokens and cost of a run, in words, from whichever field names its agent has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

#: Names of input and output tokens and of totals, in order of preference; and of input tokens from a cache.
_IN = ("input_tokens", "inputTokens", "input")
_OUT = ("output_tokens", "outputTokens", "output")
_ALL = ("total_tokens", "totalTokens", "used")
_BESIDE = ("cache_read_input_tokens", "cache_creation_input_tokens")
_COST = ("total_cost_usd", "cost")


def used(usage: object) -> str | None:
    """Return tokens and cost, ``None`` if the agent reports neither."""
    if not isinstance(usage, dict):
        return None
    told = cast("dict[str, Any]", usage)
    return ", ".join([*_tokens(told), *_cost(told)]) or None


def _tokens(told: Mapping[str, Any]) -> Iterator[str]:
    came_in, came_out = _first(told, _IN), _first(told, _OUT)
    if came_in is None and came_out is None:
        if (both := _first(told, _ALL)) is not None:
            yield f"{both:,.0f} tokens"
        return
    beside = sum(_first(told, (name,)) or 0 for name in _BESIDE)
    yield f"{(came_in or 0) + beside:,.0f} tokens in"
    yield f"{came_out or 0:,.0f} out"


def _cost(told: Mapping[str, Any]) -> Iterator[str]:
    for name in _COST:
        match told.get(name):
            case bool():
                pass
            case int() | float() as dollars:
                yield f"${dollars:.2f}" if dollars >= 1 else f"${dollars:.4f}"
                return
            case {"amount": int() | float() as amount, "currency": str(currency)}:
                yield f"{amount:.4f} {currency}"
                return
            case _:
                pass


def _first(told: Mapping[str, Any], names: tuple[str, ...]) -> float | None:
    values = (told.get(name) for name in names)
    return next((value for value in values if isinstance(value, int | float) and not isinstance(value, bool)), None)
