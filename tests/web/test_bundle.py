"""What the page's files become: one script, one style, and all in one file."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Generator
from pathlib import Path

import pytest

from mcp_background_job.web import bundle
from mcp_background_job.web.single import single_file


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Path]:
    """A page of the test's own."""
    monkeypatch.setattr(bundle, "_FOLDER", tmp_path)
    bundle.bundled.cache_clear()
    (tmp_path / "a").mkdir()
    (tmp_path / "index.html").write_text(
        '<head>\n<link rel="stylesheet" href="/static/a/one.css">\n'
        '<script type="module" src="/static/main.js"></script>\n</head>\n<body>\n</body>\n'
    )
    (tmp_path / "a" / "one.css").write_text("/* A note. */\np {\n  color: red;\n}\n")
    yield tmp_path
    bundle.bundled.cache_clear()


def test_modules_stand_behind_what_they_need_each_once_without_comments(folder: Path) -> None:
    (folder / "main.js").write_text('// Begins.\nimport { f as g } from "./a/f.js";\nimport "./a/side.js";\n  g();\n')
    (folder / "a" / "f.js").write_text('import "./side.js";\nexport function f() {\n  return "// kept"; // kept\n}\n')
    (folder / "a" / "side.js").write_text("export const x = 1;\n")

    page = bundle.bundled()

    assert page.script == (
        '"use strict";\n'
        "const $0=(()=>{\nconst x=1;\nreturn{x};\n})();\n"
        'const $1=(()=>{\nfunction f(){\nreturn "// kept"; // kept\n}\nreturn{f};\n})();\n'
        "const $2=(()=>{\nconst{f:g}=$1;\ng();\nreturn{};\n})();\n"
    )
    assert page.style == "p{color:red}"
    assert page.html("s", "j").count("<link") == page.html("s", "j").count("<script") == 1


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ('f(a, "x, { y }: z") ? b : { c };', 'f(a,"x, { y }: z")?b:{c};'),
        (r"const s = 'it is \' , ' + a - -b;", r"const s='it is \' , ' + a - -b;"),
        ('return "a" in { b } ;', 'return "a" in{b};'),
        ("const t = `a , ${ b } ( c )`;", "const t = `a , ${ b } ( c )`;"),
        ("const r = /[\"'] , ( x )/;", "const r = /[\"'] , ( x )/;"),
    ],
)
def test_spaces_that_part_nothing_are_left_out_and_texts_stay(folder: Path, line: str, left: str) -> None:
    (folder / "main.js").write_text(f"{line}\n")
    assert f"\n{left}\n" in bundle.bundled().script


@pytest.mark.parametrize(
    "line",
    [
        'import f from "./a/f.js";',
        "export default 1;",
        "export let x = 1;",
        'const f = () => import("./f.js");',
        "const x = `\n  two lines`;",
        'const x = "</script>";',
    ],
)
def test_a_form_that_is_not_understood_is_an_error_and_no_broken_page(folder: Path, line: str) -> None:
    (folder / "main.js").write_text(f"{line}\n")

    with pytest.raises(ValueError, match=r"main\.js"):
        bundle.bundled()


def test_the_policy_of_the_single_file_names_the_script_and_the_style_that_are_in_it() -> None:
    page = single_file()

    for tag, directive in (("script", "script-src"), ("style", "style-src")):
        (content,) = re.findall(rf"<{tag}[^>]*>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}';" in page
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)""", page.partition("<script")[0])
