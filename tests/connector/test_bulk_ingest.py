"""Bulk upserts: exact files, every row answered for by its key, taken up from any state."""

from __future__ import annotations

import csv
import io
import random
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.bulk_jobs import JobGone
from connector.errors import Ambiguous, Misconfigured, RowRefused, StillRunning, Transient
from connector.upload_csv import uploads

JOB = "7505g00000AbCdEAAV"
OBJECT = "Rebate_Standing__c"


def job(state: str, **more: Any) -> dict[str, Any]:
    return {"id": JOB, "operation": "upsert", "object": OBJECT, "state": state, "contentUrl": f"services/data/v68.0/jobs/ingest/{JOB}/batches", **more}  # fmt: skip


def records(count: int) -> list[dict[str, Any]]:
    return [{"Rebate_Key__c": f"RB-{n:03d}", "Amount__c": Decimal(n), "Name": None} for n in range(count)]


class Ingest:
    """An ingest job that answers each key as told: ok (default), failed, unprocessed."""

    def __init__(self, scripted: Any, make: Any) -> None:
        self.scripted, self.make = scripted, make
        self.state = "Open"
        self.final = "JobComplete"
        self.outcome: dict[str, str] = {}
        self.lost: set[str] = set()
        self.content = b""
        scripted.data("POST", "jobs/ingest", self.create)
        scripted.data("PUT", f"jobs/ingest/{JOB}/batches", self.upload)
        scripted.data("PATCH", f"jobs/ingest/{JOB}", self.close)
        scripted.data("GET", f"jobs/ingest/{JOB}", self.look)
        scripted.data("DELETE", f"jobs/ingest/{JOB}", make.reply(None, 204))
        for name in ("successfulResults", "failedResults", "unprocessedrecords"):
            scripted.data("GET", f"jobs/ingest/{JOB}/{name}", self.results)

    def create(self, _: Any) -> Any:
        self.state = "Open"
        return self.make.reply(job("Open"))

    def upload(self, asked: Any) -> Any:
        if self.content:
            return self.make.refusal("INVALIDJOBSTATE", 400)
        self.content = asked.body
        return self.make.reply(None, 201)

    def close(self, asked: Any) -> Any:
        self.state = asked.json["state"]
        return self.make.reply(job(self.state))

    def look(self, _: Any) -> Any:
        shown, self.state = self.state, self.final if self.state != "Open" else "Open"
        return self.make.reply(job(shown))

    def results(self, asked: Any) -> Any:
        kind = asked.path.rstrip("/").rsplit("/", 1)[1]
        rows = list(csv.DictReader(io.StringIO(self.content.decode(), newline="")))
        random.Random(1).shuffle(rows)
        out = io.StringIO()
        extra = {
            "successfulResults": ["sf__Id", "sf__Created"],
            "failedResults": ["sf__Id", "sf__Error"],
        }.get(kind, [])
        names = [*extra, *(rows[0] if rows else [])]
        writer = csv.DictWriter(out, names, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            key = row["Rebate_Key__c"]
            outcome = self.outcome.get(key, "ok")
            if key in self.lost:
                continue
            if outcome == "ok" and kind == "successfulResults":
                writer.writerow({**row, "sf__Id": f"a01-{key}", "sf__Created": "true"})
            elif outcome == "unprocessed" and kind == "unprocessedrecords":
                writer.writerow(row)
            elif outcome not in {"ok", "unprocessed"} and kind == "failedResults":
                writer.writerow({**row, "sf__Id": "", "sf__Error": outcome})
        return self.make.csv(out.getvalue(), None, None)


@pytest.fixture
def ingest(scripted: Any, make: Any) -> Ingest:
    return Ingest(scripted, make)


def test_results_come_in_any_order_and_are_matched_by_key(org: Any, ingest: Ingest) -> None:
    ingest.outcome = {
        "RB-003": "FIELD_CUSTOM_VALIDATION_EXCEPTION:Ratio 1:2: not allowed:Amount__c Name --",
        "RB-005": "UNABLE_TO_LOCK_ROW:unable to obtain exclusive access:--",
    }
    told: list[str] = []
    results = org.bulk_upsert(OBJECT, "Rebate_Key__c", records(8), on_job=told.append)
    assert told == [JOB]
    assert [r.key for r in results] == [f"RB-{n:03d}" for n in range(8)]
    assert [r.ok for r in results] == [n not in {3, 5} for n in range(8)]
    assert results[0].id == "a01-RB-000"
    assert results[0].created
    assert results[3].code == "FIELD_CUSTOM_VALIDATION_EXCEPTION"
    assert results[3].message == "Ratio 1:2: not allowed"
    assert results[3].fields == ("Amount__c", "Name")
    assert results[3].next_step is RowRefused
    assert results[5].next_step is Transient
    assert results[5].fields == ()


def test_the_id_is_told_before_the_upload(scripted: Any, org: Any, ingest: Ingest) -> None:
    def stop(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        org.bulk_upsert(OBJECT, "Rebate_Key__c", records(2), on_job=stop)
    assert not scripted.calls("jobs/ingest", "PUT")


def test_a_key_that_the_org_does_not_know_is_named(scripted: Any, org: Any, make: Any) -> None:
    scripted.data("POST", "jobs/ingest", make.refusal("INVALIDJOB", 400, "canary"))
    with pytest.raises(Misconfigured, match="an upsert by Rebate_Key__c is not possible") as caught:
        org.bulk_upsert(OBJECT, "Rebate_Key__c", records(2))
    assert "rebates org deploy" in caught.value.hint


def test_the_job_says_what_the_file_is(scripted: Any, org: Any, ingest: Ingest) -> None:
    org.bulk_upsert(OBJECT, "Rebate_Key__c", records(2))
    assert scripted.calls("jobs/ingest", "POST")[0].json == {
        "object": OBJECT, "operation": "upsert", "externalIdFieldName": "Rebate_Key__c",
        "contentType": "CSV", "columnDelimiter": "COMMA", "lineEnding": "LF",
    }  # fmt: skip
    put = scripted.calls("jobs/ingest", "PUT")[0]
    assert put.headers["content-type"] == "text/csv; charset=UTF-8"
    assert (
        put.body.decode() == '"Rebate_Key__c","Amount__c","Name"\n"RB-000","0","#N/A"\n"RB-001","1","#N/A"\n'
    )


@pytest.mark.parametrize("state", ["Open", "UploadComplete", "InProgress", "JobComplete"])
def test_a_job_is_taken_up_from_whatever_state_it_is_in(
    scripted: Any, org: Any, ingest: Ingest, state: str
) -> None:
    if state != "Open":
        org.bulk_upsert(OBJECT, "Rebate_Key__c", records(3))
    before = len(scripted.calls("jobs/ingest", "PUT"))
    ingest.state = state
    results = org.bulk_upsert(OBJECT, "Rebate_Key__c", records(3), job_id=JOB)
    assert all(r.ok for r in results)
    assert len(scripted.calls("jobs/ingest", "PUT")) - before == (1 if state == "Open" else 0)
    assert len(scripted.calls("jobs/ingest", "POST")) == (0 if state == "Open" else 1)


@pytest.mark.parametrize("final", ["Failed", "Aborted"])
def test_a_job_that_stopped_half_way_answers_for_every_row(org: Any, ingest: Ingest, final: str) -> None:
    ingest.final = final
    ingest.outcome = {"RB-001": "STRING_TOO_LONG:x:Name --", "RB-002": "unprocessed"}
    results = org.bulk_upsert(OBJECT, "Rebate_Key__c", records(4))
    assert [r.code for r in results] == [None, "STRING_TOO_LONG", "UNPROCESSED", None]
    assert results[2].next_step is Transient


@pytest.mark.parametrize("doing", ["lost", "twice"])
def test_results_that_do_not_add_up_are_ambiguous(
    scripted: Any, org: Any, ingest: Ingest, doing: str
) -> None:
    if doing == "lost":
        ingest.lost = {"RB-002"}
    else:
        scripted.data("GET", f"jobs/ingest/{JOB}/failedResults", ingest.make.csv('"sf__Id","sf__Error","Rebate_Key__c"\n"","X:--","RB-000"\n'))  # fmt: skip
        ingest.outcome = {"RB-001": "unprocessed"}
        ingest.final = "Failed"
    with pytest.raises(Ambiguous, match="RESULTS_DO_NOT_ADD_UP"):
        org.bulk_upsert(OBJECT, "Rebate_Key__c", records(4))


def test_an_upload_whose_answer_was_lost_is_not_sent_into_a_second_job(
    scripted: Any, org: Any, ingest: Ingest
) -> None:
    def arrived_but_unanswered(asked: Any) -> Any:
        ingest.upload(asked)
        return ingest.make.Reply(drop=True)

    scripted.data("PUT", f"jobs/ingest/{JOB}/batches", arrived_but_unanswered, ingest.upload)
    assert all(r.ok for r in org.bulk_upsert(OBJECT, "Rebate_Key__c", records(3)))
    assert len(scripted.calls("jobs/ingest", "POST")) == 1
    assert len(scripted.calls("jobs/ingest", "PUT")) == 2


@pytest.mark.parametrize("found", ["UploadComplete", "InProgress", "JobComplete"])
def test_a_close_whose_answer_was_lost_goes_on_with_the_job_that_it_closed(
    scripted: Any, org: Any, ingest: Ingest, found: str
) -> None:
    def heard_but_unanswered(_: Any) -> Any:
        ingest.state = found
        return ingest.make.Reply(drop=True)

    refusal = ingest.make.refusal("INVALIDJOBSTATE", 400)
    scripted.data("PATCH", f"jobs/ingest/{JOB}", heard_but_unanswered, refusal)
    assert all(r.ok for r in org.bulk_upsert(OBJECT, "Rebate_Key__c", records(3)))
    assert len(scripted.calls("jobs/ingest", "POST")) == 1


def test_a_close_that_is_refused_while_the_job_is_open_keeps_its_error(
    scripted: Any, org: Any, ingest: Ingest
) -> None:
    scripted.data("PATCH", f"jobs/ingest/{JOB}", ingest.make.refusal("InvalidJobState", 400))
    with pytest.raises(Misconfigured, match="InvalidJobState"):
        org.bulk_upsert(OBJECT, "Rebate_Key__c", records(3))


@pytest.mark.parametrize("found", ["Aborted", "JobComplete"])
def test_an_abort_counts_as_done_only_when_the_job_says_that_it_is_aborted(
    scripted: Any, org: Any, ingest: Ingest, found: str
) -> None:
    def heard_but_unanswered(_: Any) -> Any:
        ingest.state = ingest.final = found
        return ingest.make.Reply(drop=True)

    refusal = ingest.make.refusal("INVALIDJOBSTATE", 400)
    scripted.data("PATCH", f"jobs/ingest/{JOB}", heard_but_unanswered, refusal)
    if found == "Aborted":
        assert org.recover_job(OBJECT, "Rebate_Key__c", JOB) is None
    else:
        with pytest.raises(Misconfigured, match="INVALIDJOBSTATE"):
            org.recover_job(OBJECT, "Rebate_Key__c", JOB)


def test_an_upload_that_is_refused_at_once_is_an_error(scripted: Any, org: Any, ingest: Ingest) -> None:
    scripted.data("PUT", f"jobs/ingest/{JOB}/batches", ingest.make.refusal("INVALIDJOB", 400))
    with pytest.raises(Misconfigured):
        org.bulk_upsert(OBJECT, "Rebate_Key__c", records(3))


def test_trouble_while_looking_never_aborts_the_job(scripted: Any, org: Any, ingest: Ingest) -> None:
    trouble = ingest.make.Reply(503, b"<html>", {})
    scripted.data("GET", f"jobs/ingest/{JOB}", *[trouble] * 12, ingest.look)
    assert all(r.ok for r in org.bulk_upsert(OBJECT, "Rebate_Key__c", records(3)))
    states = [a.json["state"] for a in scripted.calls("jobs/ingest", "PATCH")]
    assert states == ["UploadComplete"]


def test_a_job_that_takes_too_long_is_left_to_the_next_run(
    scripted: Any, org: Any, ingest: Ingest, make: Any
) -> None:
    scripted.data("GET", f"jobs/ingest/{JOB}", make.reply(job("InProgress")))
    with pytest.raises(StillRunning) as caught:
        org.bulk_upsert(OBJECT, "Rebate_Key__c", records(3))
    assert caught.value.job_id == JOB


def test_a_job_that_is_gone_says_so(org: Any, scripted: Any, make: Any) -> None:
    scripted.data("GET", "jobs/ingest", make.refusal("NOT_FOUND", 404))
    with pytest.raises(JobGone):
        org.bulk_upsert(OBJECT, "Rebate_Key__c", records(3), job_id=JOB)


def test_results_are_read_as_utf8_with_breaks_and_odd_separators_inside(org: Any, ingest: Ingest) -> None:
    rows = [{"Rebate_Key__c": "RB-Z\u00fcrich\u2028\x0b", "Name": 'a\r\nb,"c"'}]
    (result,) = org.bulk_upsert(OBJECT, "Rebate_Key__c", rows)
    assert result.ok
    assert result.id == "a01-RB-Zürich\u2028\x0b"


# --- files ----------------------------------------------------------------------------------------------
def test_a_file_never_exceeds_its_limit_and_no_row_is_lost_between_two() -> None:
    files = list(uploads(records(100), "Rebate_Key__c", at_most=600))
    assert len(files) > 3
    assert all(len(file.content) <= 600 for file in files)
    assert [n for file in files for n in file.rows] == list(range(100))
    assert all(file.content.startswith(b'"Rebate_Key__c","Amount__c","Name"\n') for file in files)


def test_a_row_larger_than_the_limit_still_goes_alone() -> None:
    files = list(uploads([{"K": "a", "T": "x" * 500}, {"K": "b", "T": "y"}], "K", at_most=100))
    assert [list(file.rows) for file in files] == [[0], [1]]


def test_the_same_records_make_the_same_bytes_whatever_their_field_order() -> None:
    one = next(uploads([{"K": "a", "B": 1, "A": True}], "K")).content
    two = next(uploads([{"A": True, "B": 1, "K": "a"}], "K")).content
    assert one == two == b'"K","A","B"\n"a","true","1"\n'


def test_nothing_is_no_file() -> None:
    assert list(uploads([], "K")) == []


def test_records_with_different_fields_are_refused() -> None:
    with pytest.raises(Misconfigured, match="differ in B"):
        list(uploads([{"K": "a", "B": "1"}, {"K": "b"}], "K"))


def test_the_null_mark_as_a_text_is_refused() -> None:
    with pytest.raises(Misconfigured, match="#N/A"):
        list(uploads([{"K": "a", "B": "#N/A"}], "K"))


def test_amounts_are_written_without_exponent() -> None:
    row = {"K": "a", "A": Decimal("9.9213206E7"), "B": Decimal("1E-6"), "C": Decimal("9999999999999999.99")}
    assert (
        next(uploads([row], "K")).content.splitlines()[1]
        == b'"a","99213206","0.000001","9999999999999999.99"'
    )


cell = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), max_size=20).filter(
    lambda t: t != "#N/A"
)


