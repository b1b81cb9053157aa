"""SOQL as it is written: what the grammar takes, and how it refuses the rest."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.errors import ApiError
from emulator.soql.parse import parse
from emulator.soql.tree import All, Any, Compare, InQuery, Item, Literal, Not

ACCEPTED = r"""
SELECT Id FROM Account
select id from account where name = 'O\'Reilly'
SELECT count() FROM Order
SELECT Id FROM Group
SELECT Limit, Offset FROM Thing__c ORDER BY Limit DESC NULLS LAST
SELECT Id, (SELECT Quantity FROM OrderItems WHERE Quantity > 5 ORDER BY Id LIMIT 2) FROM Order
SELECT Account.Owner.Manager.Name FROM Order WHERE Account.Parent.Parent.Name LIKE 'A\_%'
SELECT Id FROM Order WHERE CreatedDate >= 2026-01-31T00:00:00.123+01:00 AND EffectiveDate < 2026-02-01
SELECT Id FROM Order WHERE CreatedDate = LAST_N_DAYS:30 OR CreatedDate = THIS_FISCAL_QUARTER
SELECT Id FROM Order WHERE CreatedDate > N_MONTHS_AGO:3 AND NOT (Status IN ('a', 'b') OR Status = null)
SELECT Account.Name n, SUM(TotalAmount) t FROM Order GROUP BY Account.Name HAVING SUM(TotalAmount) > 1e3
SELECT CALENDAR_YEAR(convertTimezone(CreatedDate)) y FROM Order GROUP BY ROLLUP(CALENDAR_YEAR(CreatedDate))
SELECT Id FROM Account WHERE Id NOT IN (SELECT AccountId FROM Order WHERE IsDeleted = false) FOR UPDATE
SELECT FIELDS(ALL) FROM Account LIMIT 200
SELECT TYPEOF What WHEN Account THEN Phone, Name WHEN Order THEN Name ELSE Id END FROM Task
SELECT Id FROM Account USING SCOPE mine WITH SECURITY_ENFORCED ALL ROWS
SELECT Id FROM Account WHERE X__c INCLUDES ('a;b', 'c') AND Y__c EXCLUDES ('d')
SELECT Id FROM Contact c, c.Account a WHERE a.Name = 'x' AND a.AnnualRevenue > USD5000
SELECT Id FROM Order LIMIT 5 OFFSET 10 FOR VIEW FOR REFERENCE
""".strip().splitlines()


@pytest.mark.parametrize("statement", ACCEPTED)
def test_real_statements_are_understood(statement: str) -> None:
    assert parse(statement).select


@pytest.mark.parametrize(
    ("statement", "row", "column", "message"),
    [
        ("SELECT Id FORM Account", 1, 11, "unexpected token: 'FORM'"),
        ("SELECT FROM Account", 1, 8, "unexpected token: 'FROM'"),
        ("SELECT Id, Name", 1, 16, "unexpected token: '<EOF>'"),
        ("SELECT Id FROM Account WHERE", 1, 29, "unexpected token: '<EOF>'"),
        ("SELECT Id\nFROM Account\nWHERE Name == 'x'", 3, 13, "unexpected token: '='"),
        ("SELECT Id FROM Account WHERE a = 1 AND b = 2 OR c = 3", 1, 46, "unexpected token: 'OR'"),
        ("SELECT Id FROM Account a b", 1, 26, "unexpected token: 'b'"),
        ("SELECT Id FROM Account WHERE Id IN ()", 1, 37, "unexpected token: ')'"),
        ("SELECT Id FROM Account WHERE Name = foo", 1, 37, "unexpected token: 'foo'"),
        ("SELECT Id FROM Account WHERE Name = :x", 1, 37, "Bind variables only allowed in Apex code"),
        ("SELECT Id FROM Account WHERE Name = 'abc", 1, 37, "mismatched character '<EOF>' expecting '''"),
        ("SELECT Id FROM Account WHERE Name = 'a\\qb'", 1, 37, "Illegal character sequence '\\q'"),
        ("SELECT Id FROM Account WHERE D = 2026-02-30", 1, 34, "Invalid date: 2026-02-30"),
        ("SELECT Id FROM Account LIMIT -1", 1, 30, "unexpected token: '-1'"),
        ("DELETE FROM Account", 1, 1, "unexpected token: 'DELETE'"),
    ],
)
def test_a_refusal_points_at_the_word(statement: str, row: int, column: int, message: str) -> None:
    with pytest.raises(ApiError) as refused:
        parse(statement)
    assert (refused.value.status, refused.value.code) == (400, "MALFORMED_QUERY")
    _, line, caret, place, text = refused.value.message.split("\n", 4)
    assert place == f"ERROR at Row:{row}:Column:{column}"
    assert message in text
    assert line == statement.split("\n")[row - 1]
    assert caret == " " * (column - 1) + "^"


def test_the_caret_of_a_long_statement_still_stands_under_its_word() -> None:
    names = ", ".join(f"Field_{number}__c" for number in range(60))
    with pytest.raises(ApiError) as refused:
        parse(f"SELECT {names} FORM Account")
    _, line, caret, *_ = refused.value.message.split("\n")
    assert line[len(caret) - 1 :].startswith("FORM Account")


@pytest.mark.parametrize("statement", ["", "  \n "])
def test_an_empty_statement_is_called_that(statement: str) -> None:
    with pytest.raises(ApiError, match="SOQL statements cannot be empty or null"):
        parse(statement)


def literal(text: str) -> Literal:
    where = parse(f"SELECT Id FROM A WHERE X = {text}").where
    assert isinstance(where, Compare)
    return where.right


def test_strings_know_escapes_and_keep_wildcards_apart() -> None:
    found = literal(r"'a\'b\\c\n\u00e4 100\% _'")
    assert found.value == "a'b\\c\nä 100% _"
    assert found.pattern == "a'b\\\\c\nä 100\\% _"


def test_numbers_are_exact() -> None:
    assert literal("99999999999999.99").value == Decimal("99999999999999.99")
    assert literal("-1.5E3").value == Decimal(-1500)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-01-31T00:00:00Z", "2026-01-31T00:00:00+00:00"),
        ("2026-01-31T00:00:00.1239-05:30", "2026-01-31T05:30:00.123000+00:00"),
        ("2026-01-31T00:00:00+0100", "2026-01-30T23:00:00+00:00"),
    ],
)
def test_datetimes_take_any_offset(text: str, utc: str) -> None:
    value = literal(text).value
    assert hasattr(value, "isoformat")
    assert value.isoformat() == utc


def test_conditions_nest_as_written() -> None:
    where = parse("SELECT Id FROM A WHERE NOT X = 1 AND (Y = 2 OR Z IN (SELECT B FROM C))").where
    assert isinstance(where, All)
    assert isinstance(where.operands[0], Not)
    assert isinstance(where.operands[1], Any)
    assert isinstance(where.operands[1].operands[1], InQuery)


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_any_text_comes_back_from_its_quotes(text: str) -> None:
    quoted = "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
    assert literal(quoted).value == text


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=80))
def test_any_text_is_parsed_or_refused_never_worse(text: str) -> None:
    for statement in (text, f"SELECT Id FROM Account WHERE {text}"):
        try:
            parse(statement)
        except ApiError as refused:
            assert refused.code == "MALFORMED_QUERY"  # noqa: PT017


def test_aliases_and_positions_are_kept() -> None:
    (item,) = parse("SELECT SUM(Amount) total FROM Order").select
    assert isinstance(item, Item)
    assert (item.alias, item.at) == ("total", 7)


def test_the_recorded_refusals_of_a_real_org_are_ours(call: object) -> None:
    recorded = json.loads((Path(__file__).parent / "golden" / "errors.json").read_text())
    (invalid_type,) = (each for each in recorded if each["code"] == "INVALID_TYPE")
    response = call("GET", "query?q=select+count()+from+XYZZY")  # type: ignore[operator]
    assert response.status == 400
    assert response.json() == [{"message": invalid_type["message"], "errorCode": "INVALID_TYPE"}]
    assert list(response.json()[0]) == invalid_type["keys"]
