"""From codes and statuses to next steps: the table, the shapes of error bodies, and what people are told."""

from __future__ import annotations

import inspect
import random
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests
import responses
import structlog
from hypothesis import given
from hypothesis import strategies as st

from connector import errors
from connector.config import Timeouts
from connector.errors import (
    Ambiguous,
    AuthenticationFailed,
    AutomationFailed,
    Misconfigured,
    QuotaReached,
    RowRefused,
    SyncError,
    Transient,
    UnknownReply,
    WindowLost,
    WindowTooWide,
    classify,
    classify_row,
)
from connector.problems import Problem, names_in, problems_in
from connector.replies import Call
from connector.retry import Policy, Safety, may_repeat, wait_before
from connector.session import OrgSession, decoded
from connector.usage import Meter
from connector.wire import decode, encode, is_exact


@pytest.mark.parametrize(
    ("code", "status", "step"),
    [
        ("INVALID_SESSION_ID", 401, AuthenticationFailed),
        ("ANYTHING", 401, AuthenticationFailed),
        (None, 401, AuthenticationFailed),
        ("REQUEST_LIMIT_EXCEEDED", 403, QuotaReached),
        ("API_DISABLED_FOR_ORG", 403, Misconfigured),
        ("INSUFFICIENT_ACCESS", 403, Misconfigured),
        ("INSUFFICIENT_ACCESS", 400, RowRefused),
        ("NOT_FOUND", 404, Misconfigured),
        ("ENTITY_IS_DELETED", 404, RowRefused),
        ("UNABLE_TO_LOCK_ROW", 400, Transient),
        ("SERVER_UNAVAILABLE", 503, Transient),
        ("NEW_SERVER_ERROR", 500, Transient),
        ("APEX_ERROR", 500, Transient),
        ("INVALID_QUERY_LOCATOR", 400, WindowLost),
        ("QUERY_TIMEOUT", 400, WindowTooWide),
        ("MALFORMED_QUERY", 400, Misconfigured),
        ("invalid_grant", 400, AuthenticationFailed),
        ("UNSUPPORTED_API_VERSION", 410, Misconfigured),
        ("WHO_KNOWS", 400, UnknownReply),
        (None, 400, UnknownReply),
        (None, 418, UnknownReply),
        (None, 301, Misconfigured),
        (None, 300, Misconfigured),
        (None, 414, Misconfigured),
        (None, 431, Misconfigured),
        (None, 429, Transient),
        (None, 599, Transient),
        (None, None, UnknownReply),
    ],
)
def test_a_code_and_a_status_lead_to_one_next_step(
    code: str | None, status: int | None, step: type[SyncError]
) -> None:
    assert classify(code, status) is step


def test_more_records_than_a_call_takes_narrow_a_window_of_a_read_only() -> None:
    assert classify("EXCEEDED_ID_LIMIT", 400) is WindowTooWide
    assert classify("EXCEEDED_ID_LIMIT", 400, is_write=True) is UnknownReply
    assert classify_row("EXCEEDED_ID_LIMIT") is UnknownReply


@pytest.mark.parametrize(
    ("code", "step"),
    [
        ("CANNOT_EXECUTE_FLOW_TRIGGER", AutomationFailed),
        ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", AutomationFailed),
        ("APEX_ERROR", AutomationFailed),
        ("ALREADY_IN_PROCESS", RowRefused),
        ("INVALID_CURRENCY_ISO", Misconfigured),
        ("TERRITORY_REALIGN_IN_PROGRESS", Transient),
    ],
)
def test_what_an_orgs_own_automation_answers_for_a_record_is_known(code: str, step: type[SyncError]) -> None:
    assert classify_row(code) is step


def test_an_unknown_row_code_is_loud() -> None:
    assert classify_row("SOMETHING_ELSE") is UnknownReply
    assert issubclass(UnknownReply, Misconfigured)


@given(code=st.none() | st.text(), status=st.none() | st.integers(300, 599))
def test_everything_has_a_next_step(code: str | None, status: int | None) -> None:
    assert issubclass(classify(code, status), SyncError)


