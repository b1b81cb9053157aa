"""The edge: versions, addresses, sizes, compression, quota, methods, conditions; in process and over a socket."""

from __future__ import annotations

import gzip
import http.client
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.org import Org
from emulator.pretty import pretty
from emulator.router import Request, Response
from emulator.server import serve, start


def test_versions_are_listed_oldest_first_without_a_login(call):
    for path in ("/services/data", "/services/data/", "/services/DATA"):
        response = call("GET", path, auth=False)
        listed = response.json()
        assert (listed[0]["version"], listed[-1]) == (
            "31.0", {"label": "Winter '27", "url": "/services/data/v68.0", "version": "68.0"},
        )  # fmt: skip
        assert response.header("Sforce-Limit-Info") is None
    assert [each["label"] for each in listed[:4]] == ["Summer '14", "Winter '15", "Spring '15", "Summer '15"]


def test_a_version_lists_its_resources(call):
    found = call("GET", "/services/data/v50.0/").json()
    assert found["sobjects"] == "/services/data/v50.0/sobjects"
    assert found["query"] == "/services/data/v50.0/query"
    assert found["identity"].startswith("http://127.0.0.1:9/id/00D")


@pytest.mark.parametrize(
    ("version", "status"), [("7.0", 410), ("30.0", 410), ("31.0", 200), ("68.0", 200), ("69.0", 404)]
)
def test_old_versions_are_gone_and_future_ones_not_yet_there(call, version, status):
    response = call("GET", f"/services/data/v{version}/limits")
    assert response.status == status


@pytest.mark.parametrize(
    "path", ["LIMITS", "limits/", "SOBJECTS/aCCount/Describe/", "limits/recordCOUNT?sObjects=Account"]
)
def test_case_and_trailing_slash_of_an_address_do_not_matter(call, path):
    assert call("GET", path).status == 200


