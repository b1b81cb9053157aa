"""Verify: every promise that can be checked in the store, and with `deep` every number from the raw lines and the org."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from jobs.app import App
from mappings.model import PushTarget
from state import invariants, outbox


@dataclass
class Verified:
    """Empty lists mean that all is well."""

    deep: bool
    damage: list[str] = field(default_factory=list)
    violations: list[invariants.Violation] = field(default_factory=list)
    drift: list[dict[str, str]] = field(default_factory=list)
    compared: int = 0

    @property
    def ok(self) -> bool:
        return not (self.damage or self.violations or self.drift)


def verify(app: App, *, deep: bool = False) -> Verified:
    """Read-only. `deep` computes every contribution again and compares what the org shows with what it was told."""
    result = Verified(deep)
    with app.progress.step("check the store"):
        result.damage = app.store.check()
        with app.store.read() as tx:
            result.violations = invariants.check(tx, deep=deep)
    if deep:
        with app.progress.step("compare with the org") as step:
            for name in ("standing", "account"):
                target = app.mapping.push.get(name)
                if target is not None and name in app.settings.push.targets and target.when != "never":
                    _compare(app, target, result)
                    step.advance(result.compared)
    return result


def _compare(app: App, target: PushTarget, result: Verified) -> None:
    """What the org holds in our fields against the last payload that it acknowledged."""
    with app.store.read() as tx:
        told = outbox.last_done(tx, target.object)
    fields = [name for name in target.fields if name not in target.volatile and name != target.match]
    key = target.match or "Id"
    columns = list(dict.fromkeys([key, *fields]))
    query = f"SELECT {', '.join(columns)} FROM {target.object}"
    if key != "Id":
        query += f" WHERE {key} != null"
    seen: set[str] = set()
    for page in app.org.query(query):
        for row in page.table.to_pylist():
            expected = told.get(row[key])
            if expected is None:
                continue
            seen.add(row[key])
            result.compared += 1
            for name in fields:
                if name in expected and not same(expected[name], row[name]):
                    result.drift.append({"object": target.object, "key": row[key], "field": name})
    result.drift += [
        {"object": target.object, "key": missing, "field": "(the record is gone)"}
        for missing in sorted(told.keys() - seen)
    ]


def same(told: Any, found: str | None) -> bool:
    """Whether the org's text is the value that we sent. Salesforce stores an empty text as null."""
    if told is None or told == "":
        return found is None or found == ""
    if found is None:
        return False
    if isinstance(told, bool):
        return found.lower() == str(told).lower()
    if isinstance(told, (Decimal, int)):
        return Decimal(found) == Decimal(told)
    return found.strip() == str(told).strip()
