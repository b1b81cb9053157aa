"""Once a night: are the mapped fields in the org still what they were? One or two describe calls, none in a sync.

What changed and still fits is told, and lengths of texts are learned anew. What does not fit any more stops what needs
it: nothing is settled from such a stream, nothing is written to such a target, until it fits again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import Connection

from connector import errors
from jobs.settling import note_stopped, stopped_by
from mappings import in_use
from mappings.check import gather
from mappings.fieldpaths import Describes
from state import meta

if TYPE_CHECKING:
    from jobs.app import App

log = structlog.get_logger()

LOOKS = "schema.looks"
HELD = "push.held"


@dataclass
class SchemaSeen:
    """`changed` are sentences; `stopped` are entities and push targets with why."""

    changed: list[str] = field(default_factory=list)
    stopped: dict[str, errors.SyncError] = field(default_factory=dict)


def remember(app: App, tx: Connection, described: Describes) -> None:
    """A mapping was checked and is well: this is what its fields look like. Nothing is held back any more."""
    meta.put(tx, LOOKS, json.dumps(in_use.looks(app.mapping, described), sort_keys=True))
    meta.drop(tx, HELD)


def fields_seen(tx: Connection) -> frozenset[str]:
    """`Object.Field` of what the org showed when the mapping was last well: one that is missing now is hidden or gone."""
    return frozenset(json.loads(meta.get(tx, LOOKS) or "null") or {})


def look_at_schema(app: App) -> SchemaSeen:
    """Compare with what is remembered; see the module's text."""
    from jobs.preflight import note_fields

    with app.progress.step("compare fields"):
        described = gather(app.mapping, app.org.describe)
    now = in_use.looks(app.mapping, described)
    with app.store.read() as tx:
        known = json.loads(meta.get(tx, LOOKS) or "null")
        held = json.loads(meta.get(tx, HELD) or "{}")
    changed = {one.field: one for one in in_use.changes(known, now)} if known is not None else {}
    result = SchemaSeen([f"{one.field}: {one.what}" for one in changed.values()])
    for one in changed.values():
        log.warning("schema.changed", field=one.field, what=one.what, loses=one.loses)
    if not changed and known is not None and not held:
        note_stopped(app, "schema", {})
        return result
    pulls, pushes = in_use.broken_parts(app.mapping, described, changed)
    for name, problem in (*pulls.items(), *pushes.items()):
        result.stopped[name] = _does_not_fit(problem.message)
    note_stopped(app, "schema", {name: result.stopped[name] for name in pulls})
    with app.store.transaction() as tx:
        note_fields(app, tx, described)
        meta.put(tx, HELD, json.dumps({name: pushes[name].message for name in pushes}, sort_keys=True))
        if not pulls and not pushes:  # what does not fit stays news until it fits
            meta.put(tx, LOOKS, json.dumps(now, sort_keys=True))
    return result


def is_open(tx: Connection) -> bool:
    """Whether something did not fit when it was last looked at, so that a sync looks again."""
    return bool(targets_held(tx)) or bool(stopped_by(tx, "schema"))


def stopped_pushes(app: App) -> dict[str, errors.SyncError]:
    """Push targets that nothing is written to, as errors."""
    with app.store.read() as tx:
        return {name: _does_not_fit(why) for name, why in targets_held(tx).items()}


def _does_not_fit(why: str) -> errors.SyncError:
    return errors.Misconfigured(
        "SCHEMA_CHANGED",
        detail=why,
        hint="put the field back, or change the mapping (rebates mapping check); the next sync looks again",
    )


def targets_held(tx: Connection) -> dict[str, str]:
    """Push targets that nothing is written to, with why."""
    held: dict[str, str] = json.loads(meta.get(tx, HELD) or "{}")
    return held
