"""Bulk queries: verified pages or an error that says what to do; never fewer rows in silence."""

from __future__ import annotations

from typing import Any

import pytest

from connector.bulk_jobs import JobGone
from connector.config import OrgSettings
from connector.errors import BulkJobFailed, Misconfigured, StillRunning, Transient, WindowLost

SOQL = "SELECT Id, Order.AccountId, TotalPrice FROM OrderItem"
JOB = "7505g00000AbCdEAAV"
HEADER = '"Id","Order.AccountId","TotalPrice"\n'


def job(state: str, rows: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "id": JOB,
        "operation": "queryAll",
        "object": "OrderItem",
        "state": state,
        "numberRecordsProcessed": rows,
        **more,
    }


def lines(*numbers: int) -> str:
    return HEADER + "".join(f'"802{n}","001","9.0E7"\n' for n in numbers)


@pytest.fixture(params=[0, 2], ids=["no threads", "two threads"])
def bulk_org(request: pytest.FixtureRequest, connect: Any, settings: OrgSettings) -> Any:
    return connect(settings.model_copy(update={"bulk_prefetch": request.param}))


@pytest.fixture
def finished(scripted: Any, make: Any) -> Any:
    def _finished(rows: int, *pages: Any) -> None:
        scripted.data("POST", "jobs/query", make.reply(job("UploadComplete")))
        scripted.data(
            "GET", f"jobs/query/{JOB}", make.reply(job("InProgress")), make.reply(job("JobComplete", rows))
        )
        scripted.data("GET", f"jobs/query/{JOB}/results", *pages)
        scripted.data("DELETE", f"jobs/query/{JOB}", make.reply(None, 204))

    return _finished


def values(org: Any, column: str = "Id", **more: Any) -> list[Any]:
    return [v for page in org.bulk_query(SOQL, **more) for v in page.table[column].to_pylist()]


def test_bytes_that_are_no_utf8_are_replaced_in_their_cell_alone(
    bulk_org: Any, make: Any, finished: Any
) -> None:
    page = make.csv(lines(1, 2, 3), 3, "null")
    page.body = page.body.replace(b"001", b"M\xfcller", 1)
    finished(3, page)
    table = next(bulk_org.bulk_query(SOQL)).table
    assert table["Order.AccountId"].to_pylist() == ["M\ufffdller", "001", "001"]
    assert {str(column.type) for column in table.columns} == {"string"}


def test_a_job_that_was_started_is_read_by_its_id_with_its_counts_checked(
    scripted: Any, bulk_org: Any, make: Any, finished: Any
) -> None:
    finished(3, make.csv(lines(1, 2), 2, "aaa"), make.csv(lines(3), 1, "null"))
    assert bulk_org.bulk_start(SOQL, include_deleted=True) == JOB
    pages = bulk_org.bulk_read(SOQL, JOB)
    assert [v for page in pages for v in page.table["Id"].to_pylist()] == ["8021", "8022", "8023"]


def test_a_started_job_that_lost_rows_says_so(scripted: Any, bulk_org: Any, make: Any, finished: Any) -> None:
    finished(3, make.csv(lines(1, 2), 2, "null"))
    with pytest.raises(WindowLost, match="ROWS_MISSING"):
        list(bulk_org.bulk_read(SOQL, bulk_org.bulk_start(SOQL)))


def test_pages_follow_their_locators_and_the_job_is_tidied_away(
    scripted: Any, bulk_org: Any, make: Any, finished: Any
) -> None:
    finished(
        5,
        make.csv(lines(1, 2), 2, "aaa"),
        make.csv(lines(3, 4), 2, "bbb/+"),
        make.csv(lines(5), 1, "null"),
    )
    told: list[str] = []
    assert values(bulk_org, include_deleted=True, on_job=told.append) == [
        "8021",
        "8022",
        "8023",
        "8024",
        "8025",
    ]
    assert told == [JOB]
    created = scripted.calls("jobs/query", "POST")[0].json
    assert created == {
        "operation": "queryAll", "query": SOQL, "contentType": "CSV", "columnDelimiter": "COMMA", "lineEnding": "LF"
    }  # fmt: skip
    assert [a.params for a in scripted.calls(f"jobs/query/{JOB}/results")] == [
        {"maxRecords": "50000"},
        {"maxRecords": "50000", "locator": "aaa"},
        {"maxRecords": "50000", "locator": "bbb/+"},
    ]
    assert len(scripted.calls(f"jobs/query/{JOB}", "DELETE")) == 1


