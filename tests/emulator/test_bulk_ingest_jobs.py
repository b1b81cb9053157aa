"""Bulk API 2.0 ingest: the states of a job, what rows mean, and the three result files."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from emulator.org import Org
from emulator.schema import make_field

ABSENT = "0015g00000000zzAAA"


@pytest.fixture
def keyed(org: Org) -> Org:
    """An org whose accounts have an external id, as a metadata deploy would give them."""
    org.add_field(
        "Account",
        make_field(
            {
                "name": "Erp_Key__c",
                "type": "string",
                "label": "ERP key",
                "length": 40,
                "externalId": True,
                "unique": True,
                "custom": True,
                "idLookup": True,
            }
        ),
    )
    return org


@pytest.fixture(autouse=True)
def everything_visible(org: Org) -> None:
    from emulator.org import OpenAccess

    org.access = OpenAccess()


def start(call: Any, **job: Any) -> dict[str, Any]:
    response = call("POST", "jobs/ingest", json={"object": "Account", "operation": "insert", **job})
    assert response.status == 200, response.content()
    made: dict[str, Any] = response.json()
    return made


def put(call: Any, job_id: str, text: str) -> int:
    headers = {"Content-Type": "text/csv"}
    status: int = call("PUT", f"jobs/ingest/{job_id}/batches", body=text.encode(), headers=headers).status
    return status


def run(call: Any, text: str, **job: Any) -> dict[str, Any]:
    """The job's info after its data was uploaded, closed and looked at once."""
    made = start(call, **job)
    assert put(call, made["id"], text) == 201
    closed = call("PATCH", f"jobs/ingest/{made['id']}", json={"state": "UploadComplete"})
    assert closed.status == 200
    assert closed.json()["state"] == "UploadComplete"
    info: dict[str, Any] = call("GET", f"jobs/ingest/{made['id']}").json()
    return info


def rows(call: Any, job_id: str, which: str) -> list[dict[str, str]]:
    response = call("GET", f"jobs/ingest/{job_id}/{which}")
    assert response.status == 200, response.content()
    return list(csv.DictReader(io.StringIO(response.content().decode(), newline="")))


def test_a_new_job_is_open_and_says_where_its_data_goes(call: Any) -> None:
    job = start(call)
    assert job["state"] == "Open"
    assert job["contentUrl"] == f"services/data/v68.0/jobs/ingest/{job['id']}/batches"
    assert (job["apiVersion"], job["jobType"], job["lineEnding"]) == (68, "V2Ingest", "LF")


def test_inserted_rows_get_ids_and_keep_their_own_columns(call: Any) -> None:
    job = run(call, 'Name,AnnualRevenue\n"Zürich ""AG""",12500000.5\nBern,\n')
    assert (job["state"], job["numberRecordsProcessed"], job["numberRecordsFailed"]) == ("JobComplete", 2, 0)
    done = {row["Name"]: row for row in rows(call, job["id"], "successfulResults/")}
    assert set(done) == {'Zürich "AG"', "Bern"}
    assert done["Bern"]["sf__Created"] == "true"
    record = call.read("Account", done['Zürich "AG"']["sf__Id"])
    assert record["AnnualRevenue"] == pytest.approx(12500001)  # the field has no decimals


def test_a_bad_row_fails_alone_with_code_message_and_field(call: Any) -> None:
    job = run(call, "Name,NumberOfEmployees\nGood,5\n,7\nWrong,many\n")
    assert (job["numberRecordsProcessed"], job["numberRecordsFailed"]) == (3, 2)
    errors = {row["Name"]: row["sf__Error"] for row in rows(call, job["id"], "failedResults")}
    assert errors[""] == "REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --"
    assert errors["Wrong"].startswith("INVALID_TYPE_ON_FIELD_IN_RECORD:")
    assert errors["Wrong"].endswith("NumberOfEmployees --")


def test_empty_leaves_a_field_alone_and_na_clears_it(call: Any) -> None:
    kept = call.create("Account", Name="Kept", Phone="1", Site="S")
    job = run(call, f"Id,Phone,Site\n{kept},,#N/A\n", operation="update")
    assert job["numberRecordsFailed"] == 0
    record = call.read("Account", kept)
    assert (record["Phone"], record["Site"]) == ("1", None)


