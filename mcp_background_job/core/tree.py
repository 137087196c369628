"""Puts items that were started within one another into the order of a tree."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

Item = TypeVar("Item")


def as_tree(
    items: Iterable[Item], name_of: Callable[[Item], str], parent_of: Callable[[Item], str | None]
) -> list[tuple[int, Item]]:
    """Return items with their depths, each below the one that it was started within; the order is kept otherwise.

    An item whose parent is not among them stands at the top.
    """
    listed = list(items)
    shown = {name_of(item) for item in listed}
    within: dict[str | None, list[Item]] = {}
    for item in listed:
        parent = parent_of(item)
        within.setdefault(parent if parent in shown else None, []).append(item)
    ordered: list[tuple[int, Item]] = []
    todo = [(0, item) for item in reversed(within.get(None, []))]
    while todo:
        depth, item = todo.pop()
        ordered.append((depth, item))
        todo += [(depth + 1, child) for child in reversed(within.get(name_of(item), []))]
    return ordered
