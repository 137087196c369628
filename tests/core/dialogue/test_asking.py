"""Whether a job waits for input."""

from __future__ import annotations

import pytest

from mcp_background_job.core.dialogue.asking import asks


@pytest.mark.parametrize(
    ("how", "mode", "line", "waits"),
    [
        ("read", "pipe", "", True),
        ("read", "line", "anything at all", True),
        ("read", "raw", "", True),
        ("poll", "line", "Password for kim:", True),
        ("poll", "line", "Proceed (y/N)? ", True),
        ("poll", "line", "root@box:/srv#", True),
        ("poll", "line", "box% ", True),
        ("poll", "line", ">>> ", True),
        ("poll", "line", "[1]", True),
        ("poll", "line", "downloading  45%", False),
        ("poll", "line", "45 12.3M 5.6M", False),
        ("poll", "line", "", False),
        ("poll", "pipe", "", False),
        ("poll", "raw", "    Svelte", True),
        ("poll", "raw", "", False),
        ("poll", "line", "--Type <RET> for more, q to quit, c to continue without paging--", True),
        ("unknown", "line", "-- Weiter --", True),
        ("unknown", "line", "Press any key to continue . . .", True),
        ("poll", "line", "Hit Return for more, or q (and Return) to quit", True),
        ("poll", "line", "-------- ", False),
        ("poll", "line", "pressing key frames", False),
        ("unknown", "line", "[sudo] password for kim: ", True),
        ("unknown", "raw", "    Svelte", False),
        ("no", "line", "Continue? ", False),
        ("no", "closed", "", False),
    ],
)
def test_who_polls_waits_for_input_if_it_asks(how: str, mode: str, line: str, *, waits: bool) -> None:
    assert asks(how, mode, line) is waits
