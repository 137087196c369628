"""Reads ``/object_info``: the node types of a server, with their inputs and outputs. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

#: The type of an input with a list of choices.
COMBO = "COMBO"


@dataclass(frozen=True)
class Input:
    """An input of a node type.

    Attributes:
        name: its name.
        type: the type of values that may be linked to it; ``COMBO`` for one with choices.
        choices: the possible values, if the server lists them.
        config: the server's further facts: default, limits, how the editor shows it.
        is_optional: whether it may be left out.
    """

    name: str
    type: str
    choices: tuple[Any, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict[str, Any])
    is_optional: bool = False


@dataclass(frozen=True)
class NodeType:
    """A node type; ``outputs`` has names and types."""

    name: str
    display_name: str
    category: str
    inputs: tuple[Input, ...]
    outputs: tuple[tuple[str, str], ...]
    is_output: bool
    description: str = ""


class NodeTypes:
    """The node types of one server; each is read when it is needed, since there are about a thousand."""

    def __init__(self, answer: Any) -> None:
        """Takes the answer to ``GET /object_info``.

        Raises:
            ValueError: it is not such an answer.
        """
        if not isinstance(answer, dict):
            raise ValueError("/object_info that is not a JSON object")  # noqa: TRY004  what is odd is data
        self._facts = cast("dict[str, Any]", answer)

    def __contains__(self, name: str) -> bool:
        """Tell whether the server has a node type."""
        return isinstance(self._facts.get(name), dict)

    def __iter__(self) -> Iterator[str]:
        """Return the names, in the server's order."""
        return iter(self._facts)

    def get(self, name: str) -> NodeType | None:
        """Return a node type, ``None`` if the server does not have it."""
        return _node_type(name, self._facts[name]) if name in self else None


def _node_type(name: str, facts: Mapping[str, Any]) -> NodeType:
    types, names = _list(facts.get("output")), _list(facts.get("output_name"))
    return NodeType(
        name=name,
        display_name=str(facts.get("display_name") or name),
        category=str(facts.get("category") or ""),
        inputs=inputs_of(_mapping(facts.get("input")), _mapping(facts.get("input_order"))),
        outputs=tuple(
            (str(names[at]) if at < len(names) else _type(given), _type(given)) for at, given in enumerate(types)
        ),
        is_output=bool(facts.get("output_node")),
        description=str(facts.get("description") or ""),
    )


def inputs_of(declared: Mapping[str, Any], order: Mapping[str, Any] | None = None) -> tuple[Input, ...]:
    """Read ``input`` of a node: required ones first, in the server's separate order if it gives one."""
    inputs: list[Input] = []
    for group in ("required", "optional"):
        specs = _mapping(declared.get(group))
        ordered = [name for name in _list((order or {}).get(group)) if name in specs]
        inputs += [
            _input(name, specs[name], is_optional=group == "optional") for name in dict.fromkeys([*ordered, *specs])
        ]
    return tuple(inputs)


def _input(name: str, spec: Any, *, is_optional: bool) -> Input:
    parts = _list(spec)
    given = parts[0] if parts else "*"
    config = _mapping(parts[1]) if len(parts) > 1 else dict[str, Any]()
    choices = _list(given) if isinstance(given, list) else _list(config.get("options")) if given == COMBO else []
    return Input(name, _type(given), tuple(choices), config, is_optional)


def _type(given: Any) -> str:
    return COMBO if isinstance(given, list) else str(given)


def _mapping(answer: Any) -> Mapping[str, Any]:
    return cast("dict[str, Any]", answer) if isinstance(answer, dict) else {}


def _list(answer: Any) -> list[Any]:
    return cast("list[Any]", answer) if isinstance(answer, list) else []