def test_upsert_says_which_rows_it_created(call: Any, keyed: Org) -> None:
    call.create("Account", Name="Old", Erp_Key__c="E1")
    job = run(
        call,
        "Erp_Key__c,Name\nE1,New name\nE2,Second\n",
        operation="upsert",
        externalIdFieldName="Erp_Key__c",
    )
    assert job["externalIdFieldName"] == "Erp_Key__c"
    created = {row["Erp_Key__c"]: row["sf__Created"] for row in rows(call, job["id"], "successfulResults")}
    assert created == {"E1": "false", "E2": "true"}


def test_a_parent_is_found_by_its_external_id(call: Any, keyed: Org) -> None:
    parent = call.create("Account", Name="Parent", Erp_Key__c="P 1")
    job = run(call, "LastName,Account.Erp_Key__c\nMeier,P 1\nNobody,P 2\n", object="Contact")
    (good,) = rows(call, job["id"], "successfulResults")
    assert call.read("Contact", good["sf__Id"])["AccountId"] == parent
    (bad,) = rows(call, job["id"], "failedResults")
    assert bad["LastName"] == "Nobody"
    assert bad["sf__Error"].startswith("INVALID_FIELD:")


def test_deleting_and_hard_deleting(call: Any, org: Org) -> None:
    one, two = call.create("Account", Name="One"), call.create("Account", Name="Two")
    assert run(call, f"Id\n{one}\n", operation="delete")["numberRecordsFailed"] == 0
    assert run(call, f"Id\n{two}\n{ABSENT}\n", operation="hardDelete")["numberRecordsFailed"] == 1
    stored = org.storage.rows('SELECT "Id", "IsDeleted" FROM "Account"')
    assert stored == [(one, 1)]


def test_every_uploaded_row_is_in_exactly_one_result_file_and_their_order_is_not_kept(call: Any) -> None:
    names = [f"A{number}" if number % 7 else "" for number in range(500)]
    job = run(call, "Name,Site\n" + "".join(f"{name},{number}\n" for number, name in enumerate(names)))
    good = [int(row["Site"]) for row in rows(call, job["id"], "successfulResults")]
    bad = [int(row["Site"]) for row in rows(call, job["id"], "failedResults")]
    assert sorted(good + bad) == list(range(500))
    assert good != sorted(good)
    assert job["numberRecordsProcessed"] == 500
    assert job["numberRecordsFailed"] == len(bad) == 72


@pytest.mark.parametrize(("name", "mark"), [("PIPE", "|"), ("TAB", "\t"), ("SEMICOLON", ";"), ("CARET", "^"), ("BACKQUOTE", "`")])  # fmt: skip
def test_the_declared_delimiter_holds_both_ways(call: Any, name: str, mark: str) -> None:
    job = run(call, f"Name{mark}Site\r\nA,1{mark}x\r\n", columnDelimiter=name, lineEnding="CRLF")
    text = call("GET", f"jobs/ingest/{job['id']}/successfulResults").content().decode()
    assert text.splitlines()[0] == mark.join(['"sf__Id"', '"sf__Created"', '"Name"', '"Site"'])
    assert f'"A,1"{mark}"x"\r\n' in text


@pytest.mark.parametrize(
    ("text", "job", "message"),
    [
        ("Name,Nope__c\nA,1\n", {}, "InvalidBatch : Field name not found : Nope__c"),
        ("Name,name\nA,1\n", {}, "InvalidBatch : Field name duplicated : Name"),
        ("Name\r\nA\r\n", {}, "LineEnding is invalid on user data. Current LineEnding setting is LF"),
        ("Id,Name\n001,A\n", {"operation": "delete"}, "Id column only"),
        ("", {}, "No data was uploaded"),
    ],
)
def test_a_file_that_cannot_be_read_fails_the_job(
    call: Any, text: str, job: dict[str, str], message: str
) -> None:
    info = run(call, text, **job)
    assert info["state"] == "Failed"
    assert message in info["errorMessage"]
    assert info["numberRecordsProcessed"] == 0


def test_a_job_given_up_keeps_what_was_done_and_lists_the_rest(call: Any, org: Org) -> None:
    org.settings.extra["bulk_ingest_stop_after"] = 200
    job = run(call, "Name\n" + "".join(f"A{number}\n" for number in range(450)))
    assert job["state"] == "Failed"
    assert len(rows(call, job["id"], "successfulResults")) == 200
    assert len(rows(call, job["id"], "unprocessedrecords/")) == 250


