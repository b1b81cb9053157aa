"""TOML with places: the values are tomllib's, and the places are where an editor would show them."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.places import Node, read_toml
from mappings.problems import MappingProblems

TEXT = """\
title = "a # no comment"   # a comment
[pull.account]
object = 'Account'
"quoted.key" = 1
dotted.inner = true
[pull.account.fields]
region = { field = "Region__c", values = { "NA" = "north", EU = "europe" }, other = "error" }
first = [
  "Net__c",   # one
  "Gross__c",
]
note = \"\"\"
two
lines\"\"\"
[[things]]
a = 1
[[things]]
a = 2
"""


def under(node: Node, *path: str | int) -> Node:
    for part in path:
        node = node.value[part]
    return node


def shown(node: Node) -> str:
    return node.place.excerpt[node.place.column - 1 :][: node.place.length]


def test_values_are_those_of_tomllib():
    assert read_toml(TEXT, "m.toml").plain == tomllib.loads(TEXT)


@pytest.mark.parametrize(
    ("path", "line", "text"),
    [
        (("title",), 1, "a # no comment"),
        (("pull", "account", "object"), 3, "Account"),
        (("pull", "account", "dotted", "inner"), 5, "true"),
        (("pull", "account", "fields", "region", "field"), 7, "Region__c"),
        (("pull", "account", "fields", "region", "values", "NA"), 7, "north"),
        (("pull", "account", "fields", "first", 1), 10, "Gross__c"),
        (("things", 1, "a"), 18, "2"),
    ],
)
def test_a_value_is_found_on_its_line(path, line, text):
    node = under(read_toml(TEXT, "m.toml"), *path)

    assert (node.place.line, shown(node)) == (line, text)


def test_a_key_is_found_where_it_is_written():
    place = under(read_toml(TEXT, "m.toml"), "pull", "account", "fields", "region", "other").key_place

    assert place.excerpt[place.column - 1 :][: place.length] == "other"


def test_windows_line_ends_do_not_move_places():
    node = under(read_toml(TEXT.replace("\n", "\r\n"), "m.toml"), "pull", "account", "object")

    assert (node.place.line, shown(node)) == (3, "Account")


def test_text_that_is_no_toml_is_one_problem_with_its_place():
    with pytest.raises(MappingProblems) as caught:
        read_toml('[pull.account\nobject = "Account"', "m.toml")

    (problem,) = caught.value.problems
    assert (problem.code, problem.place.line) == ("M000", 1)
    assert problem.message.startswith("this is not TOML")


_TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=8)


def _quoted(text: str) -> str:
    out = "".join(f"\\u{ord(c):04x}" if ord(c) < 32 or ord(c) == 127 or c in '"\\' else c for c in text)
    return f'"{out}"'


_VALUES = st.recursive(
    st.one_of(
        st.integers(-99, 99).map(str), st.booleans().map(lambda b: str(b).lower()), _TEXTS.map(_quoted)
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[" + " , ".join(items) + "]"),
        st.dictionaries(_TEXTS.map(_quoted), inner, max_size=3).map(
            lambda table: "{" + ",".join(f" {k} = {v}" for k, v in table.items()) + "}"
        ),
    ),
    max_leaves=8,
)


@given(st.dictionaries(_TEXTS.map(_quoted), _VALUES, max_size=4))
def test_every_value_of_any_toml_has_a_place_with_its_text(table):
    text = "\n".join(f"{key} = {value} # end" for key, value in table.items())
    root = read_toml(text, "m.toml")

    assert root.plain == tomllib.loads(text)
    for node, written in zip(root.value.values(), table.values(), strict=True):
        inside = written[1:-1] if written[0] == '"' else written
        assert shown(node).startswith(inside)
        assert len(shown(node)) == max(1, len(inside))
