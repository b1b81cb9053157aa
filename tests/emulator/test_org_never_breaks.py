"""Whatever a client sends, the org answers with one of its refusals; it never falls over."""

from __future__ import annotations

import json

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

CALM = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
WORDS = st.sampled_from(
    ["Name", "Id", "id", "records", "attributes", "type", "Account", "allOrNone", "compositeRequest", "graphs", "url",
     "method", "body", "referenceId", "graphId", "batchRequests", "ids", "fields", "Owner", "BillingAddress", "IsPartner",
     "AnnualRevenue", "ParentId", "OwnerId", "httpHeaders", "richInput"]
)  # fmt: skip
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(max_size=5), inner, max_size=6)
    ),
    max_leaves=25,
)
PATHS = st.sampled_from(
    ["sobjects/Account", "sobjects/Account/Id", "sobjects/Task", "sobjects/OrderItem", "sobjects/Order", "composite",
     "composite/batch", "composite/graph", "composite/sobjects", "composite/sobjects/Account",
     "composite/sobjects/Account/Id", "sobjects/Account/Id/x", "sobjects/Account/001000000000001AAA"]
)  # fmt: skip
VALUES = st.dictionaries(
    st.sampled_from(
        ["Name", "AnnualRevenue", "NumberOfEmployees", "IsPartner", "ParentId", "Owner", "BillingLatitude"]
    ),
    JSON,
    max_size=5,
)


def refused_or_done(response) -> None:
    assert response.status < 500
    body = response.json()
    if response.status >= 400:
        assert isinstance(body, list)
        assert all({"message", "errorCode"} <= set(each) for each in body)


@CALM
@given(method=st.sampled_from(["POST", "PATCH", "GET", "DELETE", "PUT"]), path=PATHS, body=JSON)
@example(
    method="POST",
    path="composite",
    body={"compositeRequest": [{"referenceId": "a", "method": "GET", "url": 1}]},
)
@example(method="POST", path="composite/sobjects", body={"records": [{"attributes": "x"}]})
@example(method="POST", path="composite/sobjects", body={"records": [{"attributes": {"type": ["Account"]}}]})
def test_no_body_breaks_it(call, method, path, body):
    refused_or_done(call(method, path, body=json.dumps(body).encode()))


@CALM
@given(values=VALUES)
@example(values={"Owner": {"Id": {}}})
@example(values={"Owner": {"attributes": {"type": 5}, "Id": "x"}})
@example(values={"AnnualRevenue": "1e999"})
@example(values={"AnnualRevenue": 1e308})
def test_no_value_breaks_it(call, values):
    refused_or_done(call("POST", "sobjects/Account", body=json.dumps({"Name": "A", **values}).encode()))


@CALM
@given(name=st.text(max_size=12), key=st.text(min_size=1, max_size=12))
def test_no_address_breaks_it(call, name, key):
    from urllib.parse import quote

    for path in (
        f"sobjects/{quote(name, safe='')}",
        f"sobjects/Account/{quote(name, safe='')}/{quote(key, safe='')}",
    ):
        refused_or_done(call("GET", path))
    refused_or_done(call("GET", f"composite/sobjects/Account?ids={quote(key)}&fields={quote(name)}"))
    refused_or_done(call("DELETE", f"composite/sobjects?ids={quote(key)}"))
    refused_or_done(call("GET", f"limits/recordCount?sObjects={quote(name)}"))


@CALM
@given(body=st.binary(max_size=40), path=PATHS)
def test_no_bytes_break_it(call, body, path):
    refused_or_done(call("POST", path, body=body))
