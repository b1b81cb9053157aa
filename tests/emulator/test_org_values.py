"""Values on the way in and out: exact numbers, Java's way of writing them, datetimes, ids."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator import jsontext, wire
from emulator.errors import ApiError, RecordError
from emulator.ids import Ids, to_18
from emulator.schema import make_field

AMOUNT = make_field({"name": "Amount__c", "type": "currency", "label": "Amount", "precision": 18, "scale": 2})
NAME = make_field({"name": "Name", "type": "string", "label": "Account Name", "length": 5})


@pytest.mark.parametrize(
    ("unscaled", "scale", "text"),
    [
        (0, 2, "0.0"),
        (10000, 2, "100.0"),
        (25, 2, "0.25"),
        (-150, 2, "-1.5"),
        (999999999, 2, "9999999.99"),
        (1000000000, 2, "1.0E7"),
        (9921320600, 2, "9.9213206E7"),
        (9000000000, 2, "9.0E7"),
        (1, 3, "0.001"),
        (5, 4, "5.0E-4"),
        (7, 0, "7.0"),
        (-12345678901, 2, "-1.2345678901E8"),
    ],
)
def test_numbers_are_written_as_java_writes_doubles(unscaled, scale, text):
    assert wire.double_text(unscaled, scale) == text


@given(st.integers(-(10**18) + 1, 10**18 - 1), st.integers(0, 9))
def test_a_written_number_reads_back_to_the_last_digit(unscaled, scale):
    text = wire.double_text(unscaled, scale)
    assert Decimal(text) == Decimal(unscaled).scaleb(-scale)
    assert ("E" in text) == (unscaled != 0 and not Decimal("0.001") <= abs(Decimal(text)) < Decimal("1e7"))


@given(st.decimals(-(10**15), 10**15, allow_nan=False, allow_infinity=False, places=2))
def test_an_amount_survives_the_way_through_json_and_database(amount):
    body = jsontext.loads(jsontext.dumps({"a": amount}))
    assert Decimal(str(wire.rest_value(AMOUNT, wire.encode(AMOUNT, body["a"])))) == amount


@pytest.mark.parametrize(
    ("value", "stored"),
    [("1.01", 101), (Decimal("1.00"), 100), (-3, -300), ("1e3", 100000), ("-1.0100", -101)],
)
def test_a_number_that_the_field_can_show_is_kept_as_an_integer(value, stored):
    assert wire.encode(AMOUNT, value) == stored


@pytest.mark.parametrize(
    "text", ["33.33333333", "-1.005", "5.0E-7", "0.30000000000000004", "1.23456789012E7"]
)
def test_more_places_than_the_field_has_are_kept_and_written_back(text):
    kept = wire.encode(AMOUNT, text)
    assert wire.rest_value(AMOUNT, kept) == wire.bulk_value(AMOUNT, kept) == text


@given(st.decimals(-(10**6), 10**6, allow_nan=False, allow_infinity=False, places=9))
def test_fifteen_digits_survive_whatever_the_field_shows(amount):
    assert Decimal(wire.bulk_value(AMOUNT, wire.encode(AMOUNT, amount))) == amount


def test_a_number_that_does_not_fit_is_refused_with_the_label():
    with pytest.raises(RecordError) as refused:
        wire.encode(AMOUNT, 10**16)
    assert refused.value.code == "NUMBER_OUTSIDE_VALID_RANGE"
    assert refused.value.message == "Amount: value outside of valid range on numeric field: 1.0E16"


@pytest.mark.parametrize("value", [True, "abc", [], {}, "NaN", "1,5", Decimal("NaN"), "١"])
def test_what_is_no_number_spoils_the_whole_json_request(value):
    with pytest.raises(ApiError) as refused:
        wire.encode(AMOUNT, value)
    assert refused.value.code == "JSON_PARSER_ERROR"


def test_in_a_bulk_file_a_wrong_number_spoils_only_its_row():
    with pytest.raises(RecordError) as refused:
        wire.encode(AMOUNT, "abc", bulk=True)
    assert refused.value.as_bulk() == (
        "INVALID_TYPE_ON_FIELD_IN_RECORD:Amount: value not of required type: abc:Amount__c --"
    )


def test_text_is_trimmed_and_empty_text_is_null():
    assert wire.encode(NAME, "  ab ") == "ab"
    assert wire.encode(NAME, "   ") is None
    with pytest.raises(RecordError, match="data value too large"):
        wire.encode(NAME, "abcdef")


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("2026-09-24T03:26:07Z", "2026-09-24T03:26:07.000+0000"),
        ("2026-09-24T03:26:07.120+0000", "2026-09-24T03:26:07.120+0000"),
        ("2026-09-24T03:26:07+02:00", "2026-09-24T01:26:07.000+0000"),
        ("2026-09-24T03:26:07.5-0530", "2026-09-24T08:56:07.500+0000"),
    ],
)
def test_datetimes_come_in_many_forms_and_go_out_in_one(text, rest):
    field = make_field({"name": "When__c", "type": "datetime", "label": "When"})
    stored = wire.encode(field, text)
    assert wire.rest_value(field, stored) == rest
    assert wire.bulk_value(field, stored) == rest.replace("+0000", "Z")


@pytest.mark.parametrize("text", ["2026-02-30", "2026-13-01", "24.12.2026", "2026-1-1", 20260101])
def test_a_day_that_does_not_exist_is_refused(text):
    field = make_field({"name": "Day__c", "type": "date", "label": "Day"})
    with pytest.raises(ApiError):
        wire.encode(field, text)


def test_known_ids_get_their_known_suffix():
    # Ids of Salesforce's own documents.
    assert to_18("001D000000IqhSL") == "001D000000IqhSLIAZ"
    assert to_18("012000000000000") == "012000000000000AAA"


@given(st.integers(1, 62**6))
def test_an_id_that_lost_its_case_is_mended_from_its_suffix(number):
    full = Ids().make("001", number)
    assert to_18(full[:15]) == full
    assert to_18(full.lower()) == full
    assert to_18(full.upper()) == full


@pytest.mark.parametrize("text", ["", "001", "001D000000IqhS!", "001D000000IqhSLIA", "001D000000IqhSLIA!"])
def test_what_is_no_id_is_none(text):
    assert to_18(text) is None


@given(st.lists(st.integers(1, 10**6), min_size=2, unique=True))
def test_ids_sort_as_they_were_given_out(numbers):
    ids = Ids()
    assert sorted(ids.make("802", each) for each in numbers) == [
        ids.make("802", each) for each in sorted(numbers)
    ]


@pytest.mark.parametrize("body", [b"{", b"", b'{"a": NaN}', b"\xff", b"[1,]"])
def test_broken_json_is_refused_with_a_position(body):
    with pytest.raises(ApiError, match=r"\[line:\d+, column:\d+\]"):
        jsontext.loads(body)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**63 - 1)
        | st.text()
        | st.decimals(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_json_text_reads_back_as_written(data):
    assert jsontext.loads(jsontext.dumps(data)) == data


def test_an_integer_too_long_for_a_machine_keeps_its_digits():
    text = b'{"a":123456789012345678901234567890}'
    assert jsontext.dumps(jsontext.loads(text)) == text
