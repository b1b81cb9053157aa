"""Metadata deploys with their failures, and bells that ring once."""

from __future__ import annotations

from typing import Any

import pytest

from connector.errors import Ambiguous, Misconfigured, RowRefused, StillRunning

DEPLOY = "0Af5g00000AbCdEAAV"


def status(done: bool, success: bool = False, **more: Any) -> dict[str, Any]:
    return {"id": DEPLOY, "deployResult": {"id": DEPLOY, "done": done, "success": success, "status": "InProgress", "numberComponentsTotal": 12, "numberComponentsDeployed": 7, **more}}  # fmt: skip


def test_a_deploy_is_one_form_with_options_and_package(scripted: Any, org: Any, make: Any) -> None:
    scripted.data("POST", "metadata/deployRequest", make.reply({"id": DEPLOY}, 201))
    scripted.data(
        "GET", f"metadata/deployRequest/{DEPLOY}", make.reply(status(False)), make.reply(status(True, True))
    )
    looks = list(org.deploy(b"PK\x03\x04zip", check_only=True))
    assert [(look.done, look.ok, look.components, look.deployed) for look in looks] == [
        (False, False, 12, 7),
        (True, True, 12, 7),
    ]
    sent = scripted.calls("metadata/deployRequest", "POST")[0]
    assert sent.headers["content-type"].startswith("multipart/form-data; boundary=")
    head, zipped = sent.body.split(b'name="file"; filename="package.zip"')
    assert b'Content-Disposition: form-data; name="json"\r\nContent-Type: application/json' in head
    assert b'"checkOnly": true' in head
    assert b'"rollbackOnError": true' in head
    assert b"testLevel" not in head, "a production org refuses NoTestRun; left out, it decides itself"
    assert b"\r\n\r\nPK\x03\x04zip\r\n" in zipped


@pytest.mark.parametrize("many", [False, True])
def test_failed_components_are_listed(scripted: Any, org: Any, make: Any, many: bool) -> None:
    failure = {
        "fileName": "objects/Account.object",
        "fullName": "Account.Rebate_Tier__c",
        "problem": "Duplicate",
    }
    details = {"componentFailures": [failure, failure] if many else failure}
    scripted.data("POST", "metadata/deployRequest", make.reply({"id": DEPLOY}, 201))
    scripted.data("GET", "metadata/deployRequest", make.reply(status(True, False, details=details)))
    (last,) = org.deploy(b"zip")
    assert not last.ok
    assert last.failures == (("objects/Account.object", "Account.Rebate_Tier__c", "Duplicate"),) * (
        2 if many else 1
    )


def test_a_failure_without_components_is_still_told(scripted: Any, org: Any, make: Any) -> None:
    scripted.data("POST", "metadata/deployRequest", make.reply({"id": DEPLOY}, 201))
    failed = status(True, False, status="Failed", errorStatusCode="UNKNOWN_EXCEPTION")
    scripted.data("GET", "metadata/deployRequest", make.reply(failed))
    assert next(iter(org.deploy(b"zip"))).failures == (("package", "", "UNKNOWN_EXCEPTION"),)
    scripted.data("GET", "metadata/deployRequest", make.reply(status(True, False, status="Canceled")))
    with pytest.raises(Misconfigured, match="DEPLOY_CANCELED"):
        list(org.deploy(b"zip"))


def test_a_deploy_that_does_not_end_is_left_with_its_id(
    scripted: Any, org: Any, make: Any, clock: Any
) -> None:
    scripted.data("POST", "metadata/deployRequest", make.reply({"id": DEPLOY}, 201))
    scripted.data("GET", "metadata/deployRequest", make.reply(status(False)))
    with pytest.raises(StillRunning) as caught:
        list(org.deploy(b"zip"))
    assert caught.value.job_id == DEPLOY
    assert 1700 < sum(clock.slept) <= 1800


def ring(org: Any, people: int = 1, title: str = "Close to Gold", body: str = "5,000 to go") -> None:
    recipients = [f"005{n:012d}AAA" for n in range(people)]
    org.notify(type_id="0ML1", recipients=recipients, target_id="001A", title=title, body=body)


OK = [{"actionName": "customNotificationAction", "errors": None, "isSuccess": True, "outputValues": {}}]


def test_a_bell_names_its_people_once_and_cuts_long_texts(scripted: Any, org: Any, make: Any) -> None:
    scripted.data("POST", "actions/standard/customNotificationAction", make.reply(OK))
    ring(org, 501, "t" * 300, "b" * 800)
    first, second = [a.json["inputs"][0] for a in scripted.calls("actions")]
    assert (len(first["recipientIds"]), len(second["recipientIds"])) == (500, 1)
    assert len(first["title"]) == 250
    assert len(first["body"]) == 750
    assert first["customNotifTypeId"] == "0ML1"
    assert first["targetId"] == "001A"


def test_a_bell_without_an_answer_is_ambiguous_and_not_rung_again(scripted: Any, org: Any, make: Any) -> None:
    for answer in (make.Reply(drop=True), make.Reply(502, b"", {}), make.reply([]), make.reply({})):
        scripted.data("POST", "actions", answer)
        before = len(scripted.calls("actions"))
        with pytest.raises(Ambiguous):
            ring(org)
        assert len(scripted.calls("actions")) == before + 1


@pytest.mark.parametrize(
    ("errors", "step"),
    [
        ([{"statusCode": "INSUFFICIENT_ACCESS_OR_READONLY", "message": "x"}], RowRefused),
        ([{"statusCode": "INVALID_API_INPUT", "message": "x"}], Misconfigured),
        (None, Misconfigured),
    ],
)
def test_a_refused_bell_says_why(
    scripted: Any, org: Any, make: Any, errors: Any, step: type[Exception]
) -> None:
    scripted.data("POST", "actions", make.reply([{"isSuccess": False, "errors": errors}]))
    with pytest.raises(step):
        ring(org)
