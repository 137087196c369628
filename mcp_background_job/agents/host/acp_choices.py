"""The mode and the model of an ACP session: what the agent offers, and the message that chooses. Pure.

Agents offer modes in the protocol's own list, as an option of their configuration, or both. They offer models as an
option, or in a list from drafts of the protocol.
"""

from __future__ import annotations

from collections.abc import Iterator

from mcp_background_job.agents.adapters.reading import JsonObject, mapping, objects, text

#: What can be chosen, in the order of choosing: a mode may have its own models.
CHOICES = ("mode", "model")

#: Where the list stands in the answer to ``session/new``, the key of an id in it, and the method and parameter to
#: choose.
_LISTS = {
    "mode": ("modes", "availableModes", "id", "session/set_mode", "modeId"),
    "model": ("models", "availableModels", "modelId", "session/set_model", "modelId"),
}

#: The most names of a long list in an error.
_MAX_NAMED = 20


class NotOfferedError(Exception):
    """The agent does not offer the wanted mode or model; the message says what it offers."""


def choosing(what: str, wanted: str, session_id: str, opened: JsonObject) -> tuple[str, JsonObject]:
    """Return the method and the parameters that choose a mode or a model.

    Args:
        what: ``mode`` or ``model``.
        wanted: its id.
        session_id: id of the session.
        opened: what the agent answered when it opened the session.

    Raises:
        NotOfferedError: the agent offers no such mode or model.
    """
    folder, listed, key, method, parameter = _LISTS[what]
    ids = [text(item.get(key)) for item in objects(mapping(opened.get(folder)).get(listed))]
    if wanted in ids:
        return method, {"sessionId": session_id, parameter: wanted}
    nothing: JsonObject = {}
    option = next((item for item in objects(opened.get("configOptions")) if what in _names_of(item)), nothing)
    values = list(_values(objects(option.get("options"))))
    if wanted in values:
        parameters = {"sessionId": session_id, "configId": option.get("id"), "value": wanted}
        return "session/set_config_option", parameters
    offered = ids or values
    if not offered:
        raise NotOfferedError(
            f"the agent does not let clients choose its {what} over ACP; choose it in its command or settings"
        )
    more = f" and {len(offered) - _MAX_NAMED} more" if len(offered) > _MAX_NAMED else ""
    raise NotOfferedError(f"the agent has no {what} {wanted!r}; it has {', '.join(offered[:_MAX_NAMED])}{more}")


def _names_of(option: JsonObject) -> tuple[str, str]:
    return text(option.get("id")), text(option.get("category"))


def _values(options: list[JsonObject]) -> Iterator[str]:
    """Yield the values on offer; some agents group them."""
    for option in options:
        if "group" in option:
            yield from _values(objects(option.get("options")))
        else:
            yield text(option.get("value"))
