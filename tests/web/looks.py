"""What is asked of every page, whatever is on it: pictures to look at, no findings of axe, nothing beside a phone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

#: Where the pictures are kept: files to look at, which git ignores and CI may keep.
SHOTS = Path(__file__).parents[2] / ".shots"

_WIDE, _NARROW = {"width": 1440, "height": 900}, {"width": 390, "height": 844}

#: What must not be found.
_SERIOUS = ("serious", "critical")

_AXE = "() => axe.run({ resultTypes: ['violations'] }).then(({ violations }) => violations)"

_TOO_WIDE = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


def look_at(view: Any, name: str) -> None:
    """Take pictures of a page in both schemes and widths, and hold each to what every page must be."""
    SHOTS.mkdir(exist_ok=True)
    page = view.page
    for scheme in ("light", "dark"):
        for width, size in (("wide", _WIDE), ("phone", _NARROW)):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            page.set_viewport_size(size)
            view.wait_for_function("width => innerWidth === width", arg=size["width"])  # a frame follows later
            page.screenshot(path=SHOTS / f"{name}-{width}-{scheme}.png")
            too_wide = view.evaluate(_TOO_WIDE)
            assert too_wide <= 0, f"{name}: {too_wide} pixels do not fit into {size['width']}"
        assert findings(view) == [], f"{name}, {scheme}"
    page.set_viewport_size(_WIDE)
    view.wait_for_function("width => innerWidth === width", arg=_WIDE["width"])


def findings(view: Any) -> list[str]:
    """Return what axe finds that is serious."""
    axe = pytest.importorskip("axe_playwright_python.base", reason="no axe: make test-web installs it")
    view.evaluate(axe.AXE_SCRIPT)
    return [
        f"{found['id']}: {found['help']}: {[node['target'] for node in found['nodes']]}"
        for found in view.evaluate(_AXE)
        if found["impact"] in _SERIOUS
    ]


def answer(view: Any, button: Any, verb: str) -> None:
    """Press a button, and answer what it asks."""
    button.click()
    view.get_by_role("dialog").get_by_role("button", name=verb, exact=True).click()


def said(view: Any, words: str) -> bool:
    """Wait until something is told in the live region."""
    view.locator("#said").filter(has_text=words).wait_for()
    return True
