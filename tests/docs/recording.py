"""Records ``make demo`` as a picture for the README: ``python -m tests.docs.recording``.

The picture is an SVG of text. Each line appears when the demonstration printed it; long pauses are shortened.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from xml.sax.saxutils import escape

PICTURE = Path(__file__).parents[2] / "docs" / "demo.svg"

#: Columns of the terminal, and the longest pause between two lines in seconds: nobody waits for a job in a README.
_COLUMNS = 100
_LONGEST_PAUSE_S = 1.6

#: Pixels: a character of a monospaced font of size 14 is 8.43 wide in the common fonts.
_CHARACTER, _LINE, _EDGE = 8.43, 20, 16

#: What the demonstration promises, and what was typed, stand out.
_CLASS = ' class="promise"'

_HEAD = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">
<title>A terminal that shows the output of make demo</title>
<style>
rect {{ fill: #10151c }}
text {{ font: 14px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: #c9d1d9; white-space: pre;
  animation: appear 1ms both }}
.promise {{ fill: #7ee787; font-weight: bold }}
@keyframes appear {{ from {{ opacity: 0 }} }}
@media (prefers-reduced-motion) {{ text {{ animation: none }} }}
</style>
<rect width="100%" height="100%" rx="8"/>
"""


def recorded() -> list[tuple[float, str]]:
    """Run the demonstration; returns what it printed, and after how many seconds of the picture each line appears."""
    command = [sys.executable, "-u", "-m", "mcp_background_job", "demo"]
    lines, shown_at, printed_at = [(0.0, "$ make demo")], 0.0, time.monotonic()
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            now = time.monotonic()
            shown_at += min(now - printed_at, _LONGEST_PAUSE_S)
            printed_at = now
            lines.append((shown_at, line.rstrip("\n")))
    if demo.returncode:
        raise SystemExit(f"the demonstration ended with exit code {demo.returncode}: no picture was written")
    return lines


def picture(lines: list[tuple[float, str]]) -> str:
    """Return an SVG of lines that appear after so many seconds."""
    rows = [(at, row) for at, line in lines for row in _wrapped(line)]
    width, height = round(_COLUMNS * _CHARACTER) + 2 * _EDGE, len(rows) * _LINE + 2 * _EDGE
    texts = [
        f'<text x="{_EDGE}" y="{_EDGE + number * _LINE + 14}" style="animation-delay:{at:.1f}s"'
        f"{_CLASS if row.startswith(('* ', '$ ')) else ''}>{escape(row)}</text>"
        for number, (at, row) in enumerate(rows)
        if row
    ]
    return _HEAD.format(width=width, height=height) + "\n".join(texts) + "\n</svg>\n"


def _wrapped(line: str) -> list[str]:
    if len(line) <= _COLUMNS:
        return [line]
    return textwrap.wrap(line, _COLUMNS, subsequent_indent="    ", drop_whitespace=True)


if __name__ == "__main__":
    PICTURE.write_text(picture(recorded()), encoding="utf-8")
