"""The story adds up to the cent; generated orgs are the same for the same number and keep the org's rules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from emulator.auth import login
from emulator.org import Org
from emulator.raw_rows import find
from emulator.seed_generated import seed_generated
from emulator.seed_story import LUMIERE, MIDWEST, partner_orders_again, seed_story

COUNTING = ("Skin care", "Make-up", "Fragrance")


@pytest.fixture
def story(org: Org) -> Org:
    seed_story(org)
    return org


def sales(
    org: Org, account: str, first: str, last: str, families: tuple[str, ...], status: str = "Activated"
) -> int:
    """Cents sold to an account between two days, of some families."""
    marks = ", ".join("?" * len(families))
    row = org.storage.row(
        'SELECT coalesce(sum(i."TotalPrice"), 0) FROM "OrderItem" i JOIN "Order" o ON o."Id" = i."OrderId"'
        ' JOIN "Account" a ON a."Id" = o."AccountId" JOIN "Product2" p ON p."Id" = i."Product2Id"'
        f' WHERE a."Name" = ? AND o."EffectiveDate" BETWEEN ? AND ? AND o."StatusCode" = ? AND p."Family" IN ({marks})',
        (account, first, last, status, *families),
    )
    assert row is not None
    return int(row[0])


def test_the_retailer_stands_4812_short_of_the_tier_in_november(story: Org) -> None:
    assert sales(story, LUMIERE, "2026-11-01", "2026-11-30", COUNTING) == 45_188_00
    assert sales(story, LUMIERE, "2026-10-01", "2026-10-31", COUNTING) > 50_000_00
    assert sales(story, LUMIERE, "2026-11-01", "2026-11-30", ("Services",)) > 0
    assert sales(story, LUMIERE, "2026-11-01", "2026-11-30", COUNTING, "Draft") > 0


def test_one_more_order_is_enough_for_the_tier(story: Org) -> None:
    made = find(story, "Order", Id=partner_orders_again(story))
    assert made is not None
    assert (made["StatusCode"], made["EffectiveDate"], made["TotalAmount"]) == (
        "Activated",
        "2026-11-23",
        5_400_00,
    )
    assert sales(story, LUMIERE, "2026-11-01", "2026-11-30", COUNTING) == 50_588_00


def test_the_distributor_returned_some_parts(story: Org) -> None:
    back = story.storage.rows(
        'SELECT i."TotalPrice", o."TotalAmount", l."AvailableQuantity" FROM "OrderItem" i'
        ' JOIN "Order" o ON o."Id" = i."OrderId" JOIN "OrderItem" l ON l."Id" = i."OriginalOrderItemId"'
        ' WHERE o."IsReductionOrder"'
    )
    assert back == [(-2_790_00, -2_790_00, 440_00)]
    assert sales(story, MIDWEST, "2026-10-01", "2026-12-31", ("Brakes", "Filters", "Batteries")) == 90_380_00


def test_the_past_is_stamped_in_the_past_and_one_owner_left(story: Org) -> None:
    late = story.storage.rows(
        'SELECT "Name" FROM "Order" WHERE "SystemModstamp" >= ? OR "CreatedDate" > "SystemModstamp"',
        (story.now_ms() - 43_200_000,),
    )
    assert late == []
    owners = story.storage.rows(
        'SELECT a."Name" FROM "Account" a JOIN "User" u ON u."Id" = a."OwnerId" WHERE NOT u."IsActive"'
    )
    assert owners == [("Old Mill Drugstores",)]


def test_the_story_is_told_over_the_console_too(story: Org, call: Any) -> None:
    call.token = login(story)
    reply = call("POST", "/emulator/story/order-again", headers={"X-Emulator": "admin"}, auth=False)
    assert reply.json()["account"] == LUMIERE
    types = {each["name"]: each for each in call("GET", "sobjects/Account/describe").json()["fields"]}["Type"]
    assert "Distributor" in [each["value"] for each in types["picklistValues"]]


@pytest.fixture(scope="module")
def generated() -> Iterator[Org]:
    made = _generated(3)
    yield made
    made.close()


def _generated(number: int) -> Org:
    from datetime import UTC, datetime

    org = Org.create(clock=lambda: datetime(2026, 11, 23, 15, tzinfo=UTC))
    seed_generated(org, 40, 600, number)
    return org


def dump(org: Org) -> list[tuple[Any, ...]]:
    return [
        row
        for table in ("Account", "Order", "OrderItem", "Product2", "User")
        for row in org.storage.rows(f'SELECT * FROM "{table}" ORDER BY "Id"')
    ]


def test_the_same_number_makes_the_same_org(generated: Org) -> None:
    again, other = _generated(3), _generated(4)
    assert dump(generated) == dump(again)
    assert dump(generated) != dump(other)
    again.close()
    other.close()


def test_generated_totals_are_the_sums_of_their_lines(generated: Org) -> None:
    wrong = generated.storage.rows(
        'SELECT o."Id" FROM "Order" o LEFT JOIN "OrderItem" i ON i."OrderId" = o."Id" GROUP BY o."Id"'
        ' HAVING o."TotalAmount" IS NOT sum(i."TotalPrice") OR count(i."Id") = 0'
    )
    assert wrong == []
    assert generated.storage.row('SELECT count(*) FROM "Order"') == (600,)


def test_generated_returns_never_take_back_more_than_was_sold(generated: Org) -> None:
    rows = generated.storage.rows(
        'SELECT l."Quantity", l."AvailableQuantity", i."Quantity", o."EffectiveDate" >= s."EffectiveDate",'
        ' o."AccountId" = s."AccountId" FROM "OrderItem" i JOIN "OrderItem" l ON l."Id" = i."OriginalOrderItemId"'
        ' JOIN "Order" o ON o."Id" = i."OrderId" JOIN "Order" s ON s."Id" = l."OrderId"'
    )
    assert rows, "some orders are returns"
    for sold, left, back, after, same in rows:
        assert back < 0 <= left == sold + back
        assert after
        assert same


def test_a_few_accounts_buy_most(generated: Org) -> None:
    rows = generated.storage.rows('SELECT count(*) FROM "Order" GROUP BY "AccountId" ORDER BY 1 DESC')
    assert sum(count for (count,) in rows[:8]) > 600 * 0.4


def test_a_seeded_org_goes_on_giving_new_ids_and_numbers(generated: Org) -> None:
    account = generated.storage.row('SELECT "Id" FROM "Account" LIMIT 1')
    assert account is not None
    from emulator import records
    from emulator.context import Context
    from emulator.raw_rows import user_named

    values = {"AccountId": account[0], "EffectiveDate": "2026-11-23", "Status": "Draft"}
    made = find(
        generated, "Order", Id=records.insert(generated, Context(user_named(generated)), "Order", values)
    )
    assert made is not None
    assert made["OrderNumber"] > "00000600"


def test_nothing_generated_lies_in_the_future(generated: Org) -> None:
    for table in ("Order", "OrderItem", "Account"):
        late = generated.storage.row(f'SELECT max("SystemModstamp"), max("CreatedDate") FROM "{table}"')
        assert late is not None
        assert max(late) <= generated.now_ms(), table
