"""The page as one file, for hosts that show it in a sandbox, where nothing can be loaded.

The policy in it names its one script and its one style by their hashes: a browser runs nothing else, whatever a host
allows.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache

from mcp_background_job.web.bundle import bundled

_CHARSET = '<meta charset="utf-8">\n'


@cache
def single_file() -> str:
    """Return the page as one file."""
    page = bundled()
    policy = (
        f"default-src 'none'; script-src {_hash(page.script)}; style-src {_hash(page.style)}; img-src data:; "
        "media-src data:; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
    said = f'{_CHARSET}<meta http-equiv="content-security-policy" content="{policy}">\n'
    whole = page.framed(f"<style>{page.style}</style>", f'<script type="module">{page.script}</script>')
    return whole.replace(_CHARSET, said, 1)


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
