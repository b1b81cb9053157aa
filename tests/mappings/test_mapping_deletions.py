"""A row that says it is deleted is a deletion, whatever else of it cannot be read."""

import pytest

from mappings.file import parse_mapping
from mappings.inbound import reader

LINES = """
[pull.order_line]
object = "OrderItem"
[pull.order_line.fields]
order_id = "OrderId"
quantity = "Quantity"
amount = "TotalPrice"
"""
ACCOUNTS = """
[pull.account]
object = "Account"
[pull.account.fields]
name = "Name"
key_account = { field = "K__c", as = "bool" }
"""
STAMP = 1_793_527_200_000_000  # 2026-11-01T10:00Z
WINNER = "001000000000001AAA"


def read(text, page, entity):
    mapping = parse_mapping(text, "mapping.toml")
    return reader(mapping.pull[entity], mapping).read(page)


def lines(page_of, quantities, deleted, **more):
    usual = {"OrderId": ["801000000000001AAA"] * len(quantities), "TotalPrice": ["5"] * len(quantities)}
    return page_of(Quantity=quantities, IsDeleted=deleted, **(usual | more))


def test_a_deleted_line_without_its_quantity_is_gone_and_a_live_one_is_set_aside(page_of):
    inbound = read(LINES, lines(page_of, ["1", None, None], ["false", "true", "false"]), "order_line")

    assert inbound.table.num_rows == 1
    assert [one.field for one in inbound.rejected] == ["quantity"]
    (gone,) = inbound.gone.to_pylist()
    assert (gone["modstamp"], gone["master_id"]) == (STAMP, None)
    assert gone["id"] not in {inbound.rejected[0].id, inbound.table["id"][0].as_py()}


def test_a_deleted_line_that_can_be_read_is_a_row_like_any(page_of):
    inbound = read(LINES, lines(page_of, ["1"], ["true"]), "order_line")

    assert (inbound.table["deleted"].to_pylist(), inbound.gone.num_rows) == ([True], 0)


@pytest.mark.parametrize("unknown", [{"Id": ["?"]}, {"SystemModstamp": ["soon"]}])
def test_without_its_id_or_its_stamp_a_deletion_is_set_aside(page_of, unknown):
    inbound = read(LINES, lines(page_of, [None], ["true"], **unknown), "order_line")

    assert (len(inbound.rejected), inbound.gone.num_rows) == (1, 0)


@pytest.mark.parametrize(("master", "gone"), [(WINNER, [WINNER]), (None, [None]), ("nobody", [])])
def test_an_account_that_was_merged_away_says_into_whom(page_of, master, gone):
    page = page_of(Name=["Partner"], K__c=["perhaps"], MasterRecordId=[master], IsDeleted=["true"])
    inbound = read(ACCOUNTS, page, "account")

    assert inbound.gone["master_id"].to_pylist() == gone
    assert len(inbound.rejected) == 1 - len(gone)