@pytest.mark.parametrize("body", ["", HEADER])
def test_a_result_without_rows_is_one_whether_or_not_it_names_its_columns(
    scripted: Any, bulk_org: Any, make: Any, finished: Any, body: str
) -> None:
    finished(0, make.csv(body, 0, "null"))
    (page,) = bulk_org.bulk_query(SOQL)
    assert page.table.num_rows == 0
    assert page.table.column_names == ["Id", "Order.AccountId", "TotalPrice"]
    assert len(scripted.calls(f"jobs/query/{JOB}/results")) == 1


@pytest.mark.parametrize(("body", "stated"), [("", 1), ("\n", 0)])
def test_a_result_without_columns_is_cut_unless_it_is_empty_and_says_that_it_has_no_rows(
    bulk_org: Any, make: Any, finished: Any, body: str, stated: int
) -> None:
    finished(stated, make.csv(body, stated, "null"))
    with pytest.raises(Transient, match="CSV_CUT"):
        values(bulk_org)


def test_an_empty_result_of_a_job_that_found_rows_lacks_them(bulk_org: Any, make: Any, finished: Any) -> None:
    finished(3, make.csv("", 0, "null"))
    with pytest.raises(WindowLost, match="ROWS_MISSING"):
        values(bulk_org)


def test_the_id_is_told_before_anything_is_waited_for(
    scripted: Any, bulk_org: Any, make: Any, finished: Any
) -> None:
    finished(0, make.csv(HEADER, 0))

    def stop(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        values(bulk_org, on_job=stop)
    assert not scripted.calls(f"jobs/query/{JOB}")


def test_a_job_is_taken_up_by_its_id(scripted: Any, bulk_org: Any, make: Any, finished: Any) -> None:
    finished(1, make.csv(lines(1), 1))
    assert values(bulk_org, job_id=JOB) == ["8021"]
    assert not scripted.calls("jobs/query", "POST")


def test_everything_is_text_empty_is_null_and_breaks_stay_inside(
    bulk_org: Any, make: Any, finished: Any
) -> None:
    text = HEADER + '"a","","9.0E7"\n"NA","line 1\nline ""2"", x\u2028y","NaN"\n"null\0","Zürich",""\n'
    finished(3, make.csv(text, 3))
    (page,) = bulk_org.bulk_query(SOQL)
    assert page.table.to_pydict() == {
        "Id": ["a", "NA", "null"],
        "Order.AccountId": [None, 'line 1\nline "2", x\u2028y', "Zürich"],
        "TotalPrice": ["9.0E7", "NaN", None],
    }


def test_columns_are_found_by_name_not_by_place(bulk_org: Any, make: Any, finished: Any) -> None:
    finished(1, make.csv('"TotalPrice","ORDER.accountid","Id"\n"1","001","802"\n', 1))
    (page,) = bulk_org.bulk_query(SOQL)
    assert page.table.to_pylist() == [{"Id": "802", "Order.AccountId": "001", "TotalPrice": "1"}]


def test_no_rows_is_a_page_without_rows(bulk_org: Any, make: Any, finished: Any) -> None:
    finished(0, make.csv(HEADER, 0))
    (page,) = bulk_org.bulk_query(SOQL)
    assert page.table.num_rows == 0
    assert page.table.column_names == ["Id", "Order.AccountId", "TotalPrice"]


WHOLE = lines(*range(10))
CUT_AT_A_LINE = lines(*range(4))
CUT_IN_A_LINE = WHOLE[:-12]


def framed(framing: str, text: str) -> bytes:
    """A reply of ten rows that breaks off, in the three ways HTTP can end a body."""
    body = text.encode()
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nSforce-NumberOfRecords: 10\r\nSforce-Locator: null\r\n"
    )
    match framing:
        case "length":
            return f"{head}Content-Length: {len(WHOLE)}\r\n\r\n".encode() + body
        case "chunked":
            return f"{head}Transfer-Encoding: chunked\r\n\r\n{len(WHOLE):x}\r\n".encode() + body
        case _:
            return f"{head}Connection: close\r\n\r\n".encode() + body


