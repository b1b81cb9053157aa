"""The emulator's own console, below `/emulator/`: what an admin, time and bad luck do to the org.

Not part of Salesforce. Needs the header `X-Emulator: admin`, never counts as an API call, never meets a fault.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from emulator import actions, auth, edit_sharing, lifecycle, seed_story, task_statuses
from emulator.errors import ApiError, RecordError
from emulator.faults import Fault, FaultPlan
from emulator.jsontext import Number
from emulator.life import permissions_of
from emulator.raw_rows import by_id
from emulator.router import Request, Response, json_response, route
from emulator.wire import datetime_text

if TYPE_CHECKING:
    from emulator.org import Org

HEADER = "X-Emulator"


def _plan(org: Org) -> FaultPlan:
    assert isinstance(org.faults, FaultPlan)
    return org.faults


def _body(request: Request) -> dict[str, Any]:
    sent = request.json() if request.body else {}
    if not isinstance(sent, dict):
        raise ApiError(400, "INVALID_INPUT", "the body is a JSON object")
    return sent


def _need(sent: dict[str, Any], name: str) -> Any:
    if name not in sent:
        raise ApiError(400, "INVALID_INPUT", f"'{name}' is missing")
    return sent[name]


def _admin(method: str, path: str) -> Callable[[Callable[[Org, dict[str, Any]], Any]], Any]:
    """A console endpoint: JSON in, JSON out; every refusal is a 400 that says why."""

    def register(work: Callable[[Org, dict[str, Any]], Any]) -> Any:
        def handler(org: Org, request: Request) -> Response:
            if request.headers.get(HEADER) != "admin":
                raise ApiError(403, "INSUFFICIENT_ACCESS", f"the console needs the header {HEADER}: admin")
            try:
                return json_response(work(org, _body(request)))
            except (LookupError, ValueError, TypeError, RecordError) as error:
                raise ApiError(400, "INVALID_INPUT", str(error)) from error

        return route(method, f"/emulator/{path}", auth=False, counts=False)(handler)

    return register


@_admin("GET", "state")
def state(org: Org, sent: dict[str, Any]) -> Any:
    now = org.now_ms()
    return {
        "org_id": org.id, "now": datetime_text(now, "Z"), "api_used": org.usage.used(now),
        "api_total": org.usage.total, "api_max": org.settings.api_max, "by_kind": org.usage.by_kind,
        "faults": _plan(org).report(), "strikes": len(_plan(org).log),
    }  # fmt: skip


@_admin("GET", "notifications")
def notifications(org: Org, sent: dict[str, Any]) -> Any:
    return {"notifications": actions.shown(org)}


@_admin("POST", "story/order-again")
def order_again(org: Org, sent: dict[str, Any]) -> Any:
    made = seed_story.partner_orders_again(org)
    row = by_id(org, "Order", made) or {}
    return {"order_id": made, "account": seed_story.LUMIERE, "date": row.get("EffectiveDate")}


@_admin("POST", "clock")
def clock(org: Org, sent: dict[str, Any]) -> Any:
    """`{"days": 1, "hours": 2, "seconds": 3}`: jump ahead."""
    advance = getattr(org.clock, "advance", None)
    if advance is None:
        raise ValueError("this org's clock cannot be moved")
    advance(**{name: float(amount) for name, amount in sent.items()})
    return {"now": datetime_text(org.now_ms(), "Z")}


@_admin("POST", "faults")
def add_fault(org: Org, sent: dict[str, Any]) -> Any:
    """One fault, or `{"faults": […], "seed": 7}`."""
    if "seed" in sent:
        _plan(org).seed(int(sent["seed"]))
    listed = sent["faults"] if "faults" in sent else [] if set(sent) == {"seed"} else [sent]
    for each in [Fault.of(dict(each)) for each in listed]:
        _plan(org).add(each)
    return {"faults": _plan(org).report()}


@_admin("DELETE", "faults")
def clear_faults(org: Org, sent: dict[str, Any]) -> Any:
    _plan(org).clear()
    return {"late_shown": _plan(org).settle(all_of_them=True)}


@_admin("POST", "quota")
def quota(org: Org, sent: dict[str, Any]) -> Any:
    """`{"max": 100}` sets the daily calls, `{"reset": true}` forgets those used."""
    if "max" in sent:
        org.settings.api_max = int(sent["max"])
    if sent.get("reset"):
        org.usage.reset()
    return {"api_max": org.settings.api_max, "api_used": org.usage.used(org.now_ms())}


@_admin("POST", "slowness")
def slow(org: Org, sent: dict[str, Any]) -> Any:
    """`{"per_record": {"Account": 0.06}, "per_row": {"Order": 0.001}}`: seconds of each; what is left out takes none."""
    slowness = org.settings.slowness
    slowness.set(
        {name: float(seconds) for name, seconds in sent.get("per_record", {}).items()},
        {name: float(seconds) for name, seconds in sent.get("per_row", {}).items()},
    )
    return {
        "per_record": {name: Number(seconds) for name, seconds in slowness.per_record.items()},
        "per_row": {name: Number(seconds) for name, seconds in slowness.per_row.items()},
    }


@_admin("POST", "fls")
def fls(org: Org, sent: dict[str, Any]) -> Any:
    """`{"hide": ["Account.Type"], "show": […]}`: field-level security changes for everyone."""
    for each in [*sent.get("hide", ()), *sent.get("show", ())]:
        owner, _, name = str(each).partition(".")
        sobject = org.schema.sobject(owner)
        if sobject is None or sobject.field(name) is None:
            raise LookupError(f"no field {each}")
    permissions_of(org).hide(*sent.get("hide", ()))
    permissions_of(org).show(*sent.get("show", ()))
    return {"ok": True}


@_admin("POST", "sharing")
def sharing(org: Org, sent: dict[str, Any]) -> Any:
    """`{"sobject": "Order", "hide": ["801…"]}` takes records out of sight; `{"show": true}` brings all back."""
    if sent.get("show"):
        return {"shown": _plan(org).show_rows()}
    return {"hidden": _plan(org).hide_rows(_need(sent, "sobject"), list(_need(sent, "hide")))}


@_admin("POST", "edit-sharing")
def edit(org: Org, sent: dict[str, Any]) -> Any:
    """`{"Task": "owner", "Account": "owner"}`: who may change records; also `parent` and `all`."""
    edit_sharing.share(org, sent)
    return {"ok": True}


@_admin("POST", "task-statuses")
def statuses(org: Org, sent: dict[str, Any]) -> Any:
    """`{"statuses": [{"name": "Offen", "default": true}, {"name": "Erledigt", "closed": true}]}`: an admin's own list."""
    task_statuses.replace_all(org, [task_statuses.Status(**each) for each in _need(sent, "statuses")])
    return {"ok": True}


