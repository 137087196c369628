"""Text as a database can hold it."""

from __future__ import annotations


def storable(text: str) -> str:
    r"""Return the text with lone surrogates, which SQLite cannot hold, written as ``\udc80``.

    Bytes that are not UTF-8 come as lone surrogates. In JSON text, the escape means the surrogate.
    """
    return text.encode("utf-8", "backslashreplace").decode()
