"""Queries over REST: pages, numbers as sent, and every way in which a page can be wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from connector.errors import Misconfigured, Transient, WindowLost, WindowTooWide
from connector.hosts import HostRefused

SOQL = "SELECT Id, Order.AccountId, Order.Account.Name, TotalPrice, IsDeleted FROM OrderItem"
NEXT = "/services/data/v68.0/query/01gD0000002HU6KIAW-2000"


def record(n: int, **more: Any) -> dict[str, Any]:
    return {
        "attributes": {"type": "OrderItem", "url": f"/services/data/v68.0/sobjects/OrderItem/802{n:012d}"},
        "Id": f"802{n:012d}AAA",
        "Order": {"attributes": {"type": "Order"}, "AccountId": "001A", "Account": {"attributes": {}, "Name": "Ænn"}},
        "TotalPrice": 12.5,
        "IsDeleted": False,
        **more,
    }


def page(*records: dict[str, Any], total: int | None = None, following: str | None = None) -> dict[str, Any]:
    body: dict[str, Any] = {"totalSize": total or len(records), "done": following is None, "records": list(records)}
    return body | ({"nextRecordsUrl": following} if following else {})


@pytest.fixture
def answer(scripted: Any) -> Callable[..., None]:
    def _answer(*replies: Any) -> None:
        scripted.data("GET", "query", *replies)

    return _answer


def raw_json(text: str) -> Any:
    from types import SimpleNamespace

    return SimpleNamespace(status=200, body=text.encode(), headers={"Content-Type": "application/json"}, raw=None, drop=False)


def test_a_page_has_one_text_column_per_selected_path(scripted: Any, org: Any, answer: Any, make: Any) -> None:
    answer(make.reply(page(record(1))))
    (only,) = org.query(SOQL)
    assert only.table.column_names == ["Id", "Order.AccountId", "Order.Account.Name", "TotalPrice", "IsDeleted"]
    assert only.table.to_pylist() == [
        {
            "Id": "802000000000001AAA",
            "Order.AccountId": "001A",
            "Order.Account.Name": "Ænn",
            "TotalPrice": "12.5",
            "IsDeleted": "false",
        }
    ]
    assert only.total == 1
    assert only.locator is None
