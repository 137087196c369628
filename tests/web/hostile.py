"""A text that does harm wherever it becomes a part of a page."""

from __future__ import annotations

from typing import Any

EVIL = "<img src=x onerror=harm()></script><script>harm()</script>\"'&lt;"


def assert_harmless(view: Any) -> None:
    """Assert that no such text has become a part of a page."""
    assert view.evaluate("() => document.querySelectorAll('img, [onerror], main script').length") == 0