@_admin("POST", "assign")
def assign(org: Org, sent: dict[str, Any]) -> Any:
    """`{"username": …, "permission_set": …}`."""
    made = permissions_of(org).assign(_need(sent, "username"), _need(sent, "permission_set"))
    return {"assignment_id": made}


@_admin("POST", "merge")
def merge(org: Org, sent: dict[str, Any]) -> Any:
    """`{"winner": "001…", "losers": ["001…"], "stamp_children": false}`."""
    flag = bool(sent.get("stamp_children", False))
    moved = lifecycle.merge(org, _need(sent, "winner"), list(_need(sent, "losers")), stamp_children=flag)
    return {"children_moved": moved}


@_admin("POST", "delete")
def delete(org: Org, sent: dict[str, Any]) -> Any:
    """`{"sobject": …, "id": …, "hard": false}`."""
    lifecycle.delete(org, _need(sent, "sobject"), _need(sent, "id"), hard=bool(sent.get("hard", False)))
    return {"ok": True}


@_admin("POST", "undelete")
def undelete(org: Org, sent: dict[str, Any]) -> Any:
    lifecycle.undelete(org, _need(sent, "sobject"), _need(sent, "id"))
    return {"ok": True}


@_admin("POST", "purge")
def purge(org: Org, sent: dict[str, Any]) -> Any:
    """`{"days": 15}`: the recycle bin loses what lay there longer."""
    return {"gone": lifecycle.purge(org, float(sent.get("days", lifecycle.BIN_DAYS)))}


@_admin("POST", "user")
def user(org: Org, sent: dict[str, Any]) -> Any:
    """`{"username": …, "active": false}`."""
    changed = lifecycle.deactivate(org, _need(sent, "username"), active=bool(_need(sent, "active")))
    return {"user_id": changed}


@_admin("POST", "sessions/expire")
def expire(org: Org, sent: dict[str, Any]) -> Any:
    auth.expire_sessions(org)
    return {"ok": True}