def test_an_aborted_job_leaves_all_its_rows_unprocessed(call: Any, org: Org) -> None:
    job = start(call)
    put(call, job["id"], "Name\nA\nB\n")
    assert call("PATCH", f"jobs/ingest/{job['id']}", json={"state": "Aborted"}).json()["state"] == "Aborted"
    assert [row["Name"] for row in rows(call, job["id"], "unprocessedrecords")] == ["A", "B"]
    assert org.storage.rows('SELECT 1 FROM "Account"') == []
    again = call("PATCH", f"jobs/ingest/{job['id']}", json={"state": "Aborted"})
    assert (again.status, again.json()[0]["errorCode"]) == (400, "INVALIDJOBSTATE")


def test_a_slow_job_is_seen_in_progress_before_it_is_done(call: Any, org: Org) -> None:
    org.settings.extra["bulk_polls"] = 2
    job = run(call, "Name\nA\n")
    states = [job["state"], *(call("GET", f"jobs/ingest/{job['id']}").json()["state"] for _ in range(3))]
    assert states[0] == "InProgress"
    assert states[-1] == "JobComplete"
    assert call("GET", f"jobs/ingest/{job['id']}/successfulResults").status == 200


def test_results_of_an_unfinished_job_are_refused(call: Any) -> None:
    job = start(call)
    response = call("GET", f"jobs/ingest/{job['id']}/successfulResults")
    assert (response.status, response.json()[0]["errorCode"]) == (400, "INVALIDJOBSTATE")


def test_data_is_uploaded_once_and_only_while_open(call: Any) -> None:
    job = start(call)
    assert put(call, job["id"], "Name\nA\n") == 201
    assert put(call, job["id"], "Name\nA\n") == 400
    call("PATCH", f"jobs/ingest/{job['id']}", json={"state": "UploadComplete"})
    assert put(call, job["id"], "Name\nA\n") == 400


def test_a_small_job_may_bring_its_data_with_it(call: Any) -> None:
    body = (
        b'--XX\r\nContent-Type: application/json\r\nContent-Disposition: form-data; name="job"\r\n\r\n'
        b'{"object":"Account","operation":"insert","contentType":"CSV","lineEnding":"LF"}\r\n'
        b'--XX\r\nContent-Type: text/csv\r\nContent-Disposition: form-data; name="content"; filename="c"\r\n\r\n'
        b"Name\nInline\n\r\n--XX--\r\n"
    )
    made = call(
        "POST", "jobs/ingest", body=body, headers={"Content-Type": 'multipart/form-data; boundary="XX"'}
    ).json()
    assert made["state"] == "UploadComplete"
    assert [row["Name"] for row in rows(call, made["id"], "successfulResults")] == ["Inline"]


@pytest.mark.parametrize(
    ("job", "code"),
    [
        ({"object": "Nope", "operation": "insert"}, "INVALIDENTITY"),
        ({"object": "Account", "operation": "merge"}, "INVALIDJOB"),
        ({"object": "Account", "operation": "upsert"}, "INVALIDJOB"),
        ({"object": "Account", "operation": "upsert", "externalIdFieldName": "Name"}, "INVALIDJOB"),
        ({"object": "Account", "operation": "insert", "columnDelimiter": "COLON"}, "INVALIDJOB"),
        ({"object": "Account", "operation": "insert", "contentType": "JSON"}, "INVALIDJOB"),
    ],
)
def test_jobs_that_cannot_be_are_refused(call: Any, job: dict[str, str], code: str) -> None:
    response = call("POST", "jobs/ingest", json=job)
    assert (response.status, response.json()[0]["errorCode"]) == (400, code)


def test_jobs_are_listed_and_deleted(call: Any) -> None:
    job = run(call, "Name\nA\n")
    listed = call("GET", "jobs/ingest").json()
    assert listed["done"] is True
    assert [each["id"] for each in listed["records"]] == [job["id"]]
    assert call("DELETE", f"jobs/ingest/{job['id']}").status == 204
    assert call("GET", f"jobs/ingest/{job['id']}").status == 404
