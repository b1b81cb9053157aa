"""CSV as the Bulk API reads it, and writes it back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.bulk_csv import BadFile, Reader, written


def rows(text: str, delimiter: str = ",", ending: str = "\n") -> list[tuple[str, ...]]:
    return [row.values for row in Reader(text.encode(), delimiter, ending)]


def test_values_keep_their_spaces_newlines_and_doubled_quotes() -> None:
    assert rows('Id,Name\n1," a ""b"",\nc "\n') == [("1", ' a "b",\nc ')]


def test_the_last_line_may_lack_its_ending_and_blank_lines_are_passed_over() -> None:
    assert rows("Id\n\n1\n\n2") == [("1",), ("2",)]


def test_a_quote_after_a_space_spoils_its_row_and_only_its_row() -> None:
    read = list(Reader(b'Id,Name\n1, "a"\n2,b\n', ",", "\n"))
    assert [row.problem is None for row in read] == [False, True]
    assert read[1].values == ("2", "b")


def test_a_row_with_too_few_values_is_refused_with_both_numbers() -> None:
    (row,) = Reader(b"Id,Name\n1\n", ",", "\n")
    assert row.problem is not None
    assert "(1)" in row.problem
    assert "(2)" in row.problem


@pytest.mark.parametrize(
    ("data", "ending"), [(b"Id\r\n1\r\n", "\n"), (b'"Id"\r\n', "\n"), (b"Id\n1\n", "\r\n")]
)
def test_the_other_line_ending_spoils_the_file(data: bytes, ending: str) -> None:
    with pytest.raises(BadFile, match="LineEnding is invalid on user data"):
        list(Reader(data, ",", ending))


def test_a_file_that_is_not_utf8_says_at_which_byte() -> None:
    with pytest.raises(BadFile, match="byte 5"):
        Reader(b"Id\nZ.\xfcrich\n", ",", "\n")


def test_an_empty_file_is_no_file() -> None:
    with pytest.raises(BadFile, match="No data"):
        Reader(b"", ",", "\n")


@settings(deadline=None)
@given(
    st.lists(st.lists(st.text(st.characters(codec="utf-8")), min_size=2, max_size=2), max_size=5),
    st.sampled_from([",", "|", ";", "\t", "^", "`"]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_what_is_written_is_read_back(table: list[list[str]], delimiter: str, ending: str) -> None:
    lines = [["A", "B"], *table]
    data = "".join(written(each, delimiter, ending) for each in lines).encode()
    assert [row.values for row in Reader(data, delimiter, ending)] == [tuple(each) for each in table]
