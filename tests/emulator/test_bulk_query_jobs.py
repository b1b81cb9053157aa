"""Bulk API 2.0 query jobs: states, pages, and CSV that is exactly what a cell's rules say."""

from __future__ import annotations

import csv
import gzip
import io
import sqlite3
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator import wire
from emulator.org import OpenAccess, Org
from emulator.schema import Field, make_field
from emulator.soql import csv_text
from emulator.soql.columns import Column


@pytest.fixture(autouse=True)
def accounts(org: Org) -> list[str]:
    """25 accounts."""
    org.access = OpenAccess()
    ids = [org.ids.make("001", number) for number in org.ids.reserve("001", 25)]
    rows = [(each, f"A{n:02}", 0, n * 1_000_000, 1798772400123) for n, each in enumerate(ids)]
    org.storage.load("Account", ["Id", "Name", "IsDeleted", "AnnualRevenue", "SystemModstamp"], rows)
    return ids


def start(call: Any, statement: str = "SELECT Id, Name FROM Account", **job: Any) -> dict[str, Any]:
    response = call("POST", "jobs/query", json={"operation": "query", "query": statement, **job})
    assert response.status == 200, response.content()
    made: dict[str, Any] = response.json()
    return made


def done(call: Any, statement: str = "SELECT Id, Name FROM Account", **job: Any) -> str:
    made = start(call, statement, **job)
    info = call("GET", f"jobs/query/{made['id']}").json()
    assert info["state"] == "JobComplete", info
    return str(made["id"])


def parsed(text: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.decode(), newline="")))


def test_a_job_goes_from_upload_complete_to_job_complete(call: Any) -> None:
    job = start(call)
    assert list(job) == [
        "id", "operation", "object", "createdById", "createdDate", "systemModstamp", "state", "concurrencyMode",
        "contentType", "apiVersion", "lineEnding", "columnDelimiter",
    ]  # fmt: skip
    assert (job["state"], job["object"], job["apiVersion"]) == ("UploadComplete", "Account", 68)
    info = call("GET", f"jobs/query/{job['id']}").json()
    assert (info["state"], info["jobType"], info["numberRecordsProcessed"]) == ("JobComplete", "V2Query", 25)


def test_a_slow_job_is_in_progress_first(call: Any, org: Org, clock: Any) -> None:
    org.settings.extra.update(bulk_polls=1, bulk_seconds=30)
    job = start(call)
    states = [call("GET", f"jobs/query/{job['id']}").json()["state"] for _ in range(2)]
    clock.advance(seconds=31)
    assert [*states, call("GET", f"jobs/query/{job['id']}").json()["state"]] == [
        "InProgress",
        "InProgress",
        "JobComplete",
    ]


def test_every_page_has_the_header_its_count_and_the_way_on(call: Any, accounts: list[str]) -> None:
    job = done(call)
    found: list[str] = []
    locator, sizes = "", []
    while locator != "null":
        response = call(
            "GET", f"jobs/query/{job}/results?maxRecords=10" + (f"&locator={locator}" if locator else "")
        )
        assert response.header("Content-Type") == "text/csv"
        rows = parsed(response.content())
        assert response.content().startswith(b'"Id","Name"\n')
        assert response.header("Sforce-NumberOfRecords") == str(len(rows))
        sizes.append(len(rows))
        found += [row["Id"] for row in rows]
        locator = response.header("Sforce-Locator")
    assert sizes == [10, 10, 5]
    assert sorted(found) == accounts


def test_no_rows_still_give_the_header(call: Any) -> None:
    job = done(call, "SELECT Id, Owner.Name FROM Account WHERE Name = 'Nobody'")
    response = call("GET", f"jobs/query/{job}/results")
    assert response.content() == b'"Id","Owner.Name"\n'
    assert (response.header("Sforce-NumberOfRecords"), response.header("Sforce-Locator")) == ("0", "null")


def test_cells_are_quoted_nulls_empty_amounts_scientific_and_times_in_z(call: Any) -> None:
    job = done(
        call,
        "SELECT Name, AnnualRevenue, Phone, IsDeleted, SystemModstamp FROM Account WHERE Name IN ('A00', 'A12')",
    )
    assert call("GET", f"jobs/query/{job}/results").content().decode().splitlines()[1:] == [
        '"A00","0.0","","false","2027-01-01T03:00:00.123Z"',
        '"A12","1.2E7","","false","2027-01-01T03:00:00.123Z"',
    ]


