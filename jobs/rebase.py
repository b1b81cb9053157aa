"""Rebase: after a restore, or with a new store, the org knows more than the store. Its knowledge is read before
anything is written.

Sequence numbers go on above the highest that the org holds, tasks that exist there are known again (so none is made
twice), and every standing that is not as the restored store remembers it is sent again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import structlog

from connector import errors
from jobs import unplaced
from jobs.alerting import BELL
from jobs.app import App
from jobs.drift import Difference, compare, compared_targets
from jobs.narrowing import read_rows
from jobs.preflight import fitted_targets
from jobs.running import Running
from jobs.strangers import Stranger, note
from jobs.takeover import adopt, payouts_in_org
from jobs.whole_plan import compare_everything
from mappings.model import PushTarget
from state import acknowledged, addressees, inventory_asked, meta, rebasing
from state.rebasing import Stage

log = structlog.get_logger()


@dataclass
class Rebased:
    """What the org knew. `differences` is the drift report of the moment before anything was sent."""

    tasks: int = 0
    payouts: int = 0  # settled amounts that only the org remembered
    newest_sequence: int = 0
    renumbered: int = 0
    compared: int = 0
    differences: list[dict[str, str]] = field(default_factory=list)


def rebase(run: Running) -> Rebased | None:
    """Do it if a restore or a new store asks for it; None: nothing to do. Killed anywhere, the next run does it again."""
    app = run.app
    with app.store.read() as tx:
        asked = rebasing.stage(tx)
    if asked not in (Stage.RESTORED, Stage.NEW):
        return None
    result = Rebased()
    with app.progress.step("read what the org knows"):
        fenced = _fenced(app)
        result.newest_sequence = newest_sequence(app, fenced)
        if asked is Stage.NEW and fenced and not result.newest_sequence:
            with app.store.transaction() as tx:
                rebasing.leave(tx)  # nobody wrote there before
            return None
        in_org = _task_keys(run)
        payouts = payouts_in_org(app)
        found: dict[str, list[Difference]] = {}
        unknown: list[Stranger] = []
        for target in compared_targets(app):
            if asked is Stage.RESTORED or target.name == "standing":
                found[target.object], compared = compare(app, target, unknown)
                result.compared += compared
    run.beat()
    task = app.written("task")
    with app.store.transaction() as tx:
        result.renumbered = rebasing.number_above(tx, result.newest_sequence)
        for key, sf_id in in_org.items():
            assert task is not None
            result.tasks += 1
            rebasing.adopt_event(tx, task.object, key, sf_id, now=app.clock.now())
        result.payouts, strange = adopt(app, tx, payouts, run_pk=run.pk)
        if strange:
            unplaced.note_left(tx, strange)
        for object_name, differences in found.items():
            acknowledged.distrust(tx, object_name, sorted({one.key for one in differences}))
            result.differences += [
                {"object": object_name, "key": one.key, "field": one.field or "(the record is gone)"}
                for one in differences
            ]
        # Standings that the backup does not know are not compared: what the plan makes of them is sent under their key
        # anyway, and it makes something of each.
        note(tx, unknown)
        compare_everything(tx)
        handed_over = rebasing.is_handed_over(tx, result.newest_sequence)
        if asked is Stage.RESTORED:
            if not handed_over:
                rebasing.forget_unkeyed(tx, BELL, now=app.clock.now())
            inventory_asked.ask(tx, "the store was restored from a backup, or copied")
        meta.drop(tx, rebasing.HANDED_OVER)
        meta.drop(tx, rebasing.AHEAD)
        if handed_over:
            rebasing.leave(tx)  # nobody but us has rung, or will
        else:
            rebasing.enter(tx, Stage.QUIET)
    log.warning(
        "store.rebased", tasks=result.tasks, sequence=result.newest_sequence, renumbered=result.renumbered,
        compared=result.compared, different=len(result.differences),
    )  # fmt: skip
    return result


def wants_a_sync(app: App) -> dict[str, errors.SyncError]:
    """Why a push alone sends nothing: what waits was computed before the org went on, and would go above what it has."""
    with app.store.read() as tx:
        if rebasing.stage(tx) is not Stage.RESTORED:
            return {}
    error = errors.Misconfigured(
        "STORE_BEHIND",
        detail="nothing was sent: the store is older than the org, and what waits in it may be, too",
        hint="rebates sync reads what the org knows, computes, and sends",
    )
    return {"push": error}


def _fenced(app: App) -> list[PushTarget]:
    states = {target.name: target for target in compared_targets(app)}
    with app.store.read() as tx:
        return [target for target in fitted_targets(tx, states).values() if target.fence is not None]


def newest_sequence(app: App, fenced: Sequence[PushTarget] | None = None) -> int:
    """The highest number that any record of ours holds; 0: none does."""
    fenced = _fenced(app) if fenced is None else fenced
    if not fenced:
        return 0
    queries = [f"SELECT MAX({target.fence}) newest FROM {target.object}" for target in fenced]
    found = [
        int(Decimal(value))
        for page in app.org.poll(queries)
        for value in page.table.column("newest").to_pylist()
        if value is not None
    ]
    return max(found, default=0)


def _task_keys(run: Running) -> dict[str, str]:
    """Key → id of every task of ours, from the recycle bin too: a deleted one is not made again."""
    app, target = run.app, run.app.written("task")
    if target is None or target.match is None:
        return {}
    query = f"SELECT Id, {target.match} FROM {target.object} WHERE {target.match} != null"
    with app.store.read() as tx:
        expected = len(addressees.accounts_of(tx, target.object))
    return {
        key: sf_id
        for page in read_rows(app, query, expected, deleted=True)
        for key, sf_id in zip(
            page.table.column(target.match).to_pylist(), page.table.column("Id").to_pylist(), strict=True
        )
    }
