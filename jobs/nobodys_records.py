"""Records of ours that are nobody's any more, as they are written once more: whose they are now is the org's business."""

from __future__ import annotations

from typing import Any

from jobs.views import View
from mappings.model import PushTarget
from mappings.outbound import Writer


def keyed(target: PushTarget, view: View, *, with_member: bool) -> tuple[str, dict[str, Any]]:
    """Its key, and what is written under it. `with_member`: the account that it hangs on is still the one that we know."""
    payload: dict[str, Any] = Writer(target, leave_out=target.volatile).record(view)
    key = str(payload.pop(str(target.match)))
    if not with_member:
        for name, value in target.fields.items():
            if (value.from_ or "").startswith("member."):
                payload.pop(name, None)
    return key, payload
