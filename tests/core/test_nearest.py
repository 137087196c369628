"""A name that is not known is answered with those that resemble it, and with none if none does."""

from __future__ import annotations

import pytest

from mcp_background_job.core.nearest import nearest

JOBS = ["shop/vite", "jywbu4", "web", "jd84aw", "tests", "api.dev", "api.prod", "webserver"]


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("vit", ["shop/vite"]),
        ("test", ["tests"]),
        ("API", ["api.dev", "api.prod"]),
        ("websever", ["webserver"]),
        ("jd84wa", ["jd84aw"]),
        ("nosuch", []),
        ("zzz", []),
        ("frontend", []),
        ("", []),
    ],
)
def test_names_that_resemble_one_are_found_and_no_others(name: str, near: list[str]) -> None:
    assert nearest(name, JOBS) == near


@pytest.mark.parametrize(("option", "near"), [("--json", []), ("--sinse", ["--since"]), ("--line", ["--lines"])])
def test_hyphens_make_no_options_alike(option: str, near: list[str]) -> None:
    assert nearest(option, ["--since", "--lines", "--grep", "-n", "--raw"], 1) == near
