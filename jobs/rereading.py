"""Reading records again by id, outside of any window: after a merge, and for what a reconciliation found."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from jobs.app import App
from jobs.rejecting import as_last_read
from mappings import soql
from mappings.inbound import Rejected, reader
from mappings.model import PullEntity
from mappings.soql import Window
from state import gone, staging

IDS_PER_QUERY = 300  # with a long field list, still a short address


def read_again(
    app: App,
    run_pk: int,
    entity: PullEntity,
    ids: Iterable[str],
    *,
    by: str = "Id",
    before: Sequence[Rejected] = (),
) -> tuple[int, list[Rejected]]:
    """Stage every record of an entity whose field `by` is one of `ids`, deleted ones too: (rows, those to set aside, with
    those that the pull found `before` and did not read again)."""
    into, rows = reader(entity, app.mapping), 0
    bad = list(before)
    for some in _slices(sorted(set(ids)), entity, by):
        query = soql.select(entity, id_in=some, id_field=by)
        for page in app.org.query(query, include_deleted=True):
            batch = into.read(page.table)
            bad = as_last_read(bad, batch)
            rows += page.table.num_rows
            if batch.table.num_rows or batch.gone.num_rows:
                with app.store.transaction() as tx:
                    staging.stage(tx, run_pk, entity.entity, batch.table)
                    gone.stage(tx, run_pk, entity.entity, batch.gone)
    return rows, bad


def shown_after_all(app: App, entity: PullEntity, ids: Collection[str], *, until: datetime) -> set[str]:
    """Those of `ids` that the org shows now, live or in the recycle bin, though what it showed before `until` lacks them.

    A few are asked for by id. More than one question can name are looked for among what was saved since `until`: no
    other record can be missing from before and be there.
    """
    if not ids:
        return set()
    only = ("Id",)
    if len(ids) <= IDS_PER_QUERY:
        slices = _slices(sorted(ids), entity, "Id", only)
        queries = [soql.select(entity, id_in=some, columns=only) for some in slices]
    else:
        queries = [soql.select(entity, window=Window(until, None), columns=only)]
    shown: set[str] = set()
    for query in queries:
        for page in app.org.query(query, include_deleted=True):
            shown.update(page.table["Id"].to_pylist())
    return shown.intersection(ids)


def shown_live(app: App, entity: PullEntity, ids: Collection[str]) -> set[str]:
    """Those of `ids` that the org has, and not in its recycle bin."""
    anyhow, only, shown = replace(entity, where=None), ("Id",), set[str]()
    for some in _slices(sorted(ids), anyhow, "Id", only):
        for page in app.org.query(soql.select(anyhow, id_in=some, columns=only)):
            shown.update(page.table["Id"].to_pylist())
    return shown


def parent_fields(entity: PullEntity, name: str) -> tuple[str, ...]:
    """The org's fields that say which parent a record has; empty when the mapping computes it."""
    source = entity.fields.get(name)
    return () if source is None or source.expr is not None else source.paths


def _slices(
    ids: Sequence[str], entity: PullEntity, by: str, columns: Sequence[str] | None = None
) -> Iterator[Sequence[str]]:
    at = 0
    while at < len(ids):
        size = IDS_PER_QUERY
        while size > 1 and not soql.fits_uri(
            soql.select(entity, id_in=ids[at : at + size], id_field=by, columns=columns)
        ):
            size //= 2
        yield ids[at : at + size]
        at += size
