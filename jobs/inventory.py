"""Inventory: every id that the org shows, against the store. Sees what no window sees: hard deletes and lost rows.

A record that is gone is reversed like a deleted one. What the ids lack is looked for once more before: a record that is
saved while they are read moves behind their end, and is as alive as any. When too many are gone, nothing is reversed and the stream
stops: records that a user may no longer see look exactly like records that were deleted for good.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
import structlog
from sqlalchemy import Connection

from connector import choose, errors
from connector.port import Page
from jobs import lost_lately, lost_rows
from jobs.app import App
from jobs.lost_lately import LeftOut
from jobs.lost_rows import NOTHING, Accepted
from jobs.narrowing import read_in_pieces
from jobs.reading import is_of_one_stream, read_whole
from jobs.rejecting import require_readable
from jobs.rereading import IDS_PER_QUERY, read_again, shown_after_all
from jobs.running import Running
from jobs.settling import note_stopped
from mappings import soql
from mappings.canonical import ENTITIES
from mappings.inbound import Rejected, reader
from mappings.model import PullEntity
from mappings.soql import Window
from state import fact_checks, inventory, inventory_asked, purged_merges, rejected, staging
from state.instants import micros
from state.inventory import Compared
from state.rejected import RejectedRow

log = structlog.get_logger()

STREAMS = ("user", "product", "account", "order", "order_line")  # rates are kept by currency, not by id
SAMPLES = 5


@dataclass
class Stock:
    """What an inventory of one entity found and did."""

    entity: str
    live: int = 0
    there: int = 0
    missing: int = 0
    buried: int = 0
    newer: int = 0
    read_again: int = 0
    samples: list[str] = field(default_factory=list)


@dataclass
class Inventory:
    """All entities; `stopped` are those that could not be read, or where too much is missing."""

    stock: list[Stock] = field(default_factory=list)
    stopped: dict[str, errors.SyncError] = field(default_factory=dict)

    @property
    def warnings(self) -> list[str]:
        """What a person should know of it, however few they are."""
        return [
            f"{one.entity}: {one.buried:,} record{'s' if one.buried > 1 else ''} that the org no longer shows "
            f"count{'' if one.buried > 1 else 's'} as deleted ({', '.join(one.samples[: one.buried])}): what is only hidden "
            "comes back with the reconcile that sees it again"
            for one in self.stock
            if one.buried
        ]


def is_needed(app: App) -> str | None:
    """Why the sync must take an inventory now; None: no need."""
    with app.store.read() as tx:
        return inventory_asked.why(tx)


def take_inventory(
    run: Running, *, accept_missing: Accepted = NOTHING, without: Collection[str] = ()
) -> Inventory:
    """Compare all ids, read again what differs, bury what is gone; one transaction an entity, parents first.

    `without`: entities whose rows cannot be used at the moment, so that there is nothing to read again.
    """
    app, result = run.app, Inventory()
    until = app.org.server_time() - app.settings.sync.lag
    for name in STREAMS:
        entity = app.mapping.pull.get(name)
        if entity is None or name in without:
            continue
        try:
            accepts = accept_missing.covers(name, entity.object)
            result.stock.append(_one(run, entity, until, accept_missing=accepts))
        except errors.WrongOrg:
            raise
        except errors.SyncError as error:
            if not isinstance(error, errors.Misconfigured) and not is_of_one_stream(error):
                raise
            log.error("inventory.stopped", entity=name, code=error.code, detail=error.detail)
            result.stopped[name] = error
        run.beat()
    note_stopped(app, "inventory", result.stopped)
    if not result.stopped and not without:
        with app.store.transaction() as tx:
            inventory_asked.taken(tx)
    return result


def _one(run: Running, entity: PullEntity, until: datetime, *, accept_missing: bool) -> Stock:
    app, name = run.app, entity.entity
    with app.store.read() as tx:
        expected = inventory.live_count(tx, name)
    with app.progress.step(f"ids of {name}", expected) as step:
        into = reader(entity, app.mapping)
        for page in _pages(app, entity, until, expected, into.telling):
            nobodys = into.left_out(page.table) if into.telling else set[int]()
            with app.store.transaction() as tx:
                inventory.stage(tx, run.pk, name, _ids(page.table), nobodys)
            step.advance(page.table.num_rows)
            app.pace.attend()
    with app.store.transaction() as tx:
        found = inventory.compare(tx, run.pk, name)
        in_the_bin, unseen = inventory.rejected_gone(tx, name)
    found, gone = _last_look(app, entity, found, unseen, until)
    left = LeftOut() if accept_missing else lost_lately.left_out(app, entity, found.missing, found.live)
    with app.store.transaction() as tx:
        alone = replace(found, missing=lost_lately.alone(tx, entity, found.missing))
        _guard(app, entity, alone, left, accept_missing=accept_missing)
        lost_lately.require_ordinary(app, tx, entity, alone, left.ids, accept_missing=accept_missing)
        inventory.forget_rejected(tx, name, [*in_the_bin, *gone])
        buried = 0 if name == "user" else inventory.bury(tx, name, found.missing)
        if name == "account" and buried:
            inventory_asked.note_buried(tx, found.missing)
            purged_merges.note_vanished(tx, found.missing)
    stock = Stock(
        name, found.live, found.there, len(found.missing), buried, len(found.newer),
        samples=[*found.missing, *found.newer][:SAMPLES],
    )  # fmt: skip
    if buried:
        log.warning("inventory.buried", entity=name, rows=buried, first=list(found.missing[:SAMPLES]))
    if found.newer:
        stock.read_again = _read_again(run, entity, found)
    if name == "account":
        follow_the_lost(run)
    with app.store.transaction() as tx:
        fact_checks.note_rows(tx, name)
    return stock


def _last_look(
    app: App, entity: PullEntity, found: Compared, unseen: Sequence[str], until: datetime
) -> tuple[Compared, list[str]]:
    """What was found without the records that the org shows after all, and those of the `unseen` that it does not.

    What is there after all was saved since `until`: the next pull reads it. Nothing is asked when nothing is missing.
    """
    nothing_to_bury = entity.entity == "user" and len(found.missing) <= lost_rows.allowed(app, found.live)
    ids = {*(() if nothing_to_bury else found.missing), *(one for one in unseen if one)}
    shown = shown_after_all(app, entity, ids, until=until)
    if shown:
        log.info("inventory.saved_meanwhile", entity=entity.entity, rows=len(shown))
    missing = tuple(one for one in found.missing if one not in shown)
    return replace(found, missing=missing), [one for one in unseen if one not in shown]


def follow_the_lost(run: Running) -> bool:
    """An account that is gone without a trace may have been merged and the bin emptied: what was its own belongs to
    somebody else now, and its stamps did not move. Returns whether there was any."""
    app = run.app
    with app.store.read() as tx:
        account_ids = inventory_asked.buried(tx)
    if not account_ids:
        return False
    for name in ("account", "order"):
        entity = app.mapping.pull.get(name)
        with app.store.read() as tx:
            ids = inventory.left_by(tx, name, account_ids)
        if entity is None or not ids:
            continue
        _, bad = read_again(app, staging.again(run.pk), entity, ids)
        with app.store.transaction() as tx:
            staging.apply(tx, staging.again(run.pk), name, now=app.clock.now())
            set_aside(tx, bad, run_pk=run.pk, now=app.clock.now())
    with app.store.transaction() as tx:
        inventory_asked.orders_read_again(tx)
    return True


def _pages(
    app: App, entity: PullEntity, until: datetime, expected: int, telling: Sequence[str]
) -> Iterator[Page]:
    """Ids, stamps, and what tells which records are left out: each of those would be read anew every night."""
    columns = ["Id", "SystemModstamp"]
    if ENTITIES[entity.entity].field("deleted") is not None:
        columns.append("IsDeleted")
    named = {column.lower() for column in columns}
    columns += [path for path in telling if path.lower() not in named]
    everything = Window(None, until)

    def ask(window: Window, ordered: bool) -> str:
        return soql.select(entity, window=window, columns=columns, order=ordered)

    if choose.choose_read(expected, app.org.usage.budget_left) != "bulk":
        try:
            yield from app.org.query(ask(everything, True), include_deleted=True)
            return
        except errors.Transient as error:
            if not isinstance(error, errors.WindowLost) and not errors.is_too_much(error):
                raise
            log.warning("inventory.read_in_pieces", entity=entity.entity, code=error.code)
    # Ids that were noted already are noted once more.
    yield from read_in_pieces(app, entity, everything, ask)


def _ids(page: pa.Table) -> pa.Table:
    stamps = [micros(datetime.fromisoformat(text)) for text in page["SystemModstamp"].to_pylist()]
    deleted = (
        pc.equal(page["IsDeleted"], "true")
        if "IsDeleted" in page.column_names
        else pa.repeat(False, page.num_rows)
    )
    return pa.table([page["Id"], pa.array(stamps, pa.int64()), deleted], schema=inventory.SCHEMA)


def _guard(app: App, entity: PullEntity, found: Compared, left: LeftOut, *, accept_missing: bool) -> None:
    """Too many gone at once: that is lost sharing, or a condition that is wrong, until a person says that it is not."""
    if len(found.missing) <= lost_rows.allowed(app, found.live) or accept_missing:
        return
    raise lost_rows.vanished(
        entity.object,
        f"{left.told(found.missing, found.live)}; nothing was reversed",
        name=entity.entity,
        look_at=lost_lately.LOOK_AT,
        left_out=left.all_of(found.missing),
    )


def _read_again(run: Running, entity: PullEntity, found: Compared) -> int:
    """By id; when that costs more calls than reading everything, everything."""
    app, bad = run.app, list[Rejected]()
    by_id = -(-len(found.newer) // IDS_PER_QUERY)
    if by_id > choose.calls_to_read(found.there, "bulk"):
        bad = read_whole(run, entity)
    else:
        _, bad = read_again(app, staging.again(run.pk), entity, found.newer)
    _require_readable(run, entity, bad)
    with app.store.transaction() as tx:
        now = app.clock.now()
        applied = staging.apply(tx, staging.again(run.pk), entity.entity, now=now)
        set_aside(tx, bad, run_pk=run.pk, now=now)
        return applied.rows


def _require_readable(run: Running, entity: PullEntity, bad: list[Rejected]) -> None:
    """What a pull stopped for is not let in by the back door. Rows that wait for a person anyway are no news."""
    app, name = run.app, entity.entity
    with app.store.read() as tx:
        known = rejected.ids(tx, name)
        rows = staging.staged_rows(tx, staging.again(run.pk), name) + len(bad)
    try:
        require_readable(app, entity, rows, [one for one in bad if one.id not in known])
    except errors.Misconfigured:
        with app.store.transaction() as tx:
            staging.discard(tx, staging.again(run.pk), name)
        raise


def set_aside(tx: Connection, bad: list[Rejected], *, run_pk: int, now: datetime) -> None:
    """Write down rows that could not be read."""
    rows = [RejectedRow(one.entity, one.id, one.field, one.message, one.parent) for one in bad]
    rejected.set_aside(tx, rows, run_pk=run_pk, now=now)