def test_what_does_not_exist_is_404_and_to_a_stranger_401(call):
    assert call("GET", "nonsense").json() == [
        {"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}
    ]
    assert call("GET", "nonsense", auth=False).status == 401


def test_a_wrong_method_is_405_and_names_the_right_ones(call):
    response = call("PUT", "limits")
    assert response.status == 405
    assert response.json()[0]["errorCode"] == "METHOD_NOT_ALLOWED"
    assert response.json()[0]["message"] == "HTTP Method 'PUT' not allowed. Allowed are GET,HEAD"


def test_a_post_may_stand_for_a_patch(call):
    account = call.create("Account", Name="Acme")
    assert call("POST", f"sobjects/Account/{account}?_HttpMethod=PATCH", json={"Site": "x"}).status == 204
    assert call.read("Account", account)["Site"] == "x"
    assert call("POST", f"sobjects/Account/{account}?_HttpMethod=patch", json={"Site": "y"}).status == 400


def test_a_long_address_is_414_and_long_headers_are_431_in_html(call):
    assert call("GET", "limits?x=" + "a" * 16_384).status == 414
    response = call("GET", "limits?x=" + "a" * 8_000, headers={"X-Big": "b" * 9_000})
    assert response.status == 431
    assert response.content().startswith(b"<h1>Bad Message 431</h1>")
    assert call("GET", "limits?x=" + "a" * 8_000).status == 200


def test_bodies_are_compressed_both_ways(call):
    body = gzip.compress(json.dumps({"Name": "Zürich"}).encode())
    made = call("POST", "sobjects/Account", body=body, headers={"Content-Encoding": "gzip"})
    assert made.status == 201
    response = call("GET", "sobjects/Account/describe", headers={"Accept-Encoding": "gzip, deflate"})
    assert response.header("Content-Encoding") == "gzip"
    assert json.loads(gzip.decompress(response.content()))["name"] == "Account"
    assert call("POST", "sobjects/Account", body=b"junk", headers={"Content-Encoding": "gzip"}).status == 400
    assert call("POST", "sobjects/Account", body=body, headers={"Content-Encoding": "br"}).status == 415


def test_every_counted_call_says_what_is_used_and_the_quota_ends(call, org):
    org.settings.api_max = 3
    seen = [call("GET", "limits") for _ in range(4)]
    assert [each.header("Sforce-Limit-Info") for each in seen] == [
        "api-usage=1/3", "api-usage=2/3", "api-usage=3/3", "api-usage=3/3",
    ]  # fmt: skip
    assert seen[2].json()["DailyApiRequests"] == {"Max": 3, "Remaining": 0}
    assert seen[3].status == 403
    assert seen[3].json() == [
        {"message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}
    ]
    assert call("GET", "/services/data", auth=False).status == 200


def test_the_quota_comes_back_after_a_day(call, org, clock):
    org.settings.api_max = 1
    call("GET", "limits")
    assert call("GET", "limits").status == 403
    org.settings.token_ttl = 10**6
    clock.advance(hours=25)
    from emulator.auth import login

    call.token = login(org)
    assert call("GET", "limits").status == 200


def test_the_used_quota_outlives_a_restart(tmp_path, clock, caller):
    path = tmp_path / "org.db"
    org = Org.create(path, clock=clock)
    call = caller(org)
    for _ in range(3):
        call("GET", "limits")
    org.close()
    org = Org.create(path, clock=clock)
    assert caller(org)("GET", "limits").header("Sforce-Limit-Info") == "api-usage=4/100000"
    org.close()


def test_a_reply_is_laid_out_for_people_who_ask(call):
    account = call.create("Account", Name='{"a": [1, 2]}', AnnualRevenue=12345678)
    address = f"sobjects/Account/{account}?fields=Name,AnnualRevenue,Site"
    plain = call("GET", address)
    laid_out = call("GET", address, headers={"X-PrettyPrint": "1"})
    lines = laid_out.content().decode().split("\n")
    assert (lines[0], lines[-1]) == ("{", "}")
    assert '  "AnnualRevenue" : 1.2345678E7,' in lines
    assert laid_out.json() == plain.json()
    assert call("GET", address, headers={"X-PrettyPrint": "0"}).content() == plain.content()
    refused = call("GET", "nonsense", headers={"X-PrettyPrint": "true"}).content().decode()
    assert refused.startswith('[ {\n  "errorCode" : "NOT_FOUND",\n')


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=12,
    )
)
@settings(max_examples=60)
def test_laying_out_changes_nothing_but_the_spaces(data):
    assert json.loads(pretty(json.dumps(data, separators=(",", ":"), ensure_ascii=False))) == data


def test_the_date_is_the_orgs_date(call):
    assert call("GET", "limits").header("Date") == "Mon, 23 Nov 2026 15:00:00 GMT"


def test_an_unchanged_describe_is_304(call, org, clock):
    first = call("GET", "sobjects/Account/describe")
    since = {"If-Modified-Since": first.header("Last-Modified")}
    assert call("GET", "sobjects/Account/describe", headers=since).status == 304
    assert call("GET", "sobjects", headers=since).status == 304
    clock.advance(seconds=5)
    from emulator.schema import make_field

    org.add_field(
        "Account",
        make_field({"name": "New__c", "type": "string", "label": "New", "length": 5, "custom": True}),
    )
    assert call("GET", "sobjects/Account/describe", headers=since).status == 200


def test_account_rows_are_guarded_by_their_etag(call):
    account = call.create("Account", Name="Acme")
    path = f"sobjects/Account/{account}"
    tag = call("GET", path).header("ETag")
    assert call("GET", path, headers={"If-None-Match": tag}).status == 304
    assert call("PATCH", path, json={"Site": "a"}, headers={"If-Match": tag}).status == 204
    refused = call("PATCH", path, json={"Site": "b"}, headers={"If-Match": tag})
    assert (refused.status, refused.json()[0]["errorCode"]) == (412, "MATCH_PRECONDITION_FAILED")
    assert call.read("Account", account)["Site"] == "a"
    assert call("PATCH", path, json={"Site": "c"}, headers={"If-Match": "*"}).status == 204