@pytest.mark.parametrize("text", [CUT_AT_A_LINE, CUT_IN_A_LINE, HEADER, HEADER[:7], ""])
@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_a_cut_page_is_fetched_again_and_never_taken_for_whole(
    scripted: Any, bulk_org: Any, make: Any, finished: Any, framing: str, text: str
) -> None:
    cut = make.Reply(raw=framed(framing, text))
    finished(10, cut, make.csv(WHOLE, 10))
    assert len(values(bulk_org)) == 10
    finished(10, cut)
    with pytest.raises(Transient):
        values(bulk_org)


def test_a_page_in_the_middle_that_breaks_comes_again_in_its_place(
    bulk_org: Any, make: Any, finished: Any
) -> None:
    cut = make.Reply(raw=framed("close", CUT_AT_A_LINE).replace(b"Locator: null", b"Locator: n3"))
    answers = {
        None: [make.csv(lines(0), 1, "n2")],
        "n2": [
            cut,
            make.Reply(200, WHOLE.encode(), {"Sforce-NumberOfRecords": "10", "Sforce-Locator": "n3"}),
        ],
        "n3": [make.csv(lines(99), 1)],
    }

    def by_locator(asked: Any) -> Any:
        waiting = answers[asked.params.get("locator")]
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    finished(12, by_locator)
    assert values(bulk_org) == ["8020", *(f"802{n}" for n in range(10)), "80299"]


@pytest.mark.parametrize(("rows", "locator"), [(None, "null"), (1, None), (None, None)])
def test_missing_headers_are_no_end_of_the_data(
    bulk_org: Any, make: Any, finished: Any, rows: int | None, locator: str | None
) -> None:
    finished(1, make.csv(lines(1), rows, locator))
    with pytest.raises(Transient, match="HEADERS_MISSING") as caught:
        values(bulk_org)
    assert "proxy" in caught.value.hint


def test_pages_that_do_not_add_up_to_the_job_are_missed(
    scripted: Any, bulk_org: Any, make: Any, finished: Any
) -> None:
    finished(7, make.csv(lines(1, 2), 2))
    with pytest.raises(WindowLost, match="2 of 7"):
        values(bulk_org)
    assert not scripted.calls("jobs/query", "DELETE")


def test_a_locator_that_repeats_itself_is_not_followed_for_ever(
    bulk_org: Any, make: Any, finished: Any
) -> None:
    finished(99, make.csv(lines(1), 1, "same"))
    with pytest.raises(WindowLost, match="LOCATOR_REPEATED"):
        values(bulk_org)


@pytest.mark.parametrize("state", ["Failed", "Aborted"])
def test_a_job_that_failed_names_itself(
    scripted: Any, bulk_org: Any, make: Any, finished: Any, state: str
) -> None:
    finished(0, make.csv(HEADER, 0))
    scripted.data("GET", f"jobs/query/{JOB}", make.reply(job(state, errorMessage="canary SELECT")))
    with pytest.raises(BulkJobFailed) as caught:
        values(bulk_org)
    assert caught.value.job_id == JOB
    assert "canary" not in str(caught.value)
    assert "Bulk Data Load Jobs" in caught.value.hint


def test_waiting_is_quick_at_first_seldom_later_and_ends(
    scripted: Any, bulk_org: Any, make: Any, finished: Any, clock: Any
) -> None:
    finished(0, make.csv(HEADER, 0))
    scripted.data("GET", f"jobs/query/{JOB}", make.reply(job("InProgress")))
    with pytest.raises(StillRunning) as caught:
        values(bulk_org)
    assert caught.value.job_id == JOB
    assert 0.1 < clock.slept[0] < 0.2
    assert max(clock.slept) <= 1, "it looks up every second"
    assert sum(clock.slept) <= 3600
    assert len(scripted.calls(f"jobs/query/{JOB}")) < 140


