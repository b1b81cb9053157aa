"""Where the amounts of a standing do not fit into the store, somebody has to look at them: whose they are is said."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from state.errors import TOO_LARGE, AmountsTooLarge
from state.evidence import largest_accounts

if TYPE_CHECKING:
    from jobs.app import App


@contextmanager
def naming_the_largest(app: App) -> Iterator[None]:
    """The error with the accounts that bought for most: one of them is meant, or several in one group."""
    try:
        yield
    except (AmountsTooLarge, OverflowError) as error:
        # SQLite makes a real number of two integers whose sum does not fit; no standing is saved with it.
        with app.store.read() as tx:
            found = largest_accounts(tx)
        most = ", ".join(f"{name or sf_id} ({sf_id}) about {amount:.3g}" for sf_id, name, amount in found)
        raise AmountsTooLarge(f"{TOO_LARGE}; most was bought by {most}", where=app.store.where) from error
