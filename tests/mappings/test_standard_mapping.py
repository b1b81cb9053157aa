"""The mapping that ships can be read, and gives the queries that a stock org answers."""

from mappings.canonical import ENTITIES
from mappings.file import read_mapping
from mappings.soql import select


def test_the_standard_mapping_can_be_read():
    mapping = read_mapping("standard")

    assert list(mapping.pull) == ["account", "product", "order", "order_line", "user"]
    assert list(mapping.push) == ["standing", "account", "payout", "task", "notification"]


def test_every_required_canonical_field_has_a_source():
    for name, entity in read_mapping("standard").pull.items():
        columns = {field.name for field in ENTITIES[name].fields}
        assert set(entity.fields) <= columns
        assert "SystemModstamp" in entity.paths


def test_order_lines_are_read_with_one_flat_query():
    assert select(read_mapping("standard").pull["order_line"]) == (
        "SELECT Id, SystemModstamp, IsDeleted, OrderId, Product2Id, Quantity, TotalPrice FROM OrderItem"
        " ORDER BY SystemModstamp, Id"
    )


def test_users_are_read_without_the_deleted_flag_that_they_do_not_have():
    assert "IsDeleted" not in select(read_mapping("standard").pull["user"])


def test_accounts_are_read_with_the_winner_of_a_merge():
    assert "MasterRecordId" in read_mapping("standard").pull["account"].paths
