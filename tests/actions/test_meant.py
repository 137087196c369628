"""What is made of arguments, by the declared type alone."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Union

import pytest
from pydantic import Field

from mcp_background_job.actions.meant import Entries, Word, Words, meant

_Texts = list[str]
_Object = Annotated[dict[str, Any], Field(description="free")]


_OneOrNone: Any = Union[Word, None]  # noqa: UP007  a checker takes no | of these
_SomeOrNone: Any = Union[Words, None]  # noqa: UP007
_OneOrSeveral: Any = Union[Word, list[Word], None]  # noqa: UP007
_Known = Annotated[
    dict[str, Any] | None, Entries({"argv": str | _Texts, "map": dict[str, str]}), Field(description="x")
]

#: Declared type, what comes, what is made of it.
_TABLE: list[tuple[Any, Any, Any]] = [
    # A text stays a text wherever one may be given.
    (str, '{"a": 1}', '{"a": 1}'),
    (str, '["a"]', '["a"]'),
    (str, "null", "null"),
    (str | None, "17", "17"),
    (str | None, "", ""),
    (Any, "[1]", "[1]"),
    # Where one or several may be given, only an array of texts means several.
    (str | _Texts, "j123", "j123"),
    (str | _Texts, '["j1", "j2"]', ["j1", "j2"]),
    (_Texts | str | None, ' ["j1"]\n', ["j1"]),
    (str | _Texts, "[abc]", "[abc]"),
    (str | _Texts, "[0-9]+", "[0-9]+"),
    (str | _Texts, "[12]", "[12]"),
    (str | _Texts, '["a", 1]', '["a", 1]'),
    (str | _Texts, '{"a": 1}', '{"a": 1}'),
    (str | _Texts, "[]", "[]"),
    (str | _Texts, [1, True], ["1", "true"]),
    # Arrays and objects as their JSON text.
    (_Texts | None, '["enter", "up"]', ["enter", "up"]),
    (_Texts, "[3]", ["3"]),
    (_Object, '{"a": [1, {"b": null}]}', {"a": [1, {"b": None}]}),
    (dict[str, Any] | list[dict[str, Any]] | None, '{"3": {}}', {"3": {}}),
    (dict[str, Any] | list[dict[str, Any]] | None, '[{"3": {}}]', [{"3": {}}]),
    (list[dict[str, Any]], ['{"a": 1}', {"b": 2}], [{"a": 1}, {"b": 2}]),
    (dict[str, list[Any]], '{"3.seed": "[1, 2]", "4.text": "[cat]"}', {"3.seed": [1, 2], "4.text": ["[cat]"]}),
    (dict[str, Any] | None, "[1]", "[1]"),
    (dict[str, Any] | None, "{a: 1}", "{a: 1}"),
    # One where several are meant.
    (_Texts | None, "ctrl-c", ["ctrl-c"]),
    (_Texts, "a,b", ["a,b"]),
    (_Texts, 7, ["7"]),
    (_Texts, '"quoted"', ['"quoted"']),
    (list[dict[str, Any]], {"a": 1}, [{"a": 1}]),
    (dict[str, list[Any]], {"seed": 5, "cfg": [1.5]}, {"seed": [5], "cfg": [1.5]}),
    # Numbers and truths where a text is asked for.
    (
        dict[str, str] | None,
        {"PORT": 3000, "CI": True, "X": 1.5, "Y": "z"},
        {"PORT": "3000", "CI": "true", "X": "1.5", "Y": "z"},
    ),
    (dict[str, str], '{"A": 1, "B": "2"}', {"A": "1", "B": "2"}),
    (str, 5, "5"),
    (str | int, 5, 5),
    # Numbers, truths and words are the check's to read.
    (int, "20", "20"),
    (float | None, " 2.5 ", " 2.5 "),
    (bool, "true", "true"),
    (Literal["a", "b"], "a", "a"),
    # The JSON text of a JSON text.
    (float | None, '"2.5"', "2.5"),
    (int, r'"\"20\""', "20"),
    (bool, '"false"', "false"),
    (Literal["a", "b"] | None, '"b"', "b"),
    (dict[str, str], r'"{\"A\": 1}"', {"A": "1"}),
    (str, '"quoted"', '"quoted"'),
    # A word has neither quotation marks nor brackets around it.
    (Word, '"jabc"', "jabc"),
    (_OneOrNone, ["jabc"], "jabc"),
    (Word, [7], "7"),
    (Word, '["jabc"]', "jabc"),
    (Word, 5, "5"),
    (Word, "null", "null"),
    (Word, "[abc", "[abc"),
    (Word, ["ja", "jb"], ["ja", "jb"]),
    (Word, '["ja", "jb"]', ["ja", "jb"]),
    (_OneOrSeveral, "[]", []),
    (_OneOrSeveral, r'"[\"ja\"]"', ["ja"]),
    (Word | list[Word], ['"ja"', "jb"], ["ja", "jb"]),
    (list[Word], '"enter"', ["enter"]),
    (_SomeOrNone, ["running", "lost"], "running,lost"),
    (Words, '["queued"]', "queued"),
    (Words, '"queued, lost"', "queued, lost"),
    (Words, "queued,lost", "queued,lost"),
    # Entries of a free object of which something is known.
    (_Known, {"argv": '["make", "-j"]', "note": '["x"]'}, {"argv": ["make", "-j"], "note": '["x"]'}),
    (_Known, r'{"argv": "[\"make\"]", "map": "{\"a\": 1}"}', {"argv": ["make"], "map": {"a": "1"}}),
    (_Known, {"argv": "make it"}, {"argv": "make it"}),
    # What is wrong stays so.
    (str, {"command": "ls"}, {"command": "ls"}),
    (str, ["ls"], ["ls"]),
    (int, [5], [5]),
    (dict[str, str], {"A": ["x"]}, {"A": ["x"]}),
    (_Object, "[" * 10_000, "[" * 10_000),
    (_Object, '{"a": "\\ud800"}', '{"a": "\\ud800"}'),
    (_Object, '{"a": NaN}', '{"a": NaN}'),
]


@pytest.mark.parametrize(("kind", "given", "taken"), _TABLE)
def test_the_declared_type_says_what_is_meant(kind: Any, given: Any, taken: Any) -> None:
    result = meant({"it": given}, {"it": kind}, frozenset({"it"}))
    assert result == {"it": taken}
    assert type(result["it"]) is type(taken)


@pytest.mark.parametrize(
    ("kind", "nothing"),
    [
        (str | None, None),
        (int, None),
        (bool, "null"),
        (float | None, ""),
        (_Texts | None, " null "),
        (dict[str, str], ""),
        (Literal["a", "b"], ""),
    ],
)
def test_nothing_leaves_the_default_where_there_is_one(kind: Any, nothing: Any) -> None:
    assert meant({"it": nothing}, {"it": kind}, frozenset({"it"})) == {}
    assert meant({"it": nothing}, {"it": kind}, frozenset()) == {"it": None}


def test_a_variable_that_is_null_is_left_out_and_a_free_object_keeps_it() -> None:
    given = {"env": {"A": None, "B": "1"}, "free": {"A": None}}
    kinds = {"env": dict[str, str], "free": dict[str, Any]}
    assert meant(given, kinds, frozenset(given)) == {"env": {"B": "1"}, "free": {"A": None}}


def test_an_argument_that_is_not_known_is_passed_on() -> None:
    assert meant({"what": None}, {}, frozenset()) == {"what": None}
