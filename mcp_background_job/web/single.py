"""The page as one file, for hosts that show what a server hands them in a sandbox: nothing can be loaded there.

Its modules become functions in the order in which they need one another. The policy in it names its one script and its
one style by their hashes: nothing else is obeyed, whatever the host allows.
"""

from __future__ import annotations

import base64
import hashlib
import posixpath
import re
from functools import cache

from mcp_background_job.web.files import INDEX, static_files
from mcp_background_job.web.paths import STATIC

_STYLESHEET = re.compile(rf'<link rel="stylesheet" href="{STATIC}([^"]+)">\n')
_SCRIPT = re.compile(rf'<script type="module" src="{STATIC}([^"]+)"></script>\n')
_CHARSET = '<meta charset="utf-8">\n'

_IMPORT = re.compile(r'^import (?:\{([^}]*)\} from )?"(\.[^"]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:async )?function|const|class) (\w+)", re.MULTILINE)
_LEFT = re.compile(r"^(?:import|export)\b.*|\bimport\(.*|</(?:script|style)", re.MULTILINE)


@cache
def single_file() -> str:
    """Return the page as one file."""
    page = _text(INDEX)
    style = "".join(_text(path) for path in _STYLESHEET.findall(page))
    script = _bundle(_SCRIPT.findall(page)[0])
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; img-src data:; media-src data:; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
    first, *others = _STYLESHEET.split(page)[::2]
    head = first.replace(_CHARSET, f'{_CHARSET}<meta http-equiv="content-security-policy" content="{policy}">\n')
    behind = _SCRIPT.sub("", "".join(others))
    # At the end: a script without an address of its own does not wait for what it works on.
    return f"{head}<style>{style}</style>\n{behind}".replace(
        "</body>", f'<script type="module">{script}</script>\n</body>'
    )


def _text(path: str) -> str:
    return static_files()[path].content.decode()


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _bundle(entry: str) -> str:
    modules: dict[str, str] = {}
    _add(entry, modules)
    return "".join(modules.values())


def _add(path: str, modules: dict[str, str]) -> None:
    """Add a module behind all that it imports."""
    text = _text(path)
    folder = posixpath.dirname(path)
    for _, target in _IMPORT.findall(text):
        needed = posixpath.normpath(posixpath.join(folder, target))
        if needed not in modules:
            _add(needed, modules)

    def taken(match: re.Match[str]) -> str:
        names, target = match.groups()
        if not names:
            return ""
        return (
            f"const {{{names.replace(' as ', ': ')}}} = {_name(posixpath.normpath(posixpath.join(folder, target)))};\n"
        )

    body = _EXPORT.sub(r"\1 \2", _IMPORT.sub(taken, text))
    if left := _LEFT.search(body):
        raise ValueError(f"{path}: {left[0]!r} has no place in a single file")
    exported = ", ".join(name for _, name in _EXPORT.findall(text))
    modules[path] = f"const {_name(path)} = (() => {{\n{body}return {{ {exported} }};\n}})();\n"


def _name(path: str) -> str:
    return "$" + re.sub(r"\W", "_", path)
