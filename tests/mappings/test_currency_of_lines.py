"""Order lines of a custom object: each counts in its order's currency, and may have another one."""

from __future__ import annotations

import pytest

from mappings.check import check
from mappings.file import parse_mapping
from mappings.inbound import reader
from tests.mappings.org_describes import field, obj, reference, stock_org

LINES = """
[pull.order]
object = "Sale__c"
[pull.order.fields]
account_id = "Account__c"
ordered_on = "Day__c"
currency = "CurrencyIsoCode"
[pull.order_line]
object = "Sale_Line__c"
[pull.order_line.fields]
order_id = "Sale__c"
quantity = "Pieces__c"
amount = "Amount__c"
"""
OWN = 'currency = "CurrencyIsoCode"\norder_currency = "Sale__r.CurrencyIsoCode"\n'


def read(page_of, own, theirs, *, at_the_top=""):
    mapping = parse_mapping(f"{at_the_top}{LINES}{OWN}", "m.toml")
    rows = len(own)
    page = page_of(
        Sale__c=["a01000000000001AAA"] * rows, Pieces__c=["1"] * rows, Amount__c=["10.00"] * rows,
        **{"CurrencyIsoCode": own, "Sale__r.CurrencyIsoCode": theirs},
    )  # fmt: skip
    return reader(mapping.pull["order_line"], mapping).read(page)


def test_a_line_in_another_currency_than_its_order_is_set_aside_and_the_others_count(page_of):
    inbound = read(page_of, ["EUR", "USD", "EUR"], ["EUR", "EUR", "EUR"])
    assert inbound.table.num_rows == 2
    (one,) = inbound.rejected
    assert (one.field, one.code, one.parent) == ("currency", "other_currency", "a01000000000001AAA")
    assert one.message == (
        "currency (CurrencyIsoCode) is another currency than its order's, in which it would be counted"
    )


@pytest.mark.parametrize(("own", "theirs"), [(None, "EUR"), ("EUR", None)])
def test_where_one_of_them_is_not_known_nothing_is_said_against_the_line(page_of, own, theirs):
    assert not read(page_of, [own], [theirs]).rejected


def test_where_all_amounts_are_in_one_currency_the_records_own_says_nothing(page_of):
    assert not read(page_of, ["USD"], ["EUR"], at_the_top='currency = "corporate"\n').rejected


def codes(text, *, several=True, line="Sale_Line__c"):
    money = [field("CurrencyIsoCode", "picklist")] if several else []
    sale = obj("Sale__c", reference("Account__c", "Account", "Account__r"), field("Day__c", "date"), *money)
    lines = obj(
        line,
        reference("Sale__c", "Sale__c", "Sale__r"),
        field("Pieces__c", "double"), field("Amount__c", "currency", precision=18, scale=2), *money,
    )  # fmt: skip
    org = stock_org() | {"Sale__c": sale, line: lines}
    return {one.code: one for one in check(parse_mapping(text.replace("Sale_Line__c", line), "m.toml"), org)}


def test_lines_whose_currency_nobody_looks_at_are_warned_of_with_what_to_write():
    found = codes(LINES)["M229"]
    assert found.level == "warning"
    assert 'order_currency = "Sale__r.CurrencyIsoCode"' in found.in_a_line
    assert "M229" in codes(LINES + 'currency = "CurrencyIsoCode"\n'), "alone it says nothing of the order"


def test_nothing_is_warned_of_where_it_is_looked_at_or_cannot_differ():
    assert "M229" not in codes(LINES + OWN)
    assert "M229" not in codes(LINES, several=False)
    assert "M229" not in codes('currency = "corporate"\n' + LINES)
    assert "M229" not in codes(LINES, line="OrderItem")
