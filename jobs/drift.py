"""Drift: what the org shows in our fields against what it was told.

A value that a person changed is sent again, a standing that was deleted is made again. Tasks are people's: see
`jobs.tasks_at_night`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import structlog

from connector import errors
from jobs import lost_rows
from jobs.app import App
from jobs.left_behind import left_keys
from jobs.lost_rows import NOTHING, Accepted
from jobs.narrowing import read_rows
from jobs.preflight import fitted_targets
from jobs.strangers import Stranger, among, note
from jobs.tasks_at_night import TasksSeen, look_after_tasks
from jobs.whole_plan import compare_everything
from mappings.model import PushTarget
from state import acknowledged, addressees, meta, outbox, people
from state.slices import slices

log = structlog.get_logger()

SAMPLES = 20


@dataclass
class Drift:
    """`changed` and `gone` are differences."""

    compared: int = 0
    changed: int = 0
    gone: int = 0
    tasks: TasksSeen = field(default_factory=TasksSeen)
    samples: list[dict[str, str]] = field(default_factory=list)
    stopped: dict[str, errors.SyncError] = field(default_factory=dict)

    def note(self, object_name: str, key: str, name: str) -> None:
        if len(self.samples) < SAMPLES:
            self.samples.append({"object": object_name, "key": key, "field": name})


@dataclass(frozen=True)
class Difference:
    """One field of one record; `field` is None when the whole record is gone."""

    key: str
    field: str | None


def compared_targets(app: App) -> Iterator[PushTarget]:
    """The push tables whose records are states: standings and account fields."""
    for name in ("standing", "account"):
        target = app.written(name)
        if target is not None:
            yield target


def compare(
    app: App, target: PushTarget, strangers: list[Stranger] | None = None
) -> tuple[list[Difference], int]:
    """What the org holds in our fields against the last payload that it acknowledged; and how many were compared.

    The sequence is compared, too: an older number than the one that was confirmed means that the record was put back
    to an older state (X5). Records of accounts that are gone (deleted, merged away), and of standings that are not in force
    any more, are nobody's and are left out. `strangers` takes up records that the org was never told of by this store.
    """
    with app.store.read() as tx:
        target = fitted_targets(tx, {target.name: target})[target.name]
        fence = target.fence
        confirmed = acknowledged.sequences(tx, target.object) if fence is not None else {}
        told = outbox.keys_done(tx, target.object)
        lost = people.gone(tx)
        of = addressees.accounts_of(tx, target.object)
        left = left_keys(tx) if target.name == "standing" else set[str]()
        org_id = meta.org_id(tx)
    told = {key for key in told if of.get(key) not in lost and key not in left}
    fields = [name for name in target.fields if name not in target.volatile and name != target.match]
    key = target.match or "Id"
    asked = dict.fromkeys([key, *fields, *([fence] if fence is not None else [])])
    query = f"SELECT {', '.join(asked)} FROM {target.object}"
    if key != "Id":
        query += f" WHERE {key} != null"
    found: list[Difference] = []
    seen: set[str] = set()
    for page in read_rows(app, query, len(told), deleted=False):
        app.pace.attend()
        rows = page.table.to_pylist()
        if strangers is not None and org_id is not None and target.name == "standing":
            strangers += among(target, org_id, (row for row in rows if row[key] not in of))
        for ours in slices([row for row in rows if row[key] in told], outbox.KEYS_AT_ONCE):
            with (
                app.store.read() as tx
            ):  # by the page: all payloads of a large org are more than memory holds
                last = outbox.last_done(tx, target.object, {row[key] for row in ours})
            for row in ours:
                seen.add(row[key])
                expected = last[row[key]]
                found += [
                    Difference(row[key], name)
                    for name in fields
                    if name in expected and not same(expected[name], row[name])
                ]
                if fence is not None and _went_back(row[fence], confirmed.get(row[key], 0)):
                    found.append(Difference(row[key], fence))
    found += [Difference(missing, None) for missing in sorted(told - seen)]
    return found, len(seen)


def _went_back(number: str | None, confirmed: int) -> bool:
    """No number at all is a record that was last written before the org had the field."""
    return number is not None and Decimal(number) < confirmed


def repair(app: App, *, accept_missing: Accepted = NOTHING) -> Drift:
    """Find every difference and make the next plan send it again; write down what people did to tasks."""
    result = Drift()
    for target in compared_targets(app):
        with app.progress.step(f"compare {target.object}"):
            unknown: list[Stranger] = []
            try:
                found, compared = compare(app, target, unknown)
            except errors.QuotaReached as error:
                if not errors.is_bulk_quota(error):
                    raise
                log.error("drift.stopped", object=target.object, code=error.code)
                result.stopped[target.object] = error
                continue
        result.compared += compared
        if unknown:
            with app.store.transaction() as tx:
                note(tx, unknown)
        gone = [one.key for one in found if one.field is None]
        changed = sorted({one.key for one in found if one.field is not None})
        for one in found:
            result.note(target.object, one.key, one.field or "(the record is gone)")
        known = compared + len(gone)
        if len(gone) > lost_rows.allowed(app, known) and not accept_missing.covers(
            target.name, target.object
        ):
            detail = f"{len(gone):,} of our {known:,} records are no longer visible; none was made again"
            result.stopped[target.object] = lost_rows.vanished(target.object, detail, name=target.name)
            gone = []
        result.changed += len(changed)
        result.gone += len(gone)
        if changed or gone:
            log.warning("drift.found", object=target.object, changed=len(changed), gone=len(gone))
            with app.store.transaction() as tx:
                acknowledged.distrust(tx, target.object, [*changed, *gone])
                compare_everything(tx)
    result.tasks = look_after_tasks(app, accept_missing=accept_missing.covers("task", "Task"))
    result.stopped |= result.tasks.stopped
    return result


def same(told: Any, found: str | None) -> bool:
    """Whether the org's text is the value that we sent. Salesforce stores an empty text as null."""
    if told is None or told == "":
        return found is None or found == ""
    if found is None:
        return False
    if isinstance(told, bool):
        return found.lower() == str(told).lower()
    if isinstance(told, (Decimal, int)):
        return Decimal(found) == Decimal(told)
    return found.strip() == str(told).strip()
