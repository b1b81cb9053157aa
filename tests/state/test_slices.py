"""Long lists are asked for in parts that one statement takes."""

from __future__ import annotations

from state.slices import PARAMETERS, slices


def test_a_long_list_comes_in_parts_that_lack_nothing_and_fit_twice_into_one_statement():
    wanted = list(range(2 * PARAMETERS + 1))
    parts = list(slices(wanted))
    assert [len(part) for part in parts] == [PARAMETERS, PARAMETERS, 1]
    assert [one for part in parts for one in part] == wanted
    assert 2 * PARAMETERS < 999, "SQLite's smallest limit"
    assert list(slices([])) == []
    assert list(slices("abc", 2)) == [["a", "b"], ["c"]]
