"""A few rows that cannot be read are set aside; when most of a stream cannot be read, it is the mapping and not the rows.

The stream then stops as for any other mistake of set-up: nothing of it is applied, the others go on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from connector import errors
from jobs.app import App
from mappings.inbound import Inbound, Rejected
from mappings.model import PullEntity

FEW = 100  # so many rows of one read may be bad without a question
CODE = "TOO_MANY_REJECTED"
IN_MEMORY = (
    100_000  # rejected rows of a stream that are kept before the share of what was read so far decides
)
REASONS_SHOWN = 3


def as_last_read(before: list[Rejected], batch: Inbound) -> list[Rejected]:
    """What cannot be read, after one more page: a record that comes again in one pull (the rounds of catching up, what
    is read by id after a merge) is what its last reading says, readable or not, and is one record.
    """
    if not before:
        return list(batch.rejected)
    waiting = pa.array({one.id for one in before}, pa.string())
    again = {one.id for one in batch.rejected}
    for some in (batch.table, batch.gone):
        again.update(some["id"].filter(pc.is_in(some["id"], value_set=waiting)).to_pylist())
    if again.isdisjoint(one.id for one in before):
        return [*before, *batch.rejected]
    return [one for one in before if not one.id or one.id not in again] + list(batch.rejected)


def require_readable(app: App, entity: PullEntity, rows: int, bad: Sequence[Rejected]) -> None:
    """Raises Misconfigured when too many of `rows` that were read are `bad`."""
    allowed = max(FEW, int(rows * app.settings.sync.rejected_rows_share))
    if len(bad) <= allowed:
        return
    reasons = Counter((one.field, one.code) for one in bad).most_common(REASONS_SHOWN)
    told = ", ".join(f"{field} {code} ({count:,})" for (field, code), count in reasons)
    raise errors.Misconfigured(
        CODE,
        sobject=entity.object,
        detail=f"{len(bad):,} of {rows:,} rows that were read cannot be used: {told}; nothing of them was applied",
        hint=f"Look at [pull.{entity.entity}] with `rebates mapping check`: that many rows are a mapping mistake or a "
        "field that was changed. If the rows themselves are bad: raise [sync] rejected_rows_share",
    )