def test_every_error_tells_people_what_to_do() -> None:
    families = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, SyncError)]
    assert len(families) == 14
    for family in families:
        assert len(family.step) > 15


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ([{"message": "x", "errorCode": "A_B", "fields": ["Name"]}], "A_B"),
        ({"error": "invalid_grant", "error_description": "expired"}, "invalid_grant"),
        ({"exceptionCode": "InvalidSessionId", "exceptionMessage": "x"}, "InvalidSessionId"),
        ([{"statusCode": "A_B", "message": "x", "fields": []}], "A_B"),
        ([{"extendedErrorDetails": []}, {"errorCode": "B"}], "B"),
    ],
)
def test_every_shape_of_error_body_is_read(body: Any, code: str) -> None:
    assert problems_in(body)[0].code == code


@pytest.mark.parametrize(
    "body", [None, "text", 7, [], {}, [None], [{"errorCode": 5}], {"error": {"nested": 1}}]
)
def test_what_is_no_error_body_is_no_problem(body: Any) -> None:
    assert problems_in(body) == ()


def test_names_are_told_and_values_are_not() -> None:
    assert (
        names_in(Problem("STRING_TOO_LONG", "Name: data value too large: canary", ("Name",))) == "field Name"
    )
    assert names_in(Problem("STRING_TOO_LONG", "canary", ())) is None
    assert names_in(Problem("REQUIRED_FIELD_MISSING", None, ("Bob's secret",))) is None
    assert (
        names_in(Problem("INVALID_FIELD", "No such column 'Equipo' on sobject of type Task"))
        == "no field Equipo on Task"
    )
    assert names_in(Problem("INVALID_FIELD", "Keine Spalte canary")) is None


# --- repeating ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("error", "read", "keyed", "once"),
    [
        (Transient("A"), True, True, False),
        (Transient("A", sent=False), True, True, True),
        (Ambiguous("A"), False, True, False),
        (WindowLost("A"), False, False, False),
        (Misconfigured("A"), False, False, False),
        (AuthenticationFailed("A"), False, False, False),
        (QuotaReached("A"), False, False, False),
        (RowRefused("A"), False, False, False),
        (Transient("A", retry_after=61), False, False, False),
        (ValueError(), False, False, False),
        (None, False, False, False),
    ],
)
def test_what_may_be_sent_again(error: Any, read: bool, keyed: bool, once: bool) -> None:
    may = [may_repeat(error, safety, Policy()) for safety in (Safety.READ, Safety.KEYED, Safety.ONCE)]
    assert may == [read, keyed, once]


@given(attempt=st.integers(1, 30), seed=st.integers(), asked=st.none() | st.floats(0, 60))
def test_a_wait_is_never_below_what_was_asked_nor_far_above_the_ceiling(
    attempt: int, seed: int, asked: Any
) -> None:
    wait = wait_before(attempt, Transient("A", retry_after=asked), Policy(), random.Random(seed))
    assert (asked or 0) <= wait <= (asked or 0) + 20


# --- decoding, with the transport replaced ---------------------------------------------------------------
@pytest.fixture
def session(clock: Any) -> Any:
    made = OrgSession(
        host="acme.my.salesforce.com",
        timeouts=Timeouts(),
        meter=Meter(share=1),
        clock=clock,
        rng=random.Random(1),
        log=structlog.get_logger(),
    )
    yield made
    made.close()


def exchange(session: OrgSession, safety: Safety = Safety.READ) -> requests.Response:
    address = "https://acme.my.salesforce.com/services/data/v68.0/limits"
    return session.exchange(
        "GET", address, call=Call("rest", safety, "Account"), headers={"X": "1"}, deadline=2000
    )


