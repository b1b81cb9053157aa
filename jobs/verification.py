"""Verify: every promise that can be checked in the store, and with `deep` every number from the raw lines and the org."""

from __future__ import annotations

from dataclasses import dataclass, field

from jobs import drift, slot_checks
from jobs.app import App
from jobs.counting import compare_counts
from jobs.payouts import what_stays
from jobs.recheck import recheck
from state import invariants, payouts, watermarks


@dataclass
class Verified:
    """Empty lists mean that all is well."""

    deep: bool
    damage: list[str] = field(default_factory=list)
    violations: list[invariants.Violation] = field(default_factory=list)
    drift: list[dict[str, str]] = field(default_factory=list)
    compared: int = 0
    deleted: int = (
        0  # payouts that a person deleted in the org: finance's to decide, and never made again unasked
    )
    behind: list[str] = field(default_factory=list)  # what `deep` could not compute again, and why

    @property
    def ok(self) -> bool:
        return not (self.damage or self.violations or self.drift)


def verify(app: App, *, deep: bool = False, with_org: bool = True) -> Verified:
    """Read-only. `deep` computes every contribution again and, `with_org`, compares what the org shows with what it was told."""
    result = Verified(deep)
    if deep and with_org:
        app.require_org_of_store()  # every record of another org would be found missing
    with app.progress.step("check the store"):
        result.damage = app.store.check()
        with app.store.read() as tx:
            result.deleted = len(payouts.deleted(tx))
            result.violations = [*invariants.check(tx, deep=deep), *slot_checks.check(app, tx)]
    if deep:
        with app.progress.step("compute again") as step, app.store.read() as tx:

            def advance(standings: int) -> None:
                step.advance(standings)
                app.pace.look()

            again = recheck(app, tx, advance)
        result.violations += again.violations
        result.behind = again.behind
    if deep and with_org:
        result.violations += _no_longer_visible(app)
        with app.store.read() as tx:
            thrown_away = payouts.deleted(tx)
        with app.progress.step("compare with the org") as step:
            paid = what_stays(app)
            for target in (*drift.compared_targets(app), *([paid] if paid is not None else [])):
                found, compared = drift.compare(app, target)
                found = [one for one in found if one.field is not None or one.key not in thrown_away]
                result.compared += compared
                result.drift += [
                    {"object": target.object, "key": one.key, "field": one.field or "(the record is gone)"}
                    for one in found
                ]
                step.advance(compared)
    return result


def _no_longer_visible(app: App) -> list[invariants.Violation]:
    """Records that were read and that the org shows no more, more of them than ever vanish (I5): one API call."""
    with app.store.read() as tx:
        read = {mark.stream for mark in watermarks.read_all(tx)}
    name = "the org shows fewer {} records than were read (I5)"
    counted = compare_counts(app, read)
    return [
        invariants.Violation(name.format(lost.sobject), 1, lost.detail or entity, lost.hint or "")
        for entity, lost in (counted.vanished if counted is not None else [])
    ]
