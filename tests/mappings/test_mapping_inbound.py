"""Rows in: good rows flow exactly, bad rows are set aside with their reason and without their data."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappings import scalars
from mappings.canonical import ENTITIES
from mappings.file import parse_mapping, read_mapping
from mappings.inbound import MissingColumn, reader
from mappings.scalars import TEXT_CAP, BadValue, clean_text, millionths

ORDER_LINES = """
[pull.order_line]
object = "OrderItem"
[pull.order_line.fields]
order_id = "OrderId"
quantity = "Quantity"
amount = "TotalPrice"
"""


ORDERS = """
[pull.order]
object = "Order"
[pull.order.fields]
account_id = "AccountId"
ordered_on = "EffectiveDate"
"""


def read(text, page, entity="order_line"):
    mapping = parse_mapping(text, "mapping.toml")
    return reader(mapping.pull[entity], mapping).read(page)


def lines(page_of, amounts, **more):
    rows = len(amounts)
    usual = {"OrderId": ["801000000000001AAA"] * rows, "Quantity": ["1.0"] * rows, "TotalPrice": amounts}
    return page_of(**{**usual, **more})


def why(inbound):
    return [(rejected.field, rejected.code) for rejected in inbound.rejected]


def test_a_batch_has_exactly_the_schema_of_its_entity(page_of):
    inbound = read(ORDER_LINES, lines(page_of, ["12.50"]))

    assert inbound.table.schema.equals(ENTITIES["order_line"].schema)
    assert inbound.table.to_pylist() == [
        {
            "id": "802000000000000000",
            "order_id": "801000000000001AAA",
            "product_id": None,
            "quantity": 1_000_000,
            "amount": 12_500_000,
            "deleted": False,
            "modstamp": 1_793_527_200_000_000,
            "attributes": "{}",
        }
    ]


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ("9.9213206E7", 99_213_206_000_000),
        ("9.0E7", 90_000_000_000_000),
        ("1.0E-4", 100),
        ("100.0", 100_000_000),
        ("-12.345678", -12_345_678),
        ("0.10000000000", 100_000),
        ("9007199254740.993001", 9_007_199_254_740_993_001),
    ],
)
def test_amounts_arrive_exactly_as_the_org_wrote_them(page_of, written, amount):
    assert read(ORDER_LINES, lines(page_of, [written])).table["amount"].to_pylist() == [amount]


FINER = [
    ("33.33333333", 33_333_333),
    ("0.30000000000000004", 300_000),
    ("66.66666667", 66_666_667),
    ("1.2345675", 1_234_568),
    ("-1.2345675", -1_234_568),
    ("1.23456749999999999", 1_234_567),
    ("5.0E-7", 1),
    ("-5.0E-7", -1),
    ("4.9E-7", 0),
    ("4.9E-324", 0),
    ("9223372036854.7758074", 9_223_372_036_854_775_807),
    ("0.123456500000000000000000000000001", 123_457),
]


@pytest.mark.parametrize(("written", "amount"), FINER)
def test_finer_amounts_are_rounded_to_the_millionth_half_away_from_zero(page_of, written, amount):
    inbound = read(ORDER_LINES, lines(page_of, ["1.5", written]))

    assert not inbound.rejected
    assert inbound.table["amount"].to_pylist() == [1_500_000, amount]


@pytest.mark.parametrize(("written", "amount"), FINER)
def test_beside_a_bad_row_finer_amounts_are_rounded_alike(page_of, written, amount):
    inbound = read(ORDER_LINES, lines(page_of, ["NaN", written]))

    assert why(inbound) == [("amount", "not_a_number")]
    assert inbound.table["amount"].to_pylist() == [amount]


def test_three_thirds_that_an_interface_wrote_add_up_to_what_the_org_adds_up(page_of):
    inbound = read(ORDER_LINES, lines(page_of, ["33.33333333", "33.33333333", "33.33333334"]))

    assert sum(inbound.table["amount"].to_pylist()) == 99_999_999, "a millionth is missing, not a cent"
    assert not inbound.rejected


def test_quantities_are_rounded_like_amounts(page_of):
    inbound = read(ORDER_LINES, lines(page_of, ["1"], Quantity=["0.66666666666666663"]))

    assert inbound.table["quantity"].to_pylist() == [666_667]


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("NaN", "not_a_number"),
        ("Infinity", "not_a_number"),
        ("1e400", "too_large"),
        ("1E30", "too_large"),
        ("9223372036854.775808", "too_large"),
        ("9223372036854.7758075", "too_large"),
        ("7.179957942031802E16", "too_large"),
        ("7.179957942031802E34", "too_large"),
        ("71799579420318020000000000000000000.0", "too_large"),
        ("1,000.00", "not_a_number"),
        ("１２", "not_a_number"),
        (None, "missing"),
        ("", "missing"),
    ],
)
def test_an_amount_that_is_too_large_or_none_is_set_aside_and_the_rest_flows(page_of, written, code):
    inbound = read(ORDER_LINES, lines(page_of, ["1.5", written, "2.5"]))

    assert why(inbound) == [("amount", code)]
    assert inbound.table["amount"].to_pylist() == [1_500_000, 2_500_000]
    assert inbound.rejected[0].id == "802000000000000001"


def test_a_rejection_says_object_id_field_and_reason_and_never_the_value(page_of):
    (rejected,) = read(ORDER_LINES, lines(page_of, ["secret-17"])).rejected

    assert (rejected.entity, rejected.object, rejected.code) == ("order_line", "OrderItem", "not_a_number")
    assert rejected.message == "amount (TotalPrice) is not a number"
    assert "secret" not in repr(rejected)


@pytest.mark.parametrize(
    ("written", "named"),
    [("Mars", ': "Mars"'), ("jo@acme.example", ""), ("+49 170 1234567", ""), ("a long tale " * 9, "")],
)
def test_a_value_without_a_rule_is_named_where_it_is_a_kind_and_nobodys_own(page_of, written, named):
    text = ACCOUNT + 'region = { field = "X__c", values = { NA = "north" } }\n'
    (rejected,) = read(text, accounts(page_of, X__c=[written]), "account").rejected
    assert rejected.message == f"region (X__c) has a value for which `values` has no rule{named}"


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-01T10:00:00.000+0000",
        "2026-11-01T10:00:00.000Z",
        "2026-11-01T10:00:00Z",
        "2026-11-01T11:00:00.000+0100",
    ],
)
def test_rest_and_bulk_write_the_same_instant(page_of, written):
    inbound = read(ORDER_LINES, lines(page_of, ["1"], SystemModstamp=[written]))

    assert inbound.table["modstamp"].to_pylist() == [
        int(datetime(2026, 11, 1, 10, tzinfo=UTC).timestamp()) * 10**6
    ]


@pytest.mark.parametrize(
    ("id15", "id18"),
    [("001000000000001", "001000000000001AAA"), ("0013h00000Ab3Cd", "0013h00000Ab3CdAAJ")],
)
def test_short_ids_get_their_suffix(page_of, id15, id18):
    inbound = read(ORDER_LINES, lines(page_of, ["1", "1"], OrderId=[id15, id18]))

    assert inbound.table["order_id"].to_pylist() == [id18, id18]


def test_what_is_no_id_is_set_aside(page_of):
    inbound = read(ORDER_LINES, lines(page_of, ["1", "1"], OrderId=["801-1", "80100000000000é"]))

    assert why(inbound) == [("order_id", "not_an_id"), ("order_id", "not_an_id")]


def test_a_row_is_set_aside_once_for_its_first_bad_field(page_of):
    inbound = read(ORDER_LINES, lines(page_of, ["x"], Quantity=["y"]))

    assert why(inbound) == [("quantity", "not_a_number")]


def test_dates_are_ordinals_and_wrong_ones_are_set_aside(page_of):
    page = page_of(
        AccountId=["001000000000001AAA"] * 3,
        EffectiveDate=["2026-02-28", "2026-02-30", None],
        StatusCode=["Activated"] * 3,
        **dict.fromkeys(("OrderNumber", "Status", "Type", "OriginalOrderId"), [None] * 3),
    )
    mapping = read_mapping("standard")
    inbound = reader(mapping.pull["order"], mapping).read(page)

    assert inbound.table["ordered_on"].to_pylist() == [date(2026, 2, 28).toordinal()]
    assert why(inbound) == [("ordered_on", "not_a_date"), ("ordered_on", "missing")]


def test_an_order_is_active_only_in_the_activated_category(page_of):
    codes = ["Draft", "Activated", "Canceled", None]
    page = page_of(
        AccountId=["001000000000001AAA"] * 4,
        EffectiveDate=["2026-02-28"] * 4,
        StatusCode=codes,
        **dict.fromkeys(("OrderNumber", "Status", "Type", "OriginalOrderId"), [None] * 4),
    )
    mapping = read_mapping("standard")
    table = reader(mapping.pull["order"], mapping).read(page).table

    assert table["active"].to_pylist() == [False, True, False, False]


@pytest.mark.parametrize(
    ("right", "of_empty"),
    [
        ('{ field = "Stage__c", values = { Won = true }, other = false }', False),
        ('{ field = "Stage__c", values = { Lost = false }, other = true }', True),
        ('{ field = "Stage__c", values = { Won = true, Lost = false } }', False),
        ('{ field = "Stage__c", values = { Won = true, Lost = false }, other = "skip" }', False),
        ('{ field = "Stage__c", values = { Won = true }, other = false, default = true }', True),
        ('{ field = "Stage__c", as = "bool" }', False),
        ('"Stage__c"', False),
    ],
)
def test_an_order_without_a_status_counts_only_where_the_mapping_says_so(page_of, right, of_empty):
    page = page_of(AccountId=["001000000000001AAA"], EffectiveDate=["2026-02-28"], Stage__c=[None])

    assert read(ORDERS + f"active = {right}\n", page, "order").table["active"].to_pylist() == [of_empty]


def test_an_order_of_an_org_that_maps_no_status_is_left_to_the_store_which_counts_it(page_of):
    page = page_of(AccountId=["001000000000001AAA"], EffectiveDate=["2026-02-28"])

    assert read(ORDERS, page, "order").table["active"].to_pylist() == [None]


@pytest.mark.parametrize("empty", [None, ""])
def test_an_empty_status_is_read_alike_from_rest_and_bulk_and_whatever_stands_beside_it(page_of, empty):
    stages = [empty, "true", "TRUE", "false"]  # the fast way does not take TRUE, so all go value by value
    for some in (stages, [empty, "true"], [empty]):
        page = page_of(
            AccountId=["001000000000001AAA"] * len(some),
            EffectiveDate=["2026-02-28"] * len(some),
            Stage__c=some,
        )
        flags = read(ORDERS + 'active = "Stage__c"\n', page, "order").table["active"].to_pylist()
        assert flags == [False, True, True, False][: len(some)]


def test_columns_are_found_whatever_letter_case_the_org_answers_in(page_of):
    page = lines(page_of, ["1"]).rename_columns([name.upper() for name in lines(page_of, ["1"]).column_names])
    assert read(ORDER_LINES, page).table.num_rows == 1


def test_a_page_without_a_mapped_column_is_our_fault_and_not_a_row_s(page_of):
    with pytest.raises(MissingColumn, match="TotalPrice"):
        read(ORDER_LINES, lines(page_of, ["1"]).drop_columns(["TotalPrice"]))


def test_an_empty_page_is_an_empty_batch(page_of):
    inbound = read(ORDER_LINES, lines(page_of, ["1"]).slice(0, 0))

    assert inbound.table.num_rows == 0
    assert inbound.table.schema.equals(ENTITIES["order_line"].schema)


ACCOUNT = '[pull.account]\nobject = "Account"\n[pull.account.fields]\nname = "Name"\n'


def accounts(page_of, **columns):
    rows = len(next(iter(columns.values())))
    columns = {"Name": [f"Partner {row}" for row in range(rows)], **columns}
    return page_of(MasterRecordId=[None] * rows, **columns)


def values_of(page_of, right, texts, left="region"):
    inbound = read(f"{ACCOUNT}{left} = {right}", accounts(page_of, X__c=texts), "account")
    return inbound.table[left].to_pylist(), why(inbound)


@pytest.mark.parametrize(
    ("right", "texts", "values", "rejected"),
    [
        ('{ field = "X__c", trim = true }', [" a ", "  "], ["a", None], []),
        ('{ field = "X__c", case = "upper" }', ["ab"], ["AB"], []),
        ('{ field = "X__c", default = "west" }', [None, "east"], ["west", "east"], []),
        (
            '{ field = "X__c", values = { NA = "north" }, other = "rest" }',
            ["NA", "?", None],
            ["north", "rest", None],
            [],
        ),
        ('{ field = "X__c", values = { NA = "north" } }', ["NA", "?"], ["north"], [("region", "no_rule")]),
        ('{ field = "X__c", values = { na = "n" }, case = "lower", trim = true }', [" NA "], ["n"], []),
        ('{ const = "all" }', ["x", None], ["all", "all"], []),
        ('{ first = ["X__c", "Name"] }', ["x", None], ["x", "Partner 1"], []),
        ('{ field = "X__c", as = "decimal" }', ["1.50", "9.0E7"], ["1.5", "90000000"], []),
        ('{ field = "X__c", as = "date" }', ["2026-01-01T03:00:00.000Z"], ["2026-01-01"], []),
        (
            '{ field = "X__c", as = "datetime" }',
            ["2026-01-01T03:00:00.000+0000"],
            ["2026-01-01T03:00:00Z"],
            [],
        ),
    ],
)
def test_settings_work_in_their_order(page_of, right, texts, values, rejected):
    assert values_of(page_of, right, texts) == (values, rejected)


@pytest.mark.parametrize(
    ("right", "texts", "amounts"),
    [
        ('{ field = "X__c", sign = "reverse" }', ["1.5", "-2"], [-1_500_000, 2_000_000]),
        ('{ field = "X__c", sign = "negative" }', ["1.5", "-2"], [-1_500_000, -2_000_000]),
        ('{ field = "X__c", sign = "positive" }', ["1.5", "-2"], [1_500_000, 2_000_000]),
        ('{ field = "X__c", as = "percent" }', ["12.5"], [125_000]),
        ('{ field = "X__c", as = "decimal", trim = true }', [" 7 "], [7_000_000]),
        ('{ field = "X__c", default = 3 }', [None], [3_000_000]),
        ('{ expr = "Quantity * X__c * (1 - 25 / 100)" }', ["10"], [7_500_000]),
        ('{ expr = "if(X__c == \\"r\\", -Quantity, Quantity)" }', ["r", "s"], [-1_000_000, 1_000_000]),
    ],
)
def test_amounts_may_be_turned_and_computed(page_of, right, texts, amounts):
    text = ORDER_LINES.replace('"TotalPrice"', right)
    inbound = read(text, lines(page_of, ["0"] * len(texts), X__c=texts))

    assert inbound.table["amount"].to_pylist() == amounts


def test_a_record_that_expr_cannot_compute_is_set_aside(page_of):
    text = ORDER_LINES.replace('"TotalPrice"', '{ expr = "Quantity / X__c" }')
    inbound = read(text, lines(page_of, ["0"] * 3, X__c=["2", "0", "text"]))

    assert inbound.table["amount"].to_pylist() == [500_000]
    assert why(inbound) == [("amount", "not_computable"), ("amount", "not_computable")]


def test_the_day_of_an_instant_is_the_one_it_was_where_the_file_says(page_of):
    text = """