@pytest.mark.parametrize(
    ("status", "body", "safety", "step", "code"),
    [
        (
            400,
            '[{"message":"canary","errorCode":"MALFORMED_QUERY"}]',
            Safety.READ,
            Misconfigured,
            "MALFORMED_QUERY",
        ),
        (400, '{"message":"canary","errorCode":"INVALID_TYPE"}', Safety.READ, Misconfigured, "INVALID_TYPE"),
        (404, '[{"errorCode":"NOT_FOUND","message":"canary"}]', Safety.READ, Misconfigured, "NOT_FOUND"),
        (431, "<h1>Bad Message 431</h1>", Safety.READ, Misconfigured, "HTTP_431"),
        (503, "<html>canary</html>", Safety.READ, Transient, "HTTP_503"),
        (503, "<html>canary</html>", Safety.KEYED, Ambiguous, "HTTP_503"),
        (503, '[{"errorCode":"SERVER_UNAVAILABLE"}]', Safety.ONCE, Transient, "SERVER_UNAVAILABLE"),
        (500, '[{"errorCode":"UNKNOWN_EXCEPTION"}]', Safety.ONCE, Ambiguous, "UNKNOWN_EXCEPTION"),
        (500, '[{"errorCode":"UNKNOWN_EXCEPTION"}]', Safety.READ, Transient, "UNKNOWN_EXCEPTION"),
        (400, '[{"errorCode":"UNABLE_TO', Safety.READ, UnknownReply, "HTTP_400"),
        (400, "", Safety.READ, UnknownReply, "HTTP_400"),
        (200, '[{"a":', Safety.READ, Transient, "NOT_JSON"),
        (200, "", Safety.ONCE, Ambiguous, "NOT_JSON"),
    ],
)
def test_a_reply_becomes_its_class(
    session: OrgSession, status: int, body: str, safety: Safety, step: type[SyncError], code: str
) -> None:
    with responses.RequestsMock(assert_all_requests_are_fired=True) as mocked:
        mocked.add(
            responses.GET,
            "https://acme.my.salesforce.com/services/data/v68.0/limits",
            body=body,
            status=status,
            match=[
                responses.matchers.header_matcher({"X": "1", "Sforce-Call-Options": "client=rebate-sync/0.1"})
            ],
        )
        with pytest.raises(SyncError) as caught:
            exchange(session, safety)
    assert type(caught.value) is step
    assert caught.value.code == code
    assert caught.value.sobject == "Account"
    assert "canary" not in f"{caught.value} {caught.value!r} {caught.value.hint} {vars(caught.value)}"


def test_a_good_reply_is_decoded_exactly_once(session: OrgSession) -> None:
    with responses.RequestsMock(assert_all_requests_are_fired=True) as mocked:
        address = "https://acme.my.salesforce.com/services/data/v68.0/limits"
        mocked.add(responses.GET, address, body=b'\xef\xbb\xbf{"a": 99999999999999.99, "b": 9.0E7}')
        assert decoded(exchange(session)) == {"a": Decimal("99999999999999.99"), "b": Decimal("9.0E7")}


# --- JSON -----------------------------------------------------------------------------------------------
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.decimals(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(value=values)
def test_what_is_sent_is_read_back_equal(value: Any) -> None:
    if _encodable(value):
        assert decode(encode(value)) == value


def _encodable(value: Any) -> bool:
    try:
        encode(value)
    except UnicodeEncodeError:
        return False  # half a surrogate pair has no UTF-8
    return True


@pytest.mark.parametrize("value", [1.5, float("nan"), {"a": [0.1]}, object(), b"x", {1, 2}])
def test_floats_and_strangers_are_never_sent(value: Any) -> None:
    with pytest.raises(TypeError):
        encode(value)


@pytest.mark.parametrize(
    "text", [b"NaN", b"Infinity", b'{"a":-Infinity}', b"", b"<html>", b'{"a":1', b"\xff"]
)
def test_what_is_not_json_is_not_read(text: bytes) -> None:
    with pytest.raises(ValueError):
        decode(text)


@pytest.mark.parametrize(
    ("number", "exact"),
    [
        ("0", True),
        ("999999999999.99", True),
        ("9999999999999.999", False),
        ("1E+20", True),
        ("NaN", False),
        ("0.000001", True),
    ],
)
def test_fifteen_digits_survive_the_api(number: str, exact: bool) -> None:
    assert is_exact(Decimal(number)) is exact
    if exact:
        assert Decimal(repr(float(number))) == Decimal(number)


# --- the page for people --------------------------------------------------------------------------------
def test_the_page_of_errors_lists_exactly_the_table() -> None:
    text = Path("docs/salesforce-errors.md").read_text(encoding="utf-8")
    listed: set[tuple[str, str, int | None]] = set()
    for section in text.split("\n## ")[1:]:
        family, _, rest = section.partition("\n")
        for code, status in re.findall(r"`([A-Z_]{4,})(?: \((\d+)\))?`", rest):
            listed.add((family, code, int(status) if status else None))
    assert listed == {(step.__name__, code, status) for (code, status), step in errors.STEPS.items()}
