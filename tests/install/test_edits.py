"""Texts of any shape: what is put in and taken out again leaves every byte of the rest."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.install.edits import Edit, grant, revoke
from mcp_background_job.install.jsonc import Jsonc
from mcp_background_job.install.spans import read
from mcp_background_job.install.toml import Toml
from mcp_background_job.install.wishes import Element, Entry, Format, Wish

JSONC, TOML = Jsonc(), Toml()
ENTRY = Entry(("mcpServers", "background-job"), {"command": "/a b/é", "args": [], "required": True})
HOOK = Element(("hooks", "Stop"), {"hooks": [{"command": "x hook stop", "timeout": 9}]}, "hook stop")

_space = st.text(" \t\r\n", max_size=3)
_comment = st.sampled_from(["", "", "// note\n", "// note\r\n", '/* a , } ] " */', "/**/\r\n"])
_trivia = st.tuples(_space, _comment, _space).map("".join)
_scalar = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)).map(json.dumps)
_key = st.one_of(st.sampled_from(["mcpServers", "hooks", "Stop", "background-job", "other"]), st.text(max_size=4))


def _listed(opening: str, items: list[str], closing: str, trailing: bool, gap: str) -> str:  # noqa: FBT001
    return opening + ",".join(items) + ("," if items and trailing else "") + gap + closing


def _arrays(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    items = st.lists(st.tuples(_trivia, values, _trivia).map("".join), max_size=3)
    return st.builds(_listed, st.just("["), items, st.just("]"), st.booleans(), _trivia)


def _objects(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    def members(pairs: list[tuple[str, str, str, str]]) -> list[str]:
        return [f"{gap}{json.dumps(key)}:{value}{more}" for gap, key, value, more in pairs]

    pairs = st.lists(st.tuples(_trivia, _key, values, _trivia), max_size=4, unique_by=lambda pair: pair[1]).map(members)
    return st.builds(_listed, st.just("{"), pairs, st.just("}"), st.booleans(), _trivia)


_value = st.recursive(_scalar, lambda below: st.one_of(_arrays(below), _objects(below)), max_leaves=8)
_document = st.tuples(st.sampled_from(["", "\ufeff"]), _trivia, _objects(_value), _trivia).map("".join)

_toml_value = st.sampled_from(
    ["1", "nan", "'[x]'", '"""\n[mcp_servers.a]\n"""', "[\n 1, # one\n]", "1979-05-27", "{ a = 1 }", '"é"', "true"]
)
_toml_line = st.one_of(
    st.builds("{} = {}".format, st.sampled_from("abcdefg"), _toml_value),
    st.sampled_from(
        ["", "# note", "[table]", "[mcpServers.other]", "[[hooks.Stop]]", "[hooks]", "[[hooks.Stop.hooks]]"]
    ),
    st.sampled_from(
        [
            "[mcpServers]",
            "mcpServers = { b = {} }",
            "mcpServers = {}",
            "[mcpServers.background-job.env]",
            "  [ x ]  # c",
        ]
    ),
)


def _is_toml(text: str) -> bool:
    try:
        tomllib.loads(text.removeprefix("\ufeff"))
    except ValueError:
        return False
    return True


def _file(lines: list[str], newline: str, ends: int, mark: str) -> str:
    return mark + newline.join(lines) + ends * newline


_toml = st.builds(
    _file,
    st.lists(_toml_line, max_size=8),
    st.sampled_from(["\n", "\r\n"]),
    st.integers(0, 3),
    st.sampled_from(["", "\ufeff"]),
).filter(_is_toml)


@pytest.mark.parametrize("wish", [ENTRY, HOOK])
@given(text=_document)
def test_any_jsonc_is_as_it_was_after_both(wish: Wish, text: str) -> None:
    there_and_back(JSONC, text, wish)


@pytest.mark.parametrize("wish", [ENTRY, HOOK])
@given(text=_toml)
def test_any_toml_is_as_it_was_after_both(wish: Wish, text: str) -> None:
    there_and_back(TOML, text, wish)


def there_and_back(kind: Format, text: str, wish: Wish) -> None:
    was_there = wish.found_in(kind.read(text))
    try:
        after = grant(kind, text, wish)
    except InvalidRequestError:
        return  # refused: nothing was written
    found: Any = wish.found_in(kind.read(after))
    assert found == (wish.value if was_there is None or isinstance(wish, Element) else {**was_there, **wish.value})
    assert grant(kind, after, wish) == after
    edit = Edit.between(text, after)
    assert edit.undone(after, [wish.mark]) == text
    if was_there is None:
        assert edit.old == ""
        assert wish.found_in(kind.read(revoke(kind, after, wish))) is None


@given(text=_document)
def test_the_parser_finds_each_part_where_it_stands(text: str) -> None:
    root = read(text)
    for part in root.parts or ():
        assert text.startswith(json.dumps(part.key), part.start)
        assert read(text[part.node.start : part.node.end]).value == part.node.value


@given(
    value=st.dictionaries(
        st.text(),
        st.recursive(
            st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False), st.text()), st.lists, max_leaves=10
        ),
        max_size=6,
    )
)
def test_the_parser_reads_what_json_reads(value: dict[str, Any]) -> None:
    assert read(json.dumps(value, indent=1)).value == value


@pytest.mark.parametrize(
    "text",
    ["", "[}", "{", '{"a" 1}', '{"a": 1 "b": 2}', "{,}", "[1,,2]", "{} x", '{"a": }', "{a: 1}", "{'a': 1}", "NaN",
     '"\n"', "/* open", "[" * 100_000, '{"a": 01}', "tru"],
)  # fmt: skip
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read(text)


def test_an_edit_is_undone_where_it_has_moved_to() -> None:
    before = '{"a": 1}'
    after = grant(JSONC, before, ENTRY)
    edit = Edit.between(before, after)
    assert edit.undone("// new\n" + after, [ENTRY.mark]) == "// new\n" + before
    assert edit.undone(after * 2 + " ", ["nothing of ours"]) == before + after + " "
    assert edit.undone(" " + after, ["nothing of ours"]) is None
    assert edit.undone(before, [ENTRY.mark]) is None


@pytest.mark.parametrize("kind", [JSONC, TOML])
def test_what_stands_in_the_way_is_refused(kind: Format) -> None:
    text = 'mcpServers = "x"' if kind is TOML else '{"mcpServers": "x"}'
    with pytest.raises(InvalidRequestError, match="mcpServers should be an object"):
        grant(kind, text, ENTRY)


#: What a search for braces would stumble over.
_BEFORE = 'a = [ { b = \'}\' }, # }\n 1, ]\ns = """\nmcpServers = {\n}\\""""""\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mcpServers = {}\n", "mcpServers = { OURS }\n"),
        ("mcpServers={other={command='x'}}", "mcpServers={other={command='x'}, OURS}"),
        (
            "'mcpServers' = { \"a.b\" = { x = 1 } } # }\r\n[t]\n",
            "'mcpServers' = { \"a.b\" = { x = 1 }, OURS } # }\r\n[t]\n",
        ),
        (
            _BEFORE + r'mcpServers = { a.b = "\"}", c = [ 1, { d = 2 } ] }',
            _BEFORE + r'mcpServers = { a.b = "\"}", c = [ 1, { d = 2 } ], OURS }',
        ),
    ],
)
def test_an_inline_table_of_toml_takes_one_in_and_lets_it_go(text: str, expected: str) -> None:
    ours = 'background-job = { command = "/a b/é", args = [], required = true }'
    after = grant(TOML, text, ENTRY)
    assert after == expected.replace("OURS", ours)
    assert Edit.between(text, after).undone(after, [ENTRY.mark]) == text
    assert TOML.read(revoke(TOML, after, ENTRY)) == TOML.read(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mcpServers = { background-job = { a = 1 }, o = 2 }\n", "mcpServers = { o = 2 }\n"),
        ("mcpServers = { o = 2,background-job = { a = 1 } ,p = 3 }\n", "mcpServers = { o = 2 ,p = 3 }\n"),
        ("mcpServers = {background-job = { a = 1 }}\n", "mcpServers = {}\n"),
    ],
)
def test_what_goes_from_an_inline_table_takes_one_comma_with_it(text: str, expected: str) -> None:
    assert revoke(TOML, text, ENTRY) == expected


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("hooks = { Start = [] }\n", HOOK),
        ("mcpServers = { background-job = { command = 'old' } }\n", ENTRY),
        ("[mcpServers]\nbackground-job = { command = 'old' }\n", ENTRY),
        ("mcpServers.background-job.command = 'old'\n", ENTRY),
    ],
)
def test_what_else_is_written_inline_is_refused_in_a_sentence(text: str, wish: Wish) -> None:
    with pytest.raises(InvalidRequestError, match="edit it by hand"):
        grant(TOML, text, wish)
