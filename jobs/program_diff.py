"""What an amendment does before it is activated: the terms that change, and every standing that moves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, NamedTuple

from jobs.refusals import Unusable
from jobs.trial import run_trial
from jobs.trial_files import TrialFiles
from rebates.diff import Change, terms_diff
from rebates.money import money_text
from rebates.periods import Period
from rebates.program import Program
from rebates.standing import Standing

Standings = dict[tuple[str, Period], Standing]  # by member and period


class Moved(NamedTuple):
    """One member and period under both versions; None where a version does not know it."""

    member: str
    period: str
    old: Standing | None
    new: Standing | None

    @property
    def change(self) -> Decimal:
        return (self.new.rebate if self.new else Decimal(0)) - (self.old.rebate if self.old else Decimal(0))


@dataclass(frozen=True)
class ProgramDiff:
    """Changed terms, moved standings, and how many stay as they are."""

    currency: str
    changes: tuple[Change, ...]
    moved: tuple[Moved, ...] = ()
    unchanged: int = 0
    names: Mapping[str, str] = field(default_factory=dict)  # what members are called, where that is known

    def called(self, member: str) -> str:
        """The name, the id behind it."""
        return f"{self.names[member]} ({member})" if member in self.names else member

    @property
    def total(self) -> Decimal:
        return sum((entry.change for entry in self.moved), Decimal(0))

    @property
    def by_tier(self) -> dict[tuple[str, str], tuple[int, Decimal]]:
        """(tier before, tier after) → (standings, what they change by), for those that move."""
        out: dict[tuple[str, str], tuple[int, Decimal]] = {}
        for entry in self.moved:
            key = (_tier(entry.old), _tier(entry.new))
            count, change = out.get(key, (0, Decimal(0)))
            out[key] = (count + 1, change + entry.change)
        return dict(sorted(out.items()))

    def as_json(self) -> dict[str, Any]:
        return {
            "changes": [change._asdict() for change in self.changes],
            "standings": [
                {
                    "member": entry.member,
                    "member_name": self.names.get(entry.member),
                    "period": entry.period,
                    "old_tier": entry.old.tier if entry.old else None,
                    "new_tier": entry.new.tier if entry.new else None,
                    "old_rebate": None if entry.old is None else money_text(entry.old.rebate, self.currency),
                    "new_rebate": None if entry.new is None else money_text(entry.new.rebate, self.currency),
                    "change": money_text(entry.change, self.currency),
                }
                for entry in self.moved
            ],
            "by_tier": [
                {
                    "old_tier": old,
                    "new_tier": new,
                    "standings": count,
                    "change": money_text(change, self.currency),
                }
                for (old, new), (count, change) in self.by_tier.items()
            ],
            "unchanged": self.unchanged,
            "total_change": money_text(self.total, self.currency),
            "currency": self.currency,
        }

    def lines(self) -> list[str]:
        out = [
            f"{change.key}: {change.old or 'not set'} -> {change.new or 'not set'}" for change in self.changes
        ] or ["the terms are the same"]
        for entry in self.moved:
            old, new = (
                money_text(at.rebate, self.currency) if at else "no standing" for at in (entry.old, entry.new)
            )
            tiers = [at.tier or "no tier" if at else "no standing" for at in (entry.old, entry.new)]
            out.append(
                f"{self.called(entry.member)} {entry.period}: {tiers[0]} {old} -> {tiers[1]} {new} ({money_text(entry.change, self.currency)})"
            )
        for (old, new), (count, change) in self.by_tier.items():
            out.append(f"{old} -> {new}: {count} standings, {money_text(change, self.currency)}")
        if self.moved or self.unchanged:
            out.append(
                f"{len(self.moved)} standings move, {self.unchanged} stay; together {money_text(self.total, self.currency)} {self.currency}"
            )
        return out


def require_versions(old: Program, new: Program) -> None:
    """Raises Unusable where these are two programs."""
    if old.key != new.key:
        raise Unusable(
            f"{old.key} and {new.key} are two programs, not two versions of one", "versions have the same key"
        )


def diff_files(old: Program, new: Program, files: TrialFiles | None = None) -> ProgramDiff:
    """Terms always; standings where order lines are given. `effective_from` with `as_of` keeps earlier terms in force."""
    require_versions(old, new)
    changes = tuple(terms_diff(old, new))
    if files is None:
        return ProgramDiff(new.currency, changes)
    before = _standings([old], files)
    versions = [old, new] if new.amendment == "as_of" and new.effective > old.effective else [new]
    return compared(new.currency, changes, before, _standings(versions, files))


def compared(currency: str, changes: tuple[Change, ...], before: Standings, after: Standings) -> ProgramDiff:
    """Every standing that moves between two runs, in the order of member and period."""
    moved, unchanged = [], 0
    for key in sorted(before.keys() | after.keys()):
        entry = Moved(key[0], key[1].key, before.get(key), after.get(key))
        tiers = (entry.old and entry.old.tier, entry.new and entry.new.tier)
        if entry.change or tiers[0] != tiers[1] or entry.old is None or entry.new is None:
            moved.append(entry)
        else:
            unchanged += 1
    return ProgramDiff(currency, changes, tuple(moved), unchanged)


def _standings(versions: list[Program], files: TrialFiles) -> Standings:
    trial = run_trial(versions, replace(files, set_aside=[]))
    return {(row.standing.member or "", row.standing.period): row.standing for row in trial.standings}


def _tier(at: Standing | None) -> str:
    return "no standing" if at is None else at.tier or "no tier"