time_zone = "America/Los_Angeles"
[pull.order]
object = "Order"
[pull.order.fields]
account_id = "AccountId"
ordered_on = { field = "ActivatedDate", as = "date" }
"""
    page = page_of(AccountId=["001000000000001AAA"], ActivatedDate=["2026-12-01T07:59:59.000+0000"])

    assert read(text, page, "order").table["ordered_on"].to_pylist() == [date(2026, 11, 30).toordinal()]


def test_attributes_are_json_with_sorted_keys(page_of):
    text = (
        ACCOUNT
        + 'zone = "Z__c"\nkey_account = { field = "K__c", as = "bool" }\nsize = { field = "S__c", as = "decimal" }'
    )
    table = read(
        text,
        accounts(page_of, Z__c=['Say "hi" ü', None], K__c=["true", None], S__c=["1.0E7", "2"]),
        "account",
    ).table

    assert [json.loads(value) for value in table["attributes"].to_pylist()] == [
        {"key_account": True, "size": "10000000", "zone": 'Say "hi" ü'},
        {"key_account": None, "size": "2", "zone": None},
    ]
    assert table["attributes"][0].as_py() == (
        '{"key_account": true, "size": "10000000", "zone": "Say \\"hi\\" ü"}'
    )


def test_a_fixed_flag_is_a_flag(page_of):
    table = read(ACCOUNT + "indirect = { const = true }", accounts(page_of, X__c=["x"]), "account").table

    assert table["attributes"].to_pylist() == ['{"indirect": true}']


def test_an_account_whose_days_of_taking_part_are_none_is_set_aside(page_of):
    days = ["2026-03-01", "01.03.2026", None, "2026-03-01T10:00:00.000+0000", "2026-02-30"]
    inbound = read(ACCOUNT + 'active_from = "Start__c"', accounts(page_of, Start__c=days), "account")

    assert why(inbound) == [("active_from", "not_a_date"), ("active_from", "not_a_date")]
    assert inbound.table["attributes"].to_pylist()[:2] == [
        '{"active_from": "2026-03-01"}',
        '{"active_from": null}',
    ]
    free = read(ACCOUNT + 'partner_since = "Start__c"', accounts(page_of, Start__c=days), "account")
    assert not free.rejected, "any other attribute is the org's own business"


def test_a_percentage_loses_no_digit_on_its_way_to_a_fraction_that_is_rounded_once(page_of):
    text = ORDER_LINES.replace('"TotalPrice"', '{ field = "X__c", as = "percent" }')
    inbound = read(text, lines(page_of, ["0", "0"], X__c=["100.00004999999999999999999999999", "100.00005"]))

    assert inbound.table["amount"].to_pylist() == [1_000_000, 1_000_001]


def test_a_bad_attribute_sets_its_row_aside(page_of):
    text = ACCOUNT + 'key_account = { field = "K__c", as = "bool" }'
    inbound = read(text, accounts(page_of, K__c=["true", "perhaps"]), "account")

    assert inbound.table.num_rows == 1
    assert why(inbound) == [("key_account", "not_a_bool")]


def test_a_skipped_record_counts_as_deleted_so_that_what_it_was_before_counts_no_more(page_of):
    inbound = read(
        ACCOUNT + 'region = { field = "X__c", values = { NA = "north" }, other = "skip" }',
        accounts(page_of, X__c=["NA", "Mars"]),
        "account",
    )

    assert inbound.table["deleted"].to_pylist() == [False, True]
    assert (inbound.rejected, inbound.skipped) == ((), 0)


NOT_OURS = 'region = { field = "X__c", values = { NA = "north" }, other = "skip" }\n'


def test_what_else_of_a_skipped_record_cannot_be_read_is_nobodys_business(page_of):
    text = ACCOUNT + NOT_OURS + 'key_account = { field = "K__c", as = "bool" }'
    page = accounts(page_of, X__c=["NA", "Mars", "NA"], K__c=["perhaps", "perhaps", "true"])
    inbound = read(text, page, "account")

    assert why(inbound) == [("key_account", "not_a_bool")], "the one that is ours"
    assert inbound.table["deleted"].to_pylist() == [True, False]


def test_a_skipped_record_without_what_a_record_must_have_is_gone_by_its_id(page_of):
    page = accounts(page_of, Name=["Alpha", None], X__c=["NA", "Mars"])
    inbound = read(ACCOUNT + NOT_OURS, page, "account")

    assert why(inbound) == []
    assert (inbound.table.num_rows, inbound.skipped) == (1, 0)
    assert inbound.gone["id"].to_pylist() == page["Id"].to_pylist()[1:]


def test_a_record_that_is_skipped_by_a_required_field_is_gone_too(page_of):
    """What it was before counts no more."""
    text = ORDER_LINES.replace('"Quantity"', '{ field = "X__c", values = { one = 1 }, other = "skip" }')
    page = lines(page_of, ["12.50", "7"], X__c=["one", "none of ours"])
    inbound = read(text, page)

    assert (inbound.table.num_rows, inbound.gone.num_rows, inbound.skipped) == (1, 1, 0)
    assert why(inbound) == []


def test_a_skipped_user_is_left_out_whatever_else_of_it_cannot_be_read(page_of):
    """Users carry no deletion."""
    text = """