@given(
    rows=st.lists(
        st.tuples(cell, st.decimals(allow_nan=False, allow_infinity=False, places=6)), min_size=1, max_size=8
    )
)
def test_any_text_and_amount_comes_back_out_of_the_file(rows: list[tuple[str, Decimal]]) -> None:
    given_rows = [{"K": f"k{n}", "T": text, "A": amount} for n, (text, amount) in enumerate(rows)]
    (file,) = uploads(given_rows, "K")
    back = list(csv.DictReader(io.StringIO(file.content.decode("utf-8"), newline=""), strict=True))
    assert [(row["T"] if row["T"] != "#N/A" else "", Decimal(row["A"])) for row in back] == [
        (t, a) for t, a in rows
    ]


def test_several_files_are_several_jobs_and_a_later_failure_keeps_the_first_results(
    scripted: Any, org: Any, ingest: Ingest, make: Any
) -> None:
    def second_job(_: Any) -> Any:
        return make.refusal("REQUEST_LIMIT_EXCEEDED", 403)

    scripted.data("POST", "jobs/ingest", ingest.create, second_job)
    scripted.limit_info = "api-usage=5000/5000"
    org._session.meter._share = 1.0
    org._session.meter.check = lambda kind: None
    results = org._bulk_ingest.upsert(OBJECT, "Rebate_Key__c", records(6), upload_bytes=110)
    assert [r.ok for r in results[:3]] == [True] * 3
    assert {r.code for r in results[3:]} == {"UNPROCESSED"}
    with pytest.raises(Misconfigured, match="JOB_FOR_MANY_FILES"):
        org._bulk_ingest.upsert(OBJECT, "Rebate_Key__c", records(6), upload_bytes=110, job_id=JOB)
