"""Reading records again by id, outside of any window: after a merge, and for what a reconciliation found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from jobs.app import App
from mappings import soql
from mappings.inbound import Rejected, reader
from mappings.model import PullEntity
from state import staging

IDS_PER_QUERY = 300  # with a long field list, still a short address


def read_again(
    app: App, run_pk: int, entity: PullEntity, ids: Iterable[str], *, by: str = "Id"
) -> tuple[int, list[Rejected]]:
    """Stage every record of an entity whose field `by` is one of `ids`, deleted ones too: (rows, those set aside)."""
    into, rows = reader(entity, app.mapping), 0
    bad: list[Rejected] = []
    for some in _slices(sorted(set(ids)), entity, by):
        query = soql.select(entity, id_in=some, id_field=by)
        for page in app.org.query(query, include_deleted=True):
            batch = into.read(page.table)
            bad += batch.rejected
            rows += page.table.num_rows
            if batch.table.num_rows:
                with app.store.transaction() as tx:
                    staging.stage(tx, run_pk, entity.entity, batch.table)
    return rows, bad


def parent_fields(entity: PullEntity, name: str) -> tuple[str, ...]:
    """The org's fields that say which parent a record has; empty when the mapping computes it."""
    source = entity.fields.get(name)
    return () if source is None or source.expr is not None else source.paths


def _slices(ids: Sequence[str], entity: PullEntity, by: str) -> Iterator[Sequence[str]]:
    at = 0
    while at < len(ids):
        size = IDS_PER_QUERY
        while size > 1 and not soql.fits_uri(soql.select(entity, id_in=ids[at : at + size], id_field=by)):
            size //= 2
        yield ids[at : at + size]
        at += size
