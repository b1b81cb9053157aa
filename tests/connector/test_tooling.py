"""Metadata as rows: all pages, no attributes, and replies that are none."""

from __future__ import annotations

from typing import Any

import pytest

from connector.errors import Misconfigured, Transient, WindowLost

FENCE = "SELECT Id, ValidationName FROM ValidationRule WHERE Active = true"
NEXT = "/services/data/v68.0/tooling/query/01g000000000001-{}"


def page(*names: str, following: str | None = None) -> dict[str, Any]:
    rows = [{"attributes": {"type": "ValidationRule"}, "ValidationName": name} for name in names]
    body: dict[str, Any] = {"size": len(rows), "totalSize": 3, "done": following is None, "records": rows}
    return body | ({"nextRecordsUrl": following} if following else {})


def test_rows_of_all_pages_come_without_their_attributes(scripted: Any, org: Any, make: Any) -> None:
    scripted.data("GET", "tooling/query", make.reply(page("A", "B", following=NEXT.format(2))))
    scripted.data("GET", "tooling/query/", make.reply(page("C")))
    assert org.tooling_query(FENCE) == [{"ValidationName": name} for name in "ABC"]
    assert org.usage.by_kind["tooling"] == 2


def test_a_page_that_names_itself_as_the_next_is_not_followed_forever(
    scripted: Any, org: Any, make: Any
) -> None:
    scripted.data("GET", "tooling/query", make.reply(page("A", following=NEXT.format(1))))
    scripted.data("GET", "tooling/query/", make.reply(page("B", following=NEXT.format(1))))
    with pytest.raises(WindowLost):
        org.tooling_query(FENCE)


def test_an_object_that_this_user_may_not_look_at_is_a_matter_of_configuration(
    scripted: Any, org: Any, make: Any
) -> None:
    scripted.data("GET", "tooling/query", make.refusal("INVALID_TYPE", 400))
    with pytest.raises(Misconfigured):
        org.tooling_query(FENCE)


def test_a_reply_without_records_is_no_reply(scripted: Any, org: Any, make: Any) -> None:
    scripted.data("GET", "tooling/query", make.reply({"size": 0}))
    with pytest.raises(Transient):
        org.tooling_query(FENCE)