[pull.user]
object = "User"
[pull.user.fields]
name = { field = "X__c", values = { NA = "north" }, other = "skip" }
active = "IsActive"
"""
    inbound = read(text, page_of(X__c=["NA", "Mars"], IsActive=["true", "perhaps"]), "user")

    assert (why(inbound), inbound.table.num_rows, inbound.skipped) == ([], 1, 1)


@pytest.mark.parametrize("odd", ["801-00000000000001", "801 00000000000001", "801é0000000000001"])
def test_of_many_ids_as_long_as_ids_the_one_that_is_none_is_set_aside(page_of, odd):
    sound = [f"801{n:015}" for n in range(5)]
    page = lines(page_of, ["1"] * 11, OrderId=[*sound, odd, *sound])
    inbound = read(ORDER_LINES, page)

    assert why(inbound) == [("order_id", "not_an_id")]
    assert inbound.table["order_id"].to_pylist() == sound * 2
    assert not read(ORDER_LINES, page.slice(0, 5)).rejected, "the rest of the page is not its business"


def test_nul_and_overlong_text_are_mended(page_of):
    inbound = read(ACCOUNT, accounts(page_of, Name=["a\0b", "x" * (TEXT_CAP + 5)]), "account")

    assert inbound.table["name"].to_pylist() == ["ab", "x" * TEXT_CAP]


def test_bytes_that_are_no_text_are_replaced(page_of):
    page = accounts(page_of, X__c=["n"])
    broken = pa.array([b"caf\xe9 \xed\xa0\x80"], pa.binary())
    page = page.set_column(page.schema.get_field_index("Name"), "Name", broken)

    (name,) = read(ACCOUNT, page, "account").table["name"].to_pylist()
    assert name.startswith("caf� ")
    name.encode("utf-8")


def test_lone_surrogates_are_replaced_and_pairs_kept():
    assert clean_text("a\ud83db \U0001f600") == "a�b \U0001f600"


AMOUNTS = st.one_of(
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**13), max_value=10**13).map(str),
    st.decimals(min_value=-(10**6), max_value=10**6, places=6).map(lambda d: f"{d:E}"),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers(-(10**21), 10**21).map(lambda n: str(Decimal(n).scaleb(-14))),
    st.sampled_from(["NaN", "x", "1e999", "0E+3", "-0.0", "+1", ".5", "5.", "1_0", " 1", "٣"]),
)


def expected(text):
    """The rule, value by value: exact Decimal."""
    try:
        return millionths(scalars.decimal(text))
    except BadValue:
        return None


@settings(max_examples=400, deadline=None)
@given(st.lists(AMOUNTS, min_size=1, max_size=6))
def test_whole_columns_and_single_values_are_read_alike(amounts):
    rows = len(amounts)
    page = pa.table(
        {
            "Id": [f"802000000{row:09d}" for row in range(rows)],
            "SystemModstamp": ["2026-11-01T10:00:00.000Z"] * rows,
            "IsDeleted": ["false"] * rows,
            "OrderId": ["801000000000001AAA"] * rows,
            "Quantity": ["1"] * rows,
            "TotalPrice": amounts,
        }
    )
    inbound = read(ORDER_LINES, page)
    kept = [expected(text) for text in amounts]

    assert inbound.table["amount"].to_pylist() == [amount for amount in kept if amount is not None]
    assert inbound.table.num_rows + len(inbound.rejected) == rows


@given(st.decimals(min_value=-(10**12), max_value=10**12, places=6))
def test_millionths_are_exact_both_ways(amount):
    assert Decimal(millionths(amount)) / 10**6 == amount


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2999, 1, 1), timezones=st.just(UTC)))
def test_instants_are_read_as_arrow_reads_them(instant):
    text = instant.strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant.microsecond // 1000:03}+0000"
    arrow = pa.array([text]).cast(pa.timestamp("us", "UTC")).cast(pa.int64())[0].as_py()

    assert scalars.moment(text) == arrow


RATES = """
[pull.currency_rate]
object = "CurrencyType"
[pull.currency_rate.fields]
currency = "IsoCode"
rate = "ConversionRate"
"""


def test_a_rate_that_nothing_can_be_divided_by_is_set_aside(page_of):
    page = page_of(IsoCode=["EUR", "GBP", "JPY"], ConversionRate=["0.9", "0", "-1.0"])
    inbound = read(RATES, page, "currency_rate")

    assert inbound.table["currency"].to_pylist() == ["EUR"]
    assert why(inbound) == [("rate", "not_above_zero"), ("rate", "not_above_zero")]


WITH_STATUS = (
    ORDERS + 'active = { field = "Stage__c", values = { Won = true, Open = false }, other = "error" }\n'
)
SOME_ACCOUNT = "001000000000001AAA"


def orders(page_of, *accounts_and_stages):
    owners, stages = zip(*accounts_and_stages, strict=True)
    days = ["2026-11-09"] * len(owners)
    return page_of(AccountId=list(owners), Stage__c=list(stages), EffectiveDate=days)


def test_an_order_that_is_not_active_and_has_no_account_is_gone_and_nobodys_to_mend(page_of):
    page = orders(page_of, (None, "Open"), (SOME_ACCOUNT, "Open"), ("", None))
    inbound = read(WITH_STATUS, page, "order")

    assert why(inbound) == []
    assert inbound.table["account_id"].to_pylist() == [SOME_ACCOUNT]
    ids = page["Id"].to_pylist()
    assert inbound.gone["id"].to_pylist() == [ids[0], ids[2]]
    assert inbound.skipped == 0


def test_an_active_order_without_an_account_is_set_aside(page_of):
    assert why(read(WITH_STATUS, orders(page_of, (None, "Won")), "order")) == [("account_id", "missing")]
    assert why(read(ORDERS, orders(page_of, (None, "Open")), "order")) == [("account_id", "missing")], (
        "where no status is mapped, every order counts"
    )


def test_an_order_is_set_aside_where_its_status_cannot_be_read(page_of):
    page = orders(page_of, (None, "Mars"), ("nobody", "Mars"), ("nobody", "Won"))
    inbound = read(WITH_STATUS, page, "order")

    assert [field for field, _ in why(inbound)] == ["account_id"] * 3
    assert inbound.gone.num_rows == 0


def test_nothing_of_an_order_that_is_not_active_has_to_be_mended(page_of):
    text = WITH_STATUS + 'type = { field = "Type", values = { Web = "Web" } }\n'
    page = orders(page_of, ("nobody", "Open"), (SOME_ACCOUNT, "Open"), (SOME_ACCOUNT, "Won"))
    inbound = read(text, page.append_column("Type", [["Web", "Fax", "Fax"]]), "order")

    assert why(inbound) == [("type", "no_rule")], "the one that counts"
    assert inbound.gone["id"].to_pylist() == page["Id"].to_pylist()[:2]


@pytest.mark.parametrize("day", ['ordered_on = { field = "At", as = "date" }', 'ordered_at = "At"'])
def test_an_order_that_was_never_activated_has_no_day_and_needs_none(page_of, day):
    text = WITH_STATUS.replace('ordered_on = "EffectiveDate"', day)
    page = orders(page_of, (SOME_ACCOUNT, "Open"), (SOME_ACCOUNT, "Won"), (SOME_ACCOUNT, "Won"))
    inbound = read(text, page.append_column("At", [[None, "2026-11-09T10:00:00.000Z", None]]), "order")

    left = day.split()[0]
    assert why(inbound) == [(left, "missing")], "one that counts needs a day"
    assert inbound.table["active"].to_pylist() == [False, True]
    assert [one is None for one in inbound.table[left].to_pylist()] == [True, False]
    assert inbound.gone.num_rows == 0, "it is there: nobody has to ask for it again"
