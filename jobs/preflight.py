"""Before the first write under a mapping: is everything there in the org, and what can its fields hold?

One composite call describes every mapped object. It is asked once for a mapping, and again when the mapping changes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection
from collections.abc import Mapping as MappingOf
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from jobs import own_currency, payout_types, schema, task_statuses
from jobs.whole_plan import compare_everything
from mappings.check import TOO_FINE, check, gather
from mappings.check_pull import MIXED
from mappings.check_push import awaited, left_out
from mappings.describe import FieldDescribe, ObjectDescribe
from mappings.model import PushTarget
from mappings.outbound import CUT, fitted
from mappings.problems import Finder, MappingProblems, Problem, has_errors
from mappings.record_currency import INACTIVE, in_record_currency
from mappings.task_status import check_closing
from mappings.vocabulary import NUMBERS
from state import meta

if TYPE_CHECKING:
    from jobs.app import App


def preflight(app: App) -> list[Problem]:
    """Check the mapping against the org when it is new or changed; raises MappingProblems, returns warnings."""
    today = app.local_day().isoformat()
    with app.store.read() as tx:
        in_force = app.programs_in_force_read(tx)
        # one that ended may be in a currency that the org has given up since
        currencies = {one.key: one.currency for one in in_force if one.ends >= app.local_day()}
        asked: tuple[object, ...] = (app.mapping.pull, app.mapping.push, sorted(set(currencies.values())))
        unused = payout_types.unused(in_force)
        if not unused:  # a first program that invoices is held against the org at once
            asked = (*asked, "invoices")
        key = hashlib.sha256(repr(asked).encode()).hexdigest()[:16]
        known, looked_on = meta.get(tx, "preflight") == key, meta.get(tx, "preflight.day")
        open_ = schema.is_open(tx)
        statuses_asked = task_statuses.is_asked(tx) or task_statuses.task_target(app) is None
    if known:
        own_currency.look_again(app, currencies)
        if open_:
            schema.look_at_schema(app)
        if looked_on == today and statuses_asked:
            return []
        if looked_on == today or not _has_more_currencies(app):
            told = _told_of_statuses(app)
            with app.store.transaction() as tx:
                meta.put(tx, "preflight.day", today)
            return told
    with app.progress.step("check mapping"):
        described = gather(app.mapping, app.org.describe)
    with app.store.read() as tx:
        seen = schema.fields_seen(tx)
        kept = task_statuses.known(tx) if looked_on == today and statuses_asked else None
    statuses = task_statuses.look(app) if kept is None else kept
    problems = check(app.mapping, described, currencies, known=seen, statuses=statuses, unused=unused)
    # said with every sync: `decimals`, and the programs that it refuses
    problems = [one for one in problems if one.code not in (TOO_FINE, INACTIVE)]
    if has_errors(problems):
        raise MappingProblems(problems)
    with app.store.transaction() as tx:
        to_come = note_fields(app, tx, described)
        own_currency.note_inactive(app, tx, described, currencies)
        if to_come:  # asked again by every sync, so that it is written as soon as it is there
            meta.drop(tx, "preflight")
        else:
            meta.put(tx, "preflight", key)
        meta.put(tx, "preflight.day", today)
        schema.remember(app, tx, described)
    return problems


def note_fields(app: App, tx: Connection, described: MappingOf[str, ObjectDescribe | None]) -> bool:
    """Write down how long the org's texts may be, how many decimals it keeps, what it shows in which currency, and which
    fields it does without; whether a deploy is to bring some. What was written under other lengths is compared again by
    the next plan."""
    absent, to_come = _of_targets(app, described, left_out), _of_targets(app, described, awaited)
    own_currency.note(app, tx, described)
    for name, found in (("push.lengths", _lengths(app, described)), ("push.scales", _scales(app, described))):
        said = json.dumps(found, sort_keys=True)
        if meta.get(tx, name) not in (None, said):
            compare_everything(tx)
        meta.put(tx, name, said)
    meta.put(tx, "push.absent", json.dumps(absent, sort_keys=True))
    return bool(to_come)


def _told_of_statuses(app: App) -> list[Problem]:
    """An admin may change the statuses of tasks any day. It is told and stops nothing: tasks are closed with another one."""
    finder, target = Finder(), task_statuses.task_target(app)
    statuses = task_statuses.look(app)
    if target is not None:
        check_closing(target, statuses, finder)
    return finder.found


def _has_more_currencies(app: App) -> bool:
    """An org that switched on several currencies would have its amounts added up as if they were one, and shown in that of
    our user: looked at once a day, while it has one. What else may have changed stops its own stream."""
    with app.store.read() as tx:
        objects = own_currency.of_one_currency(app, tx)
    order = app.mapping.pull.get("order")
    if order is not None and app.mapping.currency == "record" and "currency" not in order.fields:
        objects.append(order.object)
    if not objects:
        return False
    described = app.org.describe(sorted(set(objects)))
    problems = check(app.mapping, described)
    if mixed := [one for one in problems if one.code == MIXED]:
        raise MappingProblems(mixed)
    return own_currency.has_several(described, objects)


def was_made(tx: Connection) -> bool:
    """Whether it is known what the org's fields are; while one is to come, each sync asks again."""
    return meta.get(tx, "push.absent") is not None


