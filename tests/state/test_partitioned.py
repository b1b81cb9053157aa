"""The tables of a PostgreSQL store may be cut by order and by account, as docs/scale.md does it: the same numbers."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import select

from state.store import Store
from state.tables import metadata

PAGE = Path("docs/scale.md").resolve()

pytestmark = pytest.mark.postgres


@pytest.fixture
def recipe() -> list[str]:
    """The statements on the page."""
    (block,) = re.findall(r"^```sql\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return [statement.strip() for statement in block.split(";") if statement.strip()]


def everything(store):
    with store.read() as tx:
        return {
            name: sorted(map(repr, tx.execute(select(metadata.tables[name]))))
            for name in ("order_lines", "contributions", "totals")
        }


def test_a_store_that_is_cut_goes_on_with_the_same_numbers(postgres_url, new_scene, program, recipe):
    here = new_scene(Store.open(postgres_url))
    here.pull("account", {"id": "ACME"}, {"id": "BETA"})
    here.pull(
        "order",
        *(
            {"id": f"O{n}", "account_id": ("ACME", "BETA")[n % 2], "ordered_on": date(2026, 1 + n % 12, 1)}
            for n in range(60)
        ),
    )
    here.pull("order_line", *({"id": f"L{n}", "order_id": f"O{n % 60}", "amount": n} for n in range(200)))
    here.compute(program())
    before, shown = everything(here.store), here.totals()
    with here.store.transaction() as tx:
        for statement in recipe:
            tx.exec_driver_sql(statement)
    assert everything(here.store) == before
    with here.store.read() as tx:
        cut = set(
            tx.exec_driver_sql(
                "SELECT relname FROM pg_class WHERE relkind = 'p' AND relnamespace = current_schema::regnamespace"
            ).scalars()
        )
    assert cut == {"order_lines", "contributions", "totals"}
    assert here.totals() == shown
    here.pull("order_line", {"id": "L1", "order_id": "O1", "amount": 1_000})
    here.pull("order", {"id": "O2", "account_id": "BETA", "ordered_on": date(2026, 12, 31)})
    assert here.compute() > 0
    assert here.violations() == []
    here.store.close()
