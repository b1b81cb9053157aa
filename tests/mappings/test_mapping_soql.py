"""SOQL that cannot be talked into anything else, and that reads every row once."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.file import read_mapping
from mappings.soql import Window, count, fits_uri, moment, record_id, select, text, uri_length

LINES = read_mapping("standard").pull["order_line"]
T0 = datetime(2026, 11, 1, 9, 30, 15, 123456, UTC)


def where_of(query):
    return query.partition(" WHERE ")[2].partition(" ORDER BY ")[0]


def test_a_window_is_half_open():
    query = select(LINES, window=Window(T0, T0 + timedelta(hours=1)))

    assert where_of(query) == (
        "SystemModstamp >= 2026-11-01T09:30:15.123Z AND SystemModstamp < 2026-11-01T10:30:15.123Z"
    )


def test_without_a_start_the_window_reaches_to_the_beginning():
    assert where_of(select(LINES, window=Window(None, T0))) == "SystemModstamp < 2026-11-01T09:30:15.123Z"


def test_the_next_page_starts_after_the_last_row_of_many_with_one_stamp():
    query = select(LINES, after=(T0, "802000000000001AAA"), limit=2000)

    assert where_of(query) == (
        "((SystemModstamp = 2026-11-01T09:30:15.123Z AND Id > '802000000000001AAA')"
        " OR SystemModstamp > 2026-11-01T09:30:15.123Z)"
    )
    assert query.endswith(" ORDER BY SystemModstamp, Id LIMIT 2000")


def test_the_stamp_of_the_last_row_may_be_the_canonical_microseconds():
    micros = 1_793_525_415_123_456

    assert moment(micros) == moment(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros))


def test_a_bulk_query_has_no_order():
    assert "ORDER BY" not in select(LINES, order=False)


def test_the_condition_of_the_mapping_is_kept_together(mapping_of):
    entity = mapping_of(
        """
        [pull.account]
        object = "Account"
        where = "Type = 'A' OR Type = 'B'"
        deleted = "ignore"
        [pull.account.fields]
        name = "Name"
        """
    ).pull["account"]

    assert where_of(select(entity, window=Window(None, T0))) == (
        "(Type = 'A' OR Type = 'B') AND IsDeleted = false AND SystemModstamp < 2026-11-01T09:30:15.123Z"
    )


def test_lines_of_some_orders_are_asked_for_by_order():
    query = select(LINES, id_in=["801000000000001AAA", "801000000000002"], id_field="OrderId", order=False)

    assert where_of(query) == "OrderId IN ('801000000000001AAA','801000000000002')"


def test_counting_asks_for_the_same_rows():
    assert count(LINES, Window(None, T0)) == (
        "SELECT COUNT() FROM OrderItem WHERE SystemModstamp < 2026-11-01T09:30:15.123Z"
    )


def test_as_many_ids_as_promised_fit_one_address():
    ids = [f"801000000{n:09d}" for n in range(500)]

    assert fits_uri(select(LINES, id_in=ids, id_field="OrderId"), "https://example.my.salesforce.com")
    assert not fits_uri(select(LINES, id_in=ids * 2, id_field="OrderId"))
    assert uri_length("SELECT Id FROM Account") > len("SELECT Id FROM Account")


@pytest.mark.parametrize(
    "value", ["", "' OR Id != '", "801000000000001AAA'", "801-0000000-0001", "80100000000000é"]
)
def test_what_is_no_record_id_never_reaches_a_query(value):
    with pytest.raises(ValueError, match="not a record id"):
        record_id(value)


def test_times_without_a_zone_are_refused():
    naive = datetime(2026, 1, 1)
    with pytest.raises(ValueError, match="aware"):
        moment(naive)
    with pytest.raises(ValueError, match="aware"):
        Window(naive, None)


def test_a_window_does_not_end_before_it_starts():
    with pytest.raises(ValueError, match="cannot end before"):
        Window(T0, T0 - timedelta(seconds=1))


def unquoted(literal: str) -> str:
    """What Salesforce reads out of a literal: an independent reading of its escapes."""
    assert literal[0] == literal[-1] == "'"
    inside, out, at = literal[1:-1], "", 0
    while at < len(inside):
        assert inside[at] != "'", "the literal ended early"
        if inside[at] == "\\":
            if inside[at + 1] == "u":
                out += chr(int(inside[at + 2 : at + 6], 16))
                at += 6
                continue
            out += {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}.get(inside[at + 1], inside[at + 1])
            at += 2
            continue
        out += inside[at]
        at += 1
    return out


@given(st.text(st.characters(), max_size=30))
def test_no_text_gets_out_of_its_quotes(value):
    assert unquoted(text(value)) == value
    assert "\n" not in text(value)


@given(
    st.datetimes(min_value=datetime(1700, 1, 1), max_value=datetime(4000, 1, 1), timezones=st.just(UTC)),
    st.integers(0, 10**9),
)
def test_neighboring_windows_share_no_instant_and_leave_none_out(start, length):
    middle = start + timedelta(microseconds=length)
    left = where_of(select(LINES, window=Window(start, middle)))
    right = where_of(select(LINES, window=Window(middle, middle + timedelta(1))))

    assert left.split("< ")[1] == right.split(">= ")[1].split(" ")[0]
