"""Waiting standings cut into shares by their members' numbers: each belongs to one share, and the last shares are small."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from state.tables.work import dirty_cells
from state.totals import Share, waiting_among, waiting_cells

_CELLS = st.sets(st.tuples(st.integers(1, 60), st.integers(1, 5)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(_CELLS, st.integers(1, 6), st.integers(6, 40), st.integers(1, 5))
def test_every_waiting_standing_belongs_to_one_share(store, cells, least, most, parts):
    with store.transaction() as tx:
        tx.execute(delete(dirty_cells))
        if cells:
            tx.execute(dirty_cells.insert(), [{"member_pk": m, "period_pk": p} for m, p in sorted(cells)])
        cuts = waiting_among(tx, least=least, most=most, parts=parts)
        shares = [waiting_cells(tx, share=Share(n, len(cuts), (), cut)) for n, cut in enumerate(cuts)]
    assert [cell for share in shares for cell in share] == sorted(cells)
    assert all(shares), "a share with nothing in it"
    assert all(len(share) < most + 5 for share in shares), "one member more than asked at most"


def test_the_shares_become_smaller_toward_the_end(store):
    with store.transaction() as tx:
        tx.execute(dirty_cells.insert(), [{"member_pk": m, "period_pk": 1} for m in range(1_000)])
        cuts = waiting_among(tx, least=10, most=200, parts=4)
    sizes = [after - first for first, after in cuts]
    assert sum(sizes) == 1_000
    assert sizes[0] == 200
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-2] == 10