def test_delimiter_and_line_ending_are_the_declared_ones(call: Any) -> None:
    job = done(call, "SELECT Id, Name FROM Account LIMIT 1", columnDelimiter="PIPE", lineEnding="CRLF")
    lines = call("GET", f"jobs/query/{job}/results").content().split(b"\r\n")
    assert lines[0] == b'"Id"|"Name"'
    assert len(lines) == 3


def test_pages_for_parallel_reading_come_five_at_a_time(call: Any, accounts: list[str]) -> None:
    job = done(call)
    first = call("GET", f"jobs/query/{job}/resultPages?maxRecords=4").json()
    assert (len(first["resultPages"]), first["done"]) == (5, False)
    second = call("GET", first["nextRecordsUrl"]).json()
    assert (len(second["resultPages"]), second["done"]) == (2, True)
    assert "nextRecordsUrl" not in second
    urls = [each["resultUrl"] for page in (first, second) for each in page["resultPages"]]
    assert sorted(row["Id"] for url in urls for row in parsed(call("GET", url).content())) == accounts


def test_results_may_come_compressed(call: Any, org: Org) -> None:
    job = done(call)
    response = call("GET", f"jobs/query/{job}/results", headers={"Accept-Encoding": "gzip"})
    assert response.header("Content-Encoding") == "gzip"
    assert len(parsed(gzip.decompress(response.content()))) == 25


def test_rows_come_in_another_order_when_the_org_is_told_to_show_it(
    call: Any, org: Org, accounts: list[str]
) -> None:
    org.settings.extra["bulk_shuffle"] = 3
    rows = parsed(call("GET", f"jobs/query/{done(call)}/results").content())
    again = parsed(call("GET", f"jobs/query/{done(call)}/results").content())
    assert rows == again
    assert [row["Id"] for row in rows] != accounts
    assert sorted(row["Id"] for row in rows) == accounts


@pytest.mark.parametrize(
    ("statement", "code", "message"),
    [
        ("SELECT COUNT() FROM Account", "API_ERROR", "Aggregate Relationships not supported in Bulk Query"),
        ("SELECT Type, COUNT(Id) FROM Account GROUP BY Type", "API_ERROR", "Aggregate Relationships"),
        ("SELECT Id, (SELECT Id FROM Contacts) FROM Account", "API_ERROR", "Aggregate Relationships"),
        ("SELECT Id FROM Account LIMIT 1 OFFSET 1", "API_ERROR", "OFFSET"),
        (
            "SELECT BillingAddress FROM Account",
            "API_ERROR",
            "Selecting compound data not supported in Bulk Query",
        ),
        ("SELECT FIELDS(ALL) FROM Account LIMIT 1", "API_ERROR", "FIELDS(ALL)"),
        ("SELECT TYPEOF What WHEN Account THEN Id END FROM Task", "API_ERROR", "TYPEOF"),
        (
            "SELECT Id FROM TaskStatus",
            "INVALIDENTITY",
            "Entity 'TaskStatus' is not supported by the Bulk API",
        ),
        ("SELECT Nope__c FROM Account", "INVALID_FIELD", "No such column 'Nope__c'"),
        ("SELECT Id FORM Account", "MALFORMED_QUERY", "unexpected token: 'FORM'"),
        ("", "INVALIDJOB", "No query"),
    ],
)
def test_what_bulk_does_not_do_is_refused_when_the_job_is_made(
    call: Any, statement: str, code: str, message: str
) -> None:
    response = call("POST", "jobs/query", json={"operation": "query", "query": statement})
    (error,) = response.json()
    assert (response.status, error["errorCode"]) == (400, code)
    assert message in error["message"]


def test_results_are_read_through_the_version_the_job_was_made_with(call: Any) -> None:
    job = done(call)
    assert call("GET", f"/services/data/v67.0/jobs/query/{job}/results").status == 409


def test_results_of_an_unfinished_job_are_refused(call: Any, org: Org) -> None:
    org.settings.extra["bulk_polls"] = 5
    response = call("GET", f"jobs/query/{start(call)['id']}/results")
    assert (response.status, response.json()[0]["errorCode"]) == (400, "INVALIDJOBSTATE")