def test_rows_of_other_objects_have_no_etag(call):
    contact = call.create("Contact", LastName="Smith")
    response = call("GET", f"sobjects/Contact/{contact}")
    assert response.header("ETag") is None
    old = {"If-Unmodified-Since": "Mon, 01 Jan 2024 00:00:00 GMT"}
    assert call("PATCH", f"sobjects/Contact/{contact}", json={"Title": "x"}, headers=old).status == 412


def test_over_a_socket_it_is_the_same(served, token):
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
    headers = {
        "Authorization": f"Bearer {token}",
        "Transfer-Encoding": "chunked",
        "Content-Type": "application/json",
    }
    parts = iter([b'{"Name": ', '"Zürich"}'.encode()])
    connection.request(
        "POST", "/services/data/v68.0/sobjects/Account/", body=parts, headers=headers, encode_chunked=True
    )
    response = connection.getresponse()
    made = json.loads(response.read())
    assert (response.status, made["success"]) == (201, True)
    assert response.getheader("date") == "Mon, 23 Nov 2026 15:00:00 GMT"
    connection.request(
        "PATCH",
        f"/services/data/v68.0/sobjects/Account/{made['id']}",
        b'{"Site":"x"}',
        {"Authorization": f"Bearer {token}"},
    )
    response = connection.getresponse()
    assert (response.status, response.read()) == (204, b"")
    connection.request(
        "GET",
        f"/services/data/v68.0/sobjects/Account/{made['id']}",
        headers={"Authorization": f"OAuth {token}"},
    )
    assert json.loads(connection.getresponse().read())["Name"] == "Zürich"
    connection.request("HEAD", "/services/data")
    response = connection.getresponse()
    assert (response.status, response.read()) == (200, b"")
    connection.close()


def test_a_reply_can_be_streamed_cut_and_dropped(org):
    class Plan:
        def around(self, request, handle):
            response = handle(request)
            if "cut" in request.path:
                return Response(200, [], iter([b"x" * 10, b"y" * 10]), cut_after=15)
            if "reset" in request.path:
                response.reset = True
            if "slow" in request.path:
                return Response(200, [], iter([b"a", b"b"]), delay=0.05)
            return response

    org.faults = Plan()
    with serve(org) as served:

        def fetch(path):
            connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
            connection.request("GET", path)
            try:
                return connection.getresponse().read()
            finally:
                connection.close()

        assert fetch("/slow") == b"ab"
        with pytest.raises(http.client.IncompleteRead):
            fetch("/cut")
        with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
            fetch("/reset")
        assert b"NOT_FOUND" in fetch("/other")


def test_it_listens_on_this_machine_only(org):
    with pytest.raises(ValueError, match="this machine only"):
        start(org, host="0.0.0.0")


def test_two_orgs_with_one_clock_and_seed_answer_alike(clock, call):
    from datetime import datetime

    from emulator.auth import login

    def story() -> list[bytes]:
        ticking = type(clock)(datetime.fromisoformat("2026-11-23T15:00:00+00:00"))
        org = Org.create(clock=ticking, seed=3)
        headers = {"Authorization": f"Bearer {login(org)}"}
        replies = [
            org.handle(Request.to("POST", "/services/data/v68.0/sobjects/Account", headers, b'{"Name":"A"}')),
            org.handle(Request.to("GET", "/services/data/v68.0/sobjects/Account", headers)),
            org.handle(Request.to("GET", "/services/data/v68.0/limits", headers)),
        ]
        told = [headers["Authorization"].encode(), *(each.content() for each in replies)]
        org.close()
        return told

    assert story() == story()