def fitted_targets(tx: Connection, targets: MappingOf[str, PushTarget]) -> dict[str, PushTarget]:
    """The targets with the lengths and decimals that the last preflight found, without the fields that the org can do
    without."""
    lengths: dict[str, dict[str, int]] = json.loads(meta.get(tx, "push.lengths") or "{}")
    scales: dict[str, dict[str, int]] = json.loads(meta.get(tx, "push.scales") or "{}")
    absent: dict[str, list[str]] = json.loads(meta.get(tx, "push.absent") or "{}")
    several = own_currency.noted(tx)
    out = {}
    for name, target in targets.items():
        target = in_record_currency(target, several.get(name, ()))
        if name in absent:
            target = replace(target, fields={f: v for f, v in target.fields.items() if f not in absent[name]})
        fields = {
            field: FieldDescribe(name=field, label=field, type="string", length=length)
            for field, length in lengths.get(target.object, {}).items()
        } | {
            field: FieldDescribe(name=field, label=field, type="double", scale=scale)
            for field, scale in scales.get(target.object, {}).items()
        }
        out[name] = fitted(target, ObjectDescribe(target.object, target.object, fields))
    return out


def _of_targets(
    app: App,
    described: MappingOf[str, ObjectDescribe | None],
    asked: Callable[[PushTarget, ObjectDescribe], Collection[str]],
) -> dict[str, list[str]]:
    """Target → fields, of the targets that have such."""
    found = {}
    for name, target in app.mapping.push.items():
        describe = described.get(target.object)
        if describe is not None and (fields := asked(target, describe)):
            found[name] = sorted(fields)
    return found


def _lengths(app: App, described: MappingOf[str, ObjectDescribe | None]) -> dict[str, dict[str, int]]:
    return _of_written(app, described, lambda one: one.length or None if one.type in CUT else None)


def _scales(app: App, described: MappingOf[str, ObjectDescribe | None]) -> dict[str, dict[str, int]]:
    return _of_written(app, described, lambda one: one.scale if one.type in NUMBERS else None)


def _of_written(
    app: App,
    described: MappingOf[str, ObjectDescribe | None],
    asked: Callable[[FieldDescribe], int | None],
) -> dict[str, dict[str, int]]:
    """Object → field → what was asked, of the written fields that have it."""
    found: dict[str, dict[str, int]] = {}
    for target in app.mapping.push.values():
        describe = described.get(target.object)
        for name in target.fields if describe is not None else ():
            field = describe.field(name) if describe is not None else None
            if field is not None and (said := asked(field)) is not None:
                found.setdefault(target.object, {})[name] = said
    return found