def test_all_standard_fields_come_without_the_compound_ones(call: Any) -> None:
    (row, *_) = parsed(
        call("GET", f"jobs/query/{done(call, 'SELECT FIELDS(STANDARD) FROM Account')}/results").content()
    )
    assert {"Id", "BillingCity"} < set(row)
    assert "BillingAddress" not in row


def test_a_failed_job_says_why(call: Any, org: Org) -> None:
    org.settings.extra["bulk_query_error"] = "InternalServerError : gone"
    info = call("GET", f"jobs/query/{start(call)['id']}").json()
    assert (info["state"], info["errorMessage"]) == ("Failed", "InternalServerError : gone")


def test_jobs_are_aborted_deleted_and_listed(call: Any, org: Org) -> None:
    job = start(call)["id"]
    assert call("DELETE", f"jobs/query/{job}").status == 400
    assert call("PATCH", f"jobs/query/{job}", json={"state": "Aborted"}).json()["state"] == "Aborted"
    assert call("PATCH", f"jobs/query/{job}", json={"state": "Aborted"}).status == 400
    assert call("GET", "jobs/query?jobType=V2Query").json()["records"][0]["id"] == job
    assert call("GET", "jobs/query?jobType=Classic").json()["records"] == []
    assert call("DELETE", f"jobs/query/{job}").status == 204
    assert call("GET", f"jobs/query/{job}").status == 404


@pytest.mark.parametrize("query", ["maxRecords=0", "maxRecords=x", "locator=%21", "locator=OTk5"])
def test_a_page_that_cannot_be_is_refused(call: Any, query: str) -> None:
    assert call("GET", f"jobs/query/{done(call)}/results?{query}").status == 400


# -- cells -------------------------------------------------------------------------------------------------

WHOLE = st.integers(-(2**62), 2**62)
CENTURIES = st.integers(-2_208_988_800_000, 4_102_444_800_000)
CELLS = st.one_of(
    st.tuples(st.just("string"), st.just(0), st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0"))),
    st.tuples(st.sampled_from(["currency", "double", "percent"]), st.sampled_from([0, 1, 2, 6, 9]), st.none() | WHOLE),
    st.tuples(st.just("double"), st.just(2), st.integers(999_999_990, 1_000_000_010)),
    st.tuples(st.just("currency"), st.integers(0, 4), st.integers(-(10**11), 10**11)),
    st.tuples(st.just("int"), st.just(0), st.none() | st.integers(-(2**31), 2**31)),
    st.tuples(st.just("boolean"), st.just(0), st.sampled_from([0, 1])),
    st.tuples(st.just("datetime"), st.just(0), st.none() | CENTURIES),
    st.tuples(st.just("date"), st.just(0), st.none() | st.dates().map(str)),
)  # fmt: skip


def field_of(kind: str, scale: int) -> Field:
    return make_field({"name": "X", "type": kind, "label": "X", "scale": scale})


@settings(deadline=None)
@given(st.lists(CELLS, min_size=1, max_size=4))
def test_sqlite_writes_a_cell_as_the_wire_rules_say(cells: list[tuple[str, int, Any]]) -> None:
    connection = sqlite3.connect(":memory:")
    csv_text.register(connection)
    fields = [field_of(kind, scale) for kind, scale, _ in cells]
    columns = [Column(f"?{number}", field, "X") for number, field in enumerate(fields, 1)]
    values = [value for _, _, value in cells]
    (line,) = connection.execute(f"SELECT {csv_text.line(columns, ',', chr(10))}", values).fetchone()
    connection.close()
    (read,) = csv.reader(io.StringIO(line, newline=""))
    assert read == [wire.bulk_value(field, value) for field, value in zip(fields, values, strict=True)]


def test_a_line_may_have_more_cells_than_a_function_has_arguments() -> None:
    columns = [Column(f"'{number}'", field_of("string", 0), "X") for number in range(250)]
    (line,) = (
        sqlite3.connect(":memory:")
        .execute(f"SELECT {csv_text.line(columns, '|', chr(13) + chr(10))}")
        .fetchone()
    )
    assert line == "|".join(f'"{number}"' for number in range(250)) + "\r\n"
