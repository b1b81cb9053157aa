"""What a real sync writes into the org is what the card reads: deployed, synced, asked by REST."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from salesforce.tools.synced_records import ROOT, synced

CARD = ROOT / "salesforce/force-app/main/default/lwc/rebateStanding/rebateStanding.js"
# The org works this one out for people; the integration user has no need to see it.
FORMULAS_OF_PEOPLE = {"Opportunity_Score__c", "Region__c"}


@pytest.fixture(scope="module")
def standings(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    replies: dict[str, Any] = synced(tmp_path_factory.mktemp("synced"))
    return list(replies["standings"]["records"])


def test_every_field_that_the_card_reads_is_written(standings: list[dict[str, Any]]) -> None:
    names = CARD.read_text(encoding="utf-8").split("const PAYOUT_NAMES")[0]
    read = (
        set(re.findall(r'"(\w+__c)"', names))
        - {"Rebate_Standing__c", "Rebate_Payout__c"}
        - FORMULAS_OF_PEOPLE
    )
    assert len(read) > 20
    for row in standings:
        assert read <= set(row), read - set(row)


def test_the_retailer_is_told_what_the_next_tier_is_worth(standings: list[dict[str, Any]]) -> None:
    (near,) = [row for row in standings if row["Status__c"] == "Near_Next_Tier"]
    assert near["To_Next_Tier__c"] == 4812
    assert near["Next_Benefit__c"] == "15%"
    assert near["Days_Left__c"] == 7


def test_the_ladder_and_the_orders_have_the_shape_that_the_card_draws(
    standings: list[dict[str, Any]],
) -> None:
    for row in standings:
        ladder = json.loads(row["Tier_Ladder__c"])
        assert isinstance(ladder["value"], int | float)
        thresholds = [tier["threshold"] for tier in ladder["tiers"]]
        assert thresholds == sorted(thresholds)
        for tier in ladder["tiers"]:
            assert tier["name"]
            assert tier["benefit"]
            assert tier["reached"] is (tier["threshold"] <= ladder["value"])
        orders = json.loads(row["Contributions__c"])
        assert len(orders) <= 10
        for order in orders:
            assert set(order) == {"order", "date", "amount", "quantity"}
            assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", order["date"])
        assert row["Steps__c"].strip()
