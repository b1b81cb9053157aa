"""Standard actions: the bell. Source: Actions Developer Guide, "Send Custom Notification"."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from emulator.errors import ApiError
from emulator.ids import to_18
from emulator.life import permissions_of
from emulator.raw_rows import by_id
from emulator.router import Request, Response, json_response, route
from emulator.wire import datetime_text

if TYPE_CHECKING:
    from emulator.org import Org

NAME = "customNotificationAction"
RECIPIENTS_MAX, TITLE_MAX, BODY_MAX = 500, 250, 750
INPUTS = ("customNotifTypeId", "recipientIds", "title", "body", "targetId", "targetPageRef", "senderId")
KINDS_OF_RECIPIENT = ("005", "00G", "001", "006")  # user, group or queue, account team, opportunity team


@dataclass(frozen=True)
class Notification:
    """One bell that rang for one recipient."""

    type_id: str
    recipient: str
    title: str
    body: str
    target: str | None
    sent: int  # milliseconds
    sender: str


def notifications(org: Org) -> list[Notification]:
    """Every bell, oldest first."""
    return [Notification(**each) for each in org.storage.kept_all("notifications").values()]


def shown(org: Org) -> list[dict[str, Any]]:
    """The bells with the names people read."""
    out = []
    for each in notifications(org):
        recipient = by_id(org, "User", each.recipient) or {}
        target = org.schema.by_prefix(each.target[:3]) if each.target else None
        record = by_id(org, target.name, str(each.target)) if target else None
        kind = by_id(org, "CustomNotificationType", each.type_id) or {}
        out.append(
            asdict(each)
            | {
                "sent": datetime_text(each.sent, "Z"),
                "type": kind.get("DeveloperName"),
                "recipient_name": recipient.get("Name"),
                "target_name": (record or {}).get("Name"),
            }
        )
    return out


@route("GET", "/services/data/{version}/actions")
def list_kinds(org: Org, request: Request) -> Response:
    root = f"/services/data/v{request.version}/actions"
    return json_response({"standard": f"{root}/standard", "custom": f"{root}/custom"})


@route("GET", "/services/data/{version}/actions/standard")
def list_standard(org: Org, request: Request) -> Response:
    one = {"label": "Send Custom Notification", "name": NAME, "type": NAME.upper()}
    one |= {"url": f"/services/data/v{request.version}/actions/standard/{NAME}"}
    return json_response({"actions": [one]})


@route("GET", "/services/data/{version}/actions/standard/customNotificationAction")
def describe(org: Org, request: Request) -> Response:
    required = ("customNotifTypeId", "recipientIds", "title", "body")
    inputs = [
        {"name": each, "label": each, "required": each in required, "type": "STRING", "maxOccurs": 1,
         "description": None, "sobjectType": None, "byteLength": 0, "picklistValues": None}
        for each in INPUTS
    ]  # fmt: skip
    return json_response({"name": NAME, "label": "Send Custom Notification", "inputs": inputs, "outputs": []})


@route("POST", "/services/data/{version}/actions/standard/customNotificationAction")
def send(org: Org, request: Request) -> Response:
    """Each input succeeds or fails by itself; 400 when any failed."""
    sent = request.json()
    inputs = sent.get("inputs") if isinstance(sent, dict) else None
    if not isinstance(inputs, list) or not inputs:
        raise ApiError(400, "JSON_PARSER_ERROR", "inputs is missing or empty at [line:1, column:1]")
    if not permissions_of(org).has(request.user_id, "SendCustomNotifications"):
        message = "You don't have permission to send custom notifications."
        raise ApiError(403, "INSUFFICIENT_ACCESS", message)
    replies = []
    for each in inputs:
        problem = _problem(org, each)
        if problem is None:
            _ring(org, request.user_id, each)
        errors = [{"statusCode": problem[0], "message": problem[1], "fields": []}] if problem else None
        output = (
            None if problem else {"SuccessMessage": "Your custom notification is processed successfully."}
        )
        replies.append(
            {"actionName": NAME, "errors": errors, "isSuccess": problem is None, "outputValues": output}
        )
    return json_response(replies, 200 if all(each["isSuccess"] for each in replies) else 400)


def _problem(org: Org, values: Any) -> tuple[str, str] | None:
    if not isinstance(values, dict):
        return "INVALID_INPUT", "an input is an object"
    unknown = sorted(values.keys() - set(INPUTS))
    if unknown:
        return "INVALID_API_INPUT", f"unknown input parameter: {unknown[0]}"
    for name in ("customNotifTypeId", "recipientIds", "title", "body"):
        if not values.get(name):
            return "REQUIRED_FIELD_MISSING", f"Missing required input parameter: {name}"
    kind = to_18(str(values["customNotifTypeId"]))
    if kind is None or by_id(org, "CustomNotificationType", kind) is None:
        return "INVALID_INPUT", f"no custom notification type has the id {values['customNotifTypeId']}"
    for name, most in (("title", TITLE_MAX), ("body", BODY_MAX)):
        if not isinstance(values[name], str) or len(values[name]) > most:
            return "STRING_TOO_LONG", f"{name}: at most {most} characters"
    if not values.get("targetId") and not values.get("targetPageRef"):
        return "REQUIRED_FIELD_MISSING", "Missing required input parameter: targetId or targetPageRef"
    return _recipient_problem(org, values["recipientIds"]) or _target_problem(org, values.get("targetId"))


def _recipient_problem(org: Org, recipients: Any) -> tuple[str, str] | None:
    if not isinstance(recipients, list) or not all(isinstance(each, str) for each in recipients):
        return "INVALID_INPUT", "recipientIds is a list of ids"
    if len(recipients) > RECIPIENTS_MAX:
        return "LIMIT_EXCEEDED", f"at most {RECIPIENTS_MAX} recipients"
    for each in recipients:
        found = to_18(each)
        if found is None or found[:3] not in KINDS_OF_RECIPIENT:
            return "INVALID_INPUT", f"no user, group or account team has the id {each}"
        if found.startswith("005"):
            user = by_id(org, "User", found)
            if user is None or not user["IsActive"]:
                return "INVALID_INPUT", f"the user {each} does not exist or is inactive"
    return None


def _target_problem(org: Org, target: Any) -> tuple[str, str] | None:
    if target is None:
        return None
    found = to_18(str(target))
    sobject = org.schema.by_prefix(found[:3]) if found else None
    record = by_id(org, sobject.name, found) if sobject and found else None
    if record is None or record.get("IsDeleted"):
        return "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id"
    return None


def _ring(org: Org, sender: str, values: dict[str, Any]) -> None:
    with org.storage.transaction():
        for each in dict.fromkeys(to_18(recipient) or recipient for recipient in values["recipientIds"]):
            kind, target = to_18(values["customNotifTypeId"]), values.get("targetId")
            bell = Notification(
                str(kind), each, values["title"], values["body"], to_18(target) if target else None,
                org.now_ms(), sender,
            )  # fmt: skip
            org.storage.keep("notifications", f"{org.next_number('notification'):08d}", asdict(bell))
