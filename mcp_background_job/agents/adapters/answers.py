"""Finds the option of a permission request that an answer means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mcp_background_job.errors import InvalidRequestError

#: Kinds of options, the most limited one first: a plain yes is never taken for "always".
ALLOW = ("allow_once", "allow_always")
DENY = ("reject_once", "reject_always")

_WORDS = {
    **dict.fromkeys(("allow", "yes", "y", "ok", "okay", "approve", "accept"), ALLOW),
    **dict.fromkeys(("deny", "no", "n", "reject", "refuse", "decline"), DENY),
}


def choose(options: Sequence[Mapping[str, Any]], text: str, data: Mapping[str, Any]) -> str:
    """Return the id of the option that an answer means: by id, by kind, by a word for yes or no, or by name.

    ``data["option_id"]`` takes precedence over ``data["decision"]``, and both over the text.

    Raises:
        InvalidRequestError: the answer means none of the options.
    """
    wanted = str(data.get("option_id") or data.get("decision") or text).strip()
    word = wanted.casefold().rstrip(".!")
    found = (
        _first(options, "option_id", [wanted])
        or _first(options, "kind", _WORDS.get(word, (word,)))
        or next((str(option["option_id"]) for option in options if str(option.get("name")).casefold() == word), None)
    )
    if found is None:
        choices = ", ".join(f"{option['option_id']!r} ({option.get('name')})" for option in options)
        raise InvalidRequestError(f"{wanted!r} is not one of the options; answer with the option_id of one: {choices}")
    return found


def option_of_kind(options: Sequence[Mapping[str, Any]], kinds: Sequence[str]) -> str | None:
    """Return the id of the first offered option of the first of these kinds that is offered, ``None`` if none is."""
    return _first(options, "kind", kinds)


def _first(options: Sequence[Mapping[str, Any]], key: str, wanted: Sequence[str]) -> str | None:
    for value in wanted:
        for option in options:
            if option.get(key) == value:
                return str(option["option_id"])
    return None
