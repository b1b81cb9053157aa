"""The session: expired tokens, refused hosts, retries, deadlines, quota, and nothing secret in what it says."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from connector.config import OrgSettings
from connector.errors import (
    Ambiguous,
    AuthenticationFailed,
    Misconfigured,
    QuotaReached,
    SyncError,
    Transient,
    UnknownReply,
)
from connector.hosts import HostRefused, check_origin, check_path
from connector.usage import Meter, parse_app_limit, parse_limit_info

SOQL = "SELECT Id FROM Account"
NO_ROWS = {"totalSize": 0, "done": True, "records": []}
SECRET_SOQL = "SELECT Id FROM Account WHERE Name = 'canary-person'"


def test_any_401_is_one_login_and_one_replay(scripted: Any, org: Any, make: Any) -> None:
    for code in ("INVALID_SESSION_ID", "INVALID_AUTH_HEADER", "SOMETHING_NEW"):
        scripted.data("GET", "query", make.refusal(code, 401), make.reply(NO_ROWS))
        before = scripted.tokens
        assert next(iter(org.query(SOQL))).table.num_rows == 0
        assert scripted.tokens == before + 1
        used = [a.headers["authorization"] for a in scripted.calls("query")[-2:]]
        assert used[0] != used[1]


def test_a_401_page_for_people_is_an_expired_token_as_well(scripted: Any, org: Any, make: Any) -> None:
    html = make.Reply(401, b"<html>Session expired</html>", {"Content-Type": "text/html"})
    scripted.data("GET", "query", html, make.reply(NO_ROWS))
    list(org.query(SOQL))
    assert scripted.tokens == 2


def test_a_second_401_ends_it(scripted: Any, org: Any, make: Any) -> None:
    scripted.data("GET", "query", make.refusal("INVALID_SESSION_ID", 401))
    with pytest.raises(AuthenticationFailed):
        list(org.query(SOQL))
    assert scripted.tokens == 2
    assert len(scripted.calls("query")) == 2


def test_the_replay_carries_the_same_headers_and_body(scripted: Any, org: Any, make: Any) -> None:
    ok = make.reply(
        {
            "compositeResponse": [
                {
                    "referenceId": "c0",
                    "httpStatusCode": 200,
                    "body": [{"id": "001A", "success": True, "errors": []}],
                }
            ]
        }
    )
    scripted.data("POST", "composite", make.refusal("INVALID_SESSION_ID", 401), ok)
    org.upsert("Account", "Key__c", [{"Key__c": "k"}])
    first, second = scripted.calls("composite")
    assert first.body == second.body
    assert first.json["compositeRequest"][0]["httpHeaders"] == {"Sforce-Auto-Assign": "FALSE"}
    assert (
        second.headers["sforce-call-options"]
        == first.headers["sforce-call-options"]
        == "client=rebate-sync/0.1"
    )


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(scripted: Any, org: Any, make: Any, status: int) -> None:
    scripted.data("GET", "query", make.Reply(status, b"", {"Location": f"{scripted.url}/elsewhere"}))
    with pytest.raises(Misconfigured) as caught:
        list(org.query(SOQL))
    assert caught.value.code == "REDIRECT_REFUSED"
    assert not scripted.calls("/elsewhere")


@pytest.mark.parametrize(
    "address",
    [
        "https://127.0.0.1.evil.example/services/data/v68.0/query",
        "https://evil.example/services/data/v68.0/query",
        "http://{host}/services/data/v68.0/query",
        "https://{host}@evil.example/services/data/v68.0/query",
        "https://{host}/secur/frontdoor.jsp",
    ],
)
def test_an_address_beside_the_org_is_refused_by_the_session_itself(
    scripted: Any, org: Any, address: str
) -> None:
    before = len(scripted.asked)
    with pytest.raises(HostRefused):
        org._session.request("GET", address.format(host=f"127.0.0.1:{scripted.port}"))
    assert len(scripted.asked) == before


HOSTILE = [
    "http://acme.my.salesforce.com",
    "ftp://acme.my.salesforce.com",
    "acme.my.salesforce.com",
    "//acme.my.salesforce.com",
    "https://",
    "https:///services",
    "https://evil.example",
    "https://acme.my.salesforce.com.evil.example",
    "https://evilmy.salesforce.com.example",
    "https://my.salesforce.com@evil.example",
    "https://acme.my.salesforce.com:pw@evil.example",
    "https://evil.example#.my.salesforce.com",
    "https://evil.example?.my.salesforce.com",
    "https://evil.example/.my.salesforce.com",
    "https://evil.example\\.my.salesforce.com",
    "https://evil.example%2f.my.salesforce.com",
    "https://evil.example .my.salesforce.com",
    "https://evil.example\t.my.salesforce.com",
    "https://acme.my.salesforce.com\r\nHost: evil.example",
    "https://acme.my.salesforce.com:8443",
    "https://acme.my.salesforce.com:notaport",
    "https://acme..my.salesforce.com",
    "https://-acme.my.salesforce.com",
    "https://.my.salesforce.com",
    "https://salesforce.com.",
    "https://acme.my.salesforcе.com",
    "https://10.0.0.1",
    "https://169.254.169.254",
    "http://[::ffff:169.254.169.254]",
    "http://127.0.0.1.evil.example",
    "http://localhost.evil.example",
    "http://0.0.0.0:8080",
    "https://xn--slesforce-66a.com",
    "javascript:alert(1)",
    "file:///etc/passwd",
    "",
]


@pytest.mark.parametrize("url", HOSTILE)
def test_a_hostile_instance_url_is_refused(url: str) -> None:
    with pytest.raises(HostRefused):
        check_origin(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://acme.my.salesforce.com",
        "https://acme--uat.sandbox.my.salesforce.com/",
        "https://login.salesforce.com",
        "https://ACME.my.salesforce.com:443/services/oauth2/token",
        "https://agency.my.salesforce.mil",
        "https://acme.my.sfcrmproducts.cn",
    ],
)
def test_salesforces_own_domains_are_accepted(url: str) -> None:
    assert check_origin(url).startswith("https://")
    assert check_origin(url) == check_origin(url).lower()


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:9", "https://127.0.0.1:8443"]
)
def test_loopback_is_spoken_to_as_written(url: str) -> None:
    assert check_origin(url) == url


def test_the_address_of_the_pages_is_explained() -> None:
    with pytest.raises(HostRefused) as caught:
        check_origin("https://acme.lightning.force.com")
    assert caught.value.hint == "Use https://acme.my.salesforce.com"


@pytest.mark.parametrize(
    "path",
    [
        ".evil.example/x",
        "@evil.example/services/data/v68.0/query/01g",
        "//evil.example/services/data/v68.0/query/01g",
        "https://evil.example/services/data/v68.0/query/01g",
        "/services/data/v68.0/../../secur",
        "/services/data/v68.0//query/01g",
        "/services/oauth2/token",
        "/services/data/v68.0/query/01g\r\nX: y",
        "/services/data/v68.0/query/01g#x",
        "/services/data/v68.0/query/01g%2f..",
    ],
)
def test_a_next_page_outside_the_api_is_refused(scripted: Any, org: Any, make: Any, path: str) -> None:
    with pytest.raises(HostRefused):
        check_path(path)
    scripted.data(
        "GET", "query", make.reply({**NO_ROWS, "totalSize": 5, "done": False, "nextRecordsUrl": path})
    )
    with pytest.raises(HostRefused):
        list(org.query(SOQL))
    with pytest.raises(HostRefused):
        list(org.query(SOQL, locator=path))
    assert len(scripted.calls("query")) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"<html>We are down for maintenance</html>",
        b"",
        b'{"totalSize": 1, "records": [{"Id"',
        b'{"totalSize": NaN}',
        b"\xff\xfe",
    ],
)
def test_a_200_that_is_not_json_is_read_again(scripted: Any, org: Any, make: Any, body: bytes) -> None:
    strange = make.Reply(200, body, {"Content-Type": "application/json"})
    scripted.data("GET", "query", strange, strange, make.reply(NO_ROWS))
    assert next(iter(org.query(SOQL))).table.num_rows == 0
    scripted.data("GET", "query", strange)
    with pytest.raises(Transient) as caught:
        list(org.query(SOQL))
    assert caught.value.code == "NOT_JSON"


def test_waits_grow_with_jitter_and_end_at_the_fifth_attempt(
    scripted: Any, org: Any, make: Any, clock: Any
) -> None:
    scripted.data("GET", "query", make.Reply(502, b"<html>", {"Content-Type": "text/html"}))
    with pytest.raises(Transient) as caught:
        list(org.query(SOQL))
    assert caught.value.code == "HTTP_502"
    assert len(scripted.calls("query")) == 5
    assert len(clock.slept) == 4
    assert all(0 <= wait <= 0.5 * 2**n for n, wait in enumerate(clock.slept))
    assert len(set(clock.slept)) == 4


def test_retry_after_is_waited_for_when_it_is_short(scripted: Any, org: Any, make: Any, clock: Any) -> None:
    scripted.data("GET", "query", make.reply(None, 429, Retry_After="7"), make.reply(NO_ROWS))
    list(org.query(SOQL))
    assert 7 <= clock.slept[0] <= 7.5
    scripted.data("GET", "query", make.reply(None, 503, Retry_After="3600"))
    asked = len(scripted.calls("query"))
    with pytest.raises(Transient) as caught:
        list(org.query(SOQL))
    assert caught.value.retry_after == 3600
    assert len(scripted.calls("query")) == asked + 1


def test_a_call_ends_at_its_deadline(
    scripted: Any, connect: Any, settings: OrgSettings, make: Any, clock: Any
) -> None:
    org = connect(settings)

    def slow(_: Any) -> Any:
        clock.ticks += 100  # of the 120 seconds of a call
        return make.Reply(503, b"", {})

    scripted.data("GET", "query", slow)
    with pytest.raises(Transient):
        list(org.query(SOQL))
    assert len(scripted.calls("query")) == 2


def test_a_create_whose_answer_was_lost_is_ambiguous_and_sent_once(
    scripted: Any, org: Any, make: Any
) -> None:
    scripted.data("POST", "composite", make.Reply(drop=True))
    with pytest.raises(Ambiguous):
        org.create("Task", [{"Subject": "x", "Rebate_Key__c": "k"}], key_field="Rebate_Key__c")
    assert len(scripted.calls("composite")) == 1


@pytest.mark.parametrize("cut", ["drop", "gateway", "empty", "half"])
def test_a_keyed_write_whose_answer_was_lost_is_sent_again(
    scripted: Any, org: Any, make: Any, cut: str
) -> None:
    lost = {
        "drop": make.Reply(drop=True),
        "gateway": make.Reply(504, b"<html>", {}),
        "empty": make.Reply(200, b"", {}),
        "half": make.Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{"),
    }[cut]
    body = [{"id": "001A", "success": True, "created": False, "errors": []}]
    ok = make.reply({"compositeResponse": [{"referenceId": "c0", "httpStatusCode": 200, "body": body}]})
    scripted.data("POST", "composite", lost, ok)
    (row,) = org.upsert("Account", "Key__c", [{"Key__c": "k"}])
    assert row.ok
    assert len(scripted.calls("composite")) == 2
    scripted.data("POST", "composite", lost)
    with pytest.raises(Ambiguous):
        org.upsert("Account", "Key__c", [{"Key__c": "k"}])


def test_a_request_that_never_left_is_transient_even_for_a_create(
    connect: Any, settings: OrgSettings, scripted: Any
) -> None:
    org = connect(settings)
    org.close()
    scripted.close()
    with pytest.raises(Transient) as caught:
        org.create("Task", [{"Subject": "x"}])
    assert caught.value.code == "NO_CONNECTION"
    assert caught.value.sent is False


def test_an_unknown_code_is_a_loud_failure(scripted: Any, org: Any, make: Any, events: list[Any]) -> None:
    scripted.data("GET", "query", make.refusal("BRAND_NEW_CODE", 400))
    with pytest.raises(UnknownReply) as caught:
        list(org.query(SOQL))
    assert caught.value.code == "BRAND_NEW_CODE"
    assert [e["code"] for e in events if e["event"] == "org.unknown_reply"] == ["BRAND_NEW_CODE"]


def test_one_connection_serves_call_after_call_and_no_cookie_comes_back(
    scripted: Any, org: Any, make: Any
) -> None:
    scripted.data("GET", "query", make.reply(NO_ROWS, Set_Cookie="BrowserId=canary; Path=/"))
    for _ in range(5):
        list(org.query(SOQL))
    assert len(scripted._threads) == 1
    assert all("cookie" not in asked.headers for asked in scripted.asked)


# --- quota ----------------------------------------------------------------------------------------------
def test_the_days_limit_is_quota_and_the_limit_on_long_calls_is_transient(
    scripted: Any, org: Any, make: Any
) -> None:
    scripted.limit_info = "api-usage=5000/5000"
    scripted.data("GET", "query", make.refusal("REQUEST_LIMIT_EXCEEDED", 403))
    org._session.meter._org = None  # as in a process that has not yet heard of the day
    with pytest.raises(QuotaReached):
        list(org.query(SOQL))
    scripted.limit_info = "api-usage=18/5000"
    org._session.meter._org = None
    scripted.data("GET", "query", make.refusal("REQUEST_LIMIT_EXCEEDED", 403), make.reply(NO_ROWS))
    list(org.query(SOQL))


@pytest.mark.parametrize(
    ("header", "org", "app"),
    [
        ("api-usage=18/5000", (18, 5000), None),
        (
            "api-usage=25/5000; per-app-api-usage=17/250(appName=sample-app)",
            (25, 5000),
            (17, 250, "sample-app"),
        ),
        ("per-app-api-usage=17/250(appName=a b), API-Usage = 3 / 9", (3, 9), (17, 250, "a b")),
        ("per-app-api-usage=17/250(appName=x)", None, (17, 250, "x")),
        ("nonsense", None, None),
    ],
)
def test_the_limit_header_is_read_in_all_its_forms(header: str, org: Any, app: Any) -> None:
    assert parse_limit_info(header) == org
    assert parse_app_limit(header) == app


def test_our_share_of_the_day_ends_the_run_before_the_call(scripted: Any, org: Any, make: Any) -> None:
    scripted.limit_info = "api-usage=900/1000"
    scripted.data("GET", "query", make.reply(NO_ROWS))
    list(org.query(SOQL))
    assert org.usage.budget_left == 50  # up to the reserve of five percent, though our share is 200
    scripted.limit_info = "api-usage=950/1000"
    list(org.query(SOQL))
    asked = len(scripted.asked)
    with pytest.raises(QuotaReached) as caught:
        list(org.query(SOQL))
    assert caught.value.code == "ORG_NEARLY_EXHAUSTED"
    assert len(scripted.asked) == asked


def test_calls_of_earlier_runs_count_against_the_share() -> None:
    meter = Meter(share=0.2, calls_before=198)
    meter.hear("api-usage=300/1000")
    meter.check("query")
    for _ in range(2):
        meter.count("query")
    meter.check("login")
    with pytest.raises(QuotaReached) as caught:
        meter.check("query")
    assert caught.value.code == "API_BUDGET_SHARE"


def test_calls_are_counted_by_kind_and_logins_are_free(scripted: Any, org: Any, make: Any) -> None:
    scripted.data("GET", "query", make.Reply(503, b"", {}), make.reply(NO_ROWS))
    list(org.query(SOQL))
    assert org.usage.by_kind == {"login": 1, "query": 2, "versions": 1}
    assert org.usage.calls == 2
    assert (org.usage.org_used, org.usage.org_max) == (18, 5000)


# --- the org's clock ------------------------------------------------------------------------------------
def test_server_time_is_the_last_date_header_while_it_is_fresh(scripted: Any, org: Any, clock: Any) -> None:
    scripted.date = lambda: clock.at + timedelta(hours=1)
    asked = len(scripted.asked)
    assert org.server_time() == clock.at
    assert len(scripted.asked) == asked
    clock.sleep(61)
    assert org.server_time() == clock.at + timedelta(hours=1)
    assert org.usage.calls == 0


def test_an_org_without_a_clock_is_an_error(scripted: Any, settings: OrgSettings, connect: Any) -> None:
    scripted.date = None
    with pytest.raises(Transient, match="NO_DATE"):
        connect(settings).server_time()


# --- nothing secret -------------------------------------------------------------------------------------
def test_nothing_secret_or_personal_is_in_errors_logs_or_reprs(
    scripted: Any,
    connect: Callable[..., Any],
    settings: OrgSettings,
    make: Any,
    events: list[Any],
    private_key: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("urllib3").setLevel(logging.DEBUG)
    said: list[str] = []
    org = connect(settings)
    echo = "canary-person in canary-token-1: SELECT … WHERE Name = 'canary-person'"
    for answer in (
        make.refusal("MALFORMED_QUERY", 400, echo),
        make.refusal("INVALID_FIELD", 400, echo),
        make.refusal("INVALID_SESSION_ID", 401, echo),
        make.refusal("NEW_CODE", 400, echo),
        make.Reply(500, echo.encode(), {}),
        make.Reply(200, echo.encode(), {}),
        make.Reply(drop=True),
        make.Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + echo.encode()),
    ):
        scripted.data("GET", "query", answer)
        with pytest.raises(SyncError) as caught:
            list(org.query(SECRET_SOQL))
        error: BaseException | None = caught.value
        assert error is not None
        assert error.__cause__ is None
        assert (
            error.__suppress_context__
            or error.__context__ is None
            or isinstance(error.__context__, SyncError)
        )
        said += [str(error), repr(error), repr(error.args), str(vars(error)), caught.value.hint]
    said += [repr(org), repr(org._session), repr(org._session.tokens), repr(org._session.tokens.current())]
    said += [repr(settings), str(events), caplog.text, *capfd.readouterr()]
    text = "\n".join(said)
    assert "canary" not in text
    assert "SELECT" not in text
    assert private_key[40:80] not in text
