"""Every table of the store. Each class opens with who writes it and who reads it.

`facts` what the org told us · `programs` the rules as rows · `work` dirty, contributions, totals, standings,
outbox · `payouts` what finance sees of a posting · `running` runs, leases, watermarks, rejected rows, audit.
"""

from __future__ import annotations

from state.tables import facts, payouts, programs, running, work
from state.tables.base import FIRST_AT, FIRST_DAY, LAST_AT, LAST_DAY, metadata

__all__ = [
    "FIRST_AT",
    "FIRST_DAY",
    "LAST_AT",
    "LAST_DAY",
    "facts",
    "metadata",
    "payouts",
    "programs",
    "running",
    "work",
]