def test_whoever_looks_up_may_end_the_wait_and_the_job_goes_on(
    scripted: Any, bulk_org: Any, make: Any, finished: Any
) -> None:
    finished(0, make.csv(HEADER, 0))
    scripted.data("GET", f"jobs/query/{JOB}", make.reply(job("InProgress")))
    looks = []

    def enough() -> None:
        looks.append(1)
        if len(looks) == 30:
            raise TimeoutError("the run is over")

    bulk_org.while_waiting(enough)
    with pytest.raises(TimeoutError):
        values(bulk_org)
    assert not scripted.calls("jobs/query", "PATCH")
    assert not scripted.calls("jobs/query", "DELETE")


def test_nobody_waits_for_an_org_that_was_closed(
    scripted: Any, bulk_org: Any, make: Any, finished: Any
) -> None:
    finished(0, make.csv(HEADER, 0))
    scripted.data("GET", f"jobs/query/{JOB}", make.reply(job("InProgress")))
    bulk_org.while_waiting(bulk_org.close)
    with pytest.raises(StillRunning):
        values(bulk_org)
    assert len(scripted.calls(f"jobs/query/{JOB}")) < 3


def test_trouble_while_looking_does_not_touch_the_job(
    scripted: Any, bulk_org: Any, make: Any, finished: Any
) -> None:
    finished(1, make.csv(lines(1), 1))
    trouble = make.Reply(503, b"<html>", {})
    scripted.data("GET", f"jobs/query/{JOB}", *[trouble] * 8, make.reply(job("JobComplete", 1)))
    assert values(bulk_org) == ["8021"]
    assert not scripted.calls("jobs/query", "PATCH")


def test_a_token_that_expires_between_pages_costs_one_login(
    scripted: Any, bulk_org: Any, make: Any, finished: Any
) -> None:
    finished(2, make.csv(lines(1), 1, "n2"), make.refusal("INVALID_AUTH_HEADER", 401), make.csv(lines(2), 1))
    assert values(bulk_org) == ["8021", "8022"]
    assert scripted.tokens == 2


def test_a_job_that_is_gone_needs_a_new_one(scripted: Any, bulk_org: Any, make: Any) -> None:
    scripted.data("GET", "jobs/query", make.refusal("NOT_FOUND", 404))
    with pytest.raises(JobGone):
        values(bulk_org, job_id=JOB)


@pytest.mark.parametrize("status", [404, 409, 410])
def test_results_that_are_gone_begin_the_window_again(
    bulk_org: Any, make: Any, finished: Any, status: int
) -> None:
    finished(1, make.refusal("NOT_FOUND", status))
    with pytest.raises(WindowLost):
        values(bulk_org)


def test_an_object_without_bulk_is_a_matter_of_configuration(scripted: Any, bulk_org: Any, make: Any) -> None:
    scripted.data(
        "POST", "jobs/query", make.refusal("INVALIDENTITY", 400, "Entity 'OrderStatus' is not supported")
    )
    with pytest.raises(Misconfigured):
        values(bulk_org)


@pytest.mark.parametrize(
    "body", [{"id": JOB, "state": "Sleeping"}, {"id": "../x", "state": "Open"}, [], {"state": "Open"}]
)
def test_a_job_that_is_none_is_refused(scripted: Any, bulk_org: Any, make: Any, body: Any) -> None:
    from connector.errors import SyncError

    scripted.data("POST", "jobs/query", make.reply(body))
    with pytest.raises(SyncError):
        values(bulk_org)
    assert not scripted.calls("jobs/query", "GET")


def test_a_failed_tidying_up_is_only_logged(
    scripted: Any, bulk_org: Any, make: Any, finished: Any, events: list[Any]
) -> None:
    finished(1, make.csv(lines(1), 1))
    scripted.data("DELETE", f"jobs/query/{JOB}", make.refusal("INVALIDJOBSTATE"))
    assert values(bulk_org) == ["8021"]
    assert [e["job"] for e in events if e["event"] == "bulk.job_not_deleted"] == [JOB]


def test_a_reader_who_stops_early_leaves_no_thread_behind(bulk_org: Any, make: Any, finished: Any) -> None:
    import threading

    finished(99, *[make.csv(lines(n), 1, f"n{n}") for n in range(20)])
    pages = bulk_org.bulk_query(SOQL)
    next(pages)
    pages.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("bulk-page")]
