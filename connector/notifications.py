"""Bell notifications through the standard action."""

from __future__ import annotations

from collections.abc import Sequence

from connector import limits
from connector.errors import Ambiguous, classify_row
from connector.facade import OrgApi
from connector.problems import problems_in
from connector.replies import Call
from connector.retry import Safety
from mappings.texts_out import cut

_PATH = "actions/standard/customNotificationAction"


def notify(
    api: OrgApi, *, type_id: str, recipients: Sequence[str], target_id: str, title: str, body: str
) -> None:
    """One notification for up to 500 users a call. Longer texts are cut at the org's limits.

    Never repeated by itself: after `Ambiguous` the bell may have rung, and twice is worse than once.
    Raises the class of the first refusal.
    """
    people = list(dict.fromkeys(recipients))
    for start in range(0, len(people), limits.NOTIFY_RECIPIENTS):
        item = {
            "customNotifTypeId": type_id,
            "recipientIds": people[start : start + limits.NOTIFY_RECIPIENTS],
            "targetId": target_id,
            "title": cut(title, limits.NOTIFY_TITLE_CHARS),
            "body": cut(body, limits.NOTIFY_BODY_CHARS),
        }
        reply = api.post(_PATH, {"inputs": [item]}, Call("notify", Safety.ONCE, "CustomNotificationType"))
        answers = reply if isinstance(reply, list) else []
        if len(answers) != 1 or not isinstance(answers[0], dict):
            raise Ambiguous("NOT_AN_ANSWER", sobject="CustomNotificationType")
        if answers[0].get("isSuccess") is not True:
            problems = problems_in(answers[0].get("errors"))
            code = problems[0].code if problems else "CANNOT_SEND_NOTIFICATIONS"
            raise classify_row(code)(code, sobject="CustomNotificationType", hint="Run: rebates org deploy")
