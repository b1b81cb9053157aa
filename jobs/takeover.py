"""After a restore, or with a new store: the payouts that the org has already are known before anything is settled.

No payout is made a second time, and what the org shows as settled is settled here, too.
"""

from __future__ import annotations

from decimal import Decimal

import structlog
from sqlalchemy import Connection

from jobs.app import App
from jobs.payouts import key_of
from mappings.model import PushTarget
from rebates.money import to_micro
from state import meta, rebasing, takeover
from state.takeover import Found

log = structlog.get_logger()

SPARE = 50  # numbers beyond those that we know of: how often a period was corrected since the backup

Row = dict[str, str]


def payouts_in_org(app: App) -> list[Row]:
    """Every payout of ours, deleted ones too, as the org has it."""
    target = _target(app)
    if target is None:
        return []
    columns = ["Id", str(target.match), *_columns(target).values()]
    query = f"SELECT {', '.join(dict.fromkeys(columns))} FROM {target.object} WHERE {target.match} != null"
    return [row for page in app.org.query(query, include_deleted=True) for row in page.table.to_pylist()]


def adopt(app: App, tx: Connection, rows: list[Row], *, run_pk: int) -> int:
    """Nothing that the org has is made again; what it shows as settled and the store forgot is posted. Returns how many."""
    target, org_id = _target(app), meta.org_id(tx)
    if target is None or org_id is None:
        return 0
    found, strange = list[Found](), 0
    for row in rows:
        key = row[str(target.match)]
        rebasing.adopt_event(tx, target.object, key, row["Id"], now=app.clock.now())
        one = _found(tx, target, org_id, key, row)
        if one is None:
            strange += 1
        else:
            found.append(one)
    if strange:
        log.warning("payouts.of_nobody_here", payouts=strange)  # merged accounts, retired programs
    return len(takeover.take_over(tx, found, now=app.clock.now(), run_pk=run_pk))


def _target(app: App) -> PushTarget | None:
    target = app.mapping.push.get("payout")
    return target if "payout" in app.settings.push.targets and target and target.when != "never" else None


def _columns(target: PushTarget) -> dict[str, str]:
    paths = ("member.id", "program.key", "period.key", "payout.type", "payout.amount")
    return {path: field for path in paths if (field := target.written_from(path)) is not None}


def _found(tx: Connection, target: PushTarget, org_id: str, key: str, row: Row) -> Found | None:
    """Whose posting it is: the key tells, because nothing else has it."""
    told = {path: row.get(field) for path, field in _columns(target).items()}
    account, program, period = told.get("member.id"), told.get("program.key"), told.get("period.key")
    amount = told.get("payout.amount")
    if not (account and program and period and amount):
        return None
    cell = takeover.cell_of(tx, account, program, period)
    if cell is None:
        return None
    numbers = range(1, takeover.counts(tx, [cell])[cell] + SPARE)
    number = next((n for n in numbers if key_of(org_id, program, account, period, n) == key), None)
    if number is None:
        return None
    kind = "settled" if number == 1 and _is_settlement(target, told.get("payout.type")) else "adjustment"
    return Found(cell, number, kind, to_micro(Decimal(amount)), key, row["Id"])


def _is_settlement(target: PushTarget, said: str | None) -> bool:
    name = target.written_from("payout.type")
    words = (target.fields[name].values or {}) if name is not None else {}
    return said in (None, words.get("settled", "settled"))
