"""Makes one script and one style of the page's files, as they are read: there is no build, and nothing to install.

Modules become functions, in the order in which they need one another. Comments, indentation and spaces that part
nothing are left out: who wants to read reads the files. Anything else stays as it was written, so an error in a browser
names what stands there.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "static"

_STYLESHEET = re.compile(r'<link rel="stylesheet" href="/static/([^"]+)">\n')
_SCRIPT = re.compile(r'<script type="module" src="/static/([^"]+)"></script>\n')

_IMPORT = re.compile(r'^import (?:\{([^}]*)\} from )?"(\.[^"]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:async )?function|const|class) (\w+)", re.MULTILINE)

#: What would be left of an import or export of another form, and what would end a script or style in a page.
_LEFT = re.compile(r"^(?:import|export)\b.*|\bimport\(.*|</(?:script|style)", re.MULTILINE)

_CSS_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)

#: Spaces in styles that part nothing: beside braces, semicolons and commas, and between a name and its value.
_CSS_SPACE = re.compile(r"\s*([{};,])\s*|(?<=:) ")


#: The same in scripts, beside what is not a part of a word; texts stay as they are.
_JS_TEXT = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')""")
_JS_SPACE = re.compile(r" *([{}()\[\];,=<>&|?:*]) *")


@dataclass(frozen=True)
class Bundled:
    """The page in three pieces.

    Attributes:
        frame: the page with marks where style and script belong.
        style: all styles.
        script: all modules.
    """

    frame: str
    style: str
    script: str

    def html(self, style: str, script: str) -> str:
        """Return the page with the addresses of style and script.

        The script asks for what it shows before the first frame is drawn: what takes a browser longest, its fonts say,
        goes on while the server answers.
        """
        loaded = f'<link rel="stylesheet" href="{style}">\n<script defer blocking="render" src="{script}"></script>'
        return self.frame.replace("</head>", f"{loaded}\n</head>")

    def framed(self, style: str, script: str) -> str:
        """Return the page with these elements for both. The script is last: one within a page waits for nothing."""
        return self.frame.replace("</head>", f"{style}\n</head>").replace("</body>", f"{script}\n</body>")


@cache
def bundled() -> Bundled:
    """Return the page in three pieces.

    Raises:
        ValueError: a module has a form that is not understood; the files are wrong.
    """
    page = _text("index.html")
    modules: dict[str, str] = {}
    _add(_SCRIPT.findall(page)[0], modules)
    style = "".join(_text(path) for path in _STYLESHEET.findall(page))
    return Bundled(
        frame=_STYLESHEET.sub("", _SCRIPT.sub("", page)),
        style=_CSS_SPACE.sub(lambda space: space[1] or "", _CSS_COMMENT.sub("", style)).replace(";}", "}").strip(),
        script='"use strict";\n' + "".join(modules.values()),
    )


def _text(path: str) -> str:
    return (_FOLDER / path).read_text(encoding="utf-8")


def _lean(text: str) -> str:
    lines = (line.strip() for line in text.splitlines())
    return "".join(f"{_tight(line)}\n" for line in lines if line and not line.startswith("//"))


def _tight(line: str) -> str:
    """Return a line of a script without spaces that part nothing; one with texts of another form stays as it is."""
    if "`" in line or "/" in line:
        return line
    return "".join(part if at % 2 else _JS_SPACE.sub(r"\1", part) for at, part in enumerate(_JS_TEXT.split(line)))


def _add(path: str, modules: dict[str, str]) -> None:
    """Add a module behind all that it imports."""
    text = _text(path)
    if any(line.count("`") % 2 for line in text.splitlines()):
        raise ValueError(f"{path}: a text over several lines would lose its indentation")
    folder = posixpath.dirname(path)
    for _, target in _IMPORT.findall(text):
        needed = posixpath.normpath(posixpath.join(folder, target))
        if needed not in modules:
            _add(needed, modules)

    def taken(match: re.Match[str]) -> str:
        names, target = match.groups()
        if not names:
            return ""
        needed = posixpath.normpath(posixpath.join(folder, target))
        return f"const {{{names.replace(' as ', ': ')}}} = ${list(modules).index(needed)};\n"

    body = _EXPORT.sub(r"\1 \2", _IMPORT.sub(taken, text))
    if left := _LEFT.search(body):
        raise ValueError(f"{path}: {left[0]!r} has no place in one script")
    exported = ",".join(name for _, name in _EXPORT.findall(text))
    # A module has the number of its place: its path would be written a hundred times.
    modules[path] = f"const ${len(modules)}=(()=>{{\n{_lean(body)}return{{{exported}}};\n}})();\n"
