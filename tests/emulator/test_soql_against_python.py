"""Random conditions: the compiled statement finds exactly the rows that plain Python finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.auth import login
from emulator.org import OpenAccess, Org
from emulator.router import Request

Row = dict[str, Any]
Test = Callable[[Row], bool]
Condition = tuple[str, Test]

TYPES = [None, "Other", "other", "Prospect", "Zürich", "ZÜRICH"]
NUMBERS = [None, -5, 0, 3, 7, 10_000_000]
ROWS = [{"Type": kind, "NumberOfEmployees": number} for kind in TYPES for number in NUMBERS]


@pytest.fixture(scope="module")
def ask() -> Iterator[Callable[[str], list[Row]]]:
    org = Org.create(seed=1)
    org.access = OpenAccess()
    token = login(org)
    ids = [org.ids.make("001", number) for number in org.ids.reserve("001", len(ROWS))]
    rows = (
        (each, "A", 0, row["Type"], row["NumberOfEmployees"]) for each, row in zip(ids, ROWS, strict=True)
    )
    org.storage.load("Account", ["Id", "Name", "IsDeleted", "Type", "NumberOfEmployees"], rows)

    def asked(condition: str) -> list[Row]:
        statement = f"SELECT Type, NumberOfEmployees FROM Account WHERE {condition} ORDER BY Id"
        url = f"/services/data/v68.0/query?q={quote(statement)}"
        response = org.handle(Request.to("GET", url, {"Authorization": f"Bearer {token}"}))
        assert response.status == 200, response.content()
        found = response.json()["records"]
        return [{key: value for key, value in record.items() if key != "attributes"} for record in found]

    yield asked
    org.close()


def same(left: str | None, right: str | None) -> bool:
    return (left and left.casefold()) == (right and right.casefold())


def texts() -> st.SearchStrategy[Condition]:
    def equal(value: str | None, negated: bool) -> Condition:
        shown = "null" if value is None else f"'{value}'"
        return (
            f"Type {'!=' if negated else '='} {shown}",
            lambda row: same(row["Type"], value) is not negated,
        )

    def listed(values: list[str | None], negated: bool) -> Condition:
        shown = ", ".join("null" if each is None else f"'{each}'" for each in values)
        return (
            f"Type {'NOT IN' if negated else 'IN'} ({shown})",
            lambda row: any(same(row["Type"], each) for each in values) is not negated,
        )

    def begins(value: str) -> Condition:
        return (
            f"Type LIKE '{value}%'",
            lambda row: (row["Type"] or "").casefold().startswith(value.casefold()),
        )

    return st.one_of(
        st.builds(equal, st.sampled_from(TYPES), st.booleans()),
        st.builds(listed, st.lists(st.sampled_from(TYPES), min_size=1, max_size=3), st.booleans()),
        st.builds(begins, st.sampled_from(["o", "P", "ZÜ", "züri"])),
    )


def numbers() -> st.SearchStrategy[Condition]:
    compare: dict[str, Callable[[Decimal, Decimal], bool]] = {
        "<": lambda a, b: a < b,
        "<=": lambda a, b: a <= b,
        ">": lambda a, b: a > b,
        ">=": lambda a, b: a >= b,
        "=": lambda a, b: a == b,
    }

    def compared(operator: str, value: Decimal) -> Condition:
        def test(row: Row) -> bool:
            number = row["NumberOfEmployees"]
            return number is not None and compare[operator](Decimal(number), value)

        return f"NumberOfEmployees {operator} {value}", test

    def differs(value: Decimal) -> Condition:
        return f"NumberOfEmployees != {value}", lambda row: row["NumberOfEmployees"] != value

    values = st.sampled_from([Decimal(each) for each in ("-5", "0", "2.5", "3", "3.0", "1E7", "7.000001")])
    return st.one_of(st.builds(compared, st.sampled_from(list(compare)), values), st.builds(differs, values))


def joined(inner: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    def all_of(parts: list[Condition]) -> Condition:
        return " AND ".join(f"({text})" for text, _ in parts), lambda row: all(test(row) for _, test in parts)

    def any_of(parts: list[Condition]) -> Condition:
        return " OR ".join(f"({text})" for text, _ in parts), lambda row: any(test(row) for _, test in parts)

    def never(part: Condition) -> Condition:
        return f"NOT ({part[0]})", lambda row: not part[1](row)

    several = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(several.map(all_of), several.map(any_of), inner.map(never))


@settings(deadline=None)
@given(st.recursive(st.one_of(texts(), numbers()), joined, max_leaves=8))
def test_a_condition_finds_the_rows_python_finds(
    ask: Callable[[str], list[Row]], condition: Condition
) -> None:
    text, test = condition
    assert ask(text) == [row for row in ROWS if test(row)]
