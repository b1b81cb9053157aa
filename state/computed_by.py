"""By which rules the store was computed (`rebates.answers`): with equal terms two versions of ours may come to other amounts."""

from __future__ import annotations

from sqlalchemy import Connection, select

from rebates.answers import RULES
from state import meta
from state.errors import NewerRules
from state.tables.programs import programs

_KEY = "rules"
_ANY_PROGRAM = select(programs.c.pk).limit(1)


def require_known(tx: Connection, where: str) -> None:
    """Raises NewerRules where a newer version of ours has computed in this store: its amounts would be moved back."""
    refuse_newer(meta.get(tx, _KEY), where)


def refuse_newer(number: str | None, where: str) -> None:
    """The same, of the number that a store has; None: it has none."""
    found = int(number or 0)
    if found > RULES:
        raise NewerRules(
            f"the store was computed by newer rules ({found}) than this program has ({RULES})", where=where
        )


def is_behind(tx: Connection) -> bool:
    """Whether what is in the store was computed by earlier rules, or by a version of ours that had no number for them."""
    return int(meta.get(tx, _KEY) or 0) < RULES and tx.execute(_ANY_PROGRAM).first() is not None


def note(tx: Connection) -> None:
    """Everything that was computed by earlier rules is marked, or computed again."""
    if meta.get(tx, _KEY) != str(RULES):
        meta.put(tx, _KEY, str(RULES))
