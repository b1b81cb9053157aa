"""A program against what a store or an accounts file knows: rules that match nothing, members of two programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal

from rebates.conditions import Filter
from rebates.hierarchy import double_paid, paying_member
from rebates.problems import Path, did_you_mean, dotted
from rebates.program import Program


@dataclass(frozen=True)
class Finding:
    """`warning`: probably a mistake; `note`: worth knowing."""

    level: Literal["warning", "note"]
    code: str
    message: str
    suggestion: str | None = None
    path: Path = ()

    @property
    def key(self) -> str:
        return dotted(self.path)


@dataclass(frozen=True)
class Facts:
    """What a store knows: accounts by id, values of fields in use, currencies in use and with rates."""

    accounts: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    values: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    currencies: frozenset[str] = frozenset()
    rated: frozenset[str] = frozenset()


def filters_of(program: Program) -> list[tuple[str, Filter]]:
    """Every filter of a program with its place in the file."""
    pairs = [
        ("members", program.members),
        ("counts", program.counts),
        ("measure_counts", program.measure_counts),
    ]
    pairs += [(f"qualifiers.{q.name}", q.counts) for q in (*program.qualifiers, *program.gates)]
    return pairs + [(f"market.{market.name}", market.when) for market in program.markets]


def lint_together(programs: Sequence[Program], facts: Facts) -> list[Finding]:
    """Members of two exclusive programs of one group at the same time: only the better one pays them."""
    found = []
    for one, other in combinations(programs, 2):
        if one.key == other.key or one.stacking.mode != "exclusive" or other.stacking.mode != "exclusive":
            continue
        if one.stacking.group != other.stacking.group or one.ends < other.starts or other.ends < one.starts:
            continue
        both = sorted(
            key for key, account in facts.accounts.items() if one.takes(account) and other.takes(account)
        )
        if both:
            who = ", ".join(both[:3]) + (f" and {len(both) - 3} more" if len(both) > 3 else "")
            found.append(
                Finding(
                    "warning",
                    "two-exclusive",
                    f"{who}: in {one.key} and in {other.key}, which exclude each other",
                    "only the better deal pays; narrow [members] if that is not meant",
                    ("members",),
                )
            )
    return found


def against(program: Program, facts: Facts) -> list[Finding]:
    """What a program says of things that the store does not have."""
    found = []
    if facts.accounts and not any(program.takes(account) for account in facts.accounts.values()):
        found.append(
            Finding(
                "warning",
                "nobody",
                "no account takes part",
                "compare [members] with the accounts",
                ("members",),
            )
        )
    if program.hierarchy.roll_up == "parent":
        found += _chains(program, facts)
    for place, filter_ in filters_of(program):
        for condition in filter_.conditions:
            seen = facts.values.get((condition.side, condition.field))
            if seen is None:
                continue
            wanted = condition.one_of or ()
            for value in wanted:
                if value not in seen:
                    hint = did_you_mean(value, sorted(seen)) or f"in use: {', '.join(sorted(seen)[:5])}"
                    found.append(
                        Finding(
                            "warning",
                            "matches-nothing",
                            f'no {condition.side} has {condition.field} "{value}"',
                            hint,
                            (place, condition.field),
                        )
                    )
    for code in sorted(facts.currencies - facts.rated - {program.currency} - program.conversion.fixed.keys()):
        found.append(
            Finding(
                "warning",
                "no-rate",
                f"there are orders in {code}, but no rate for it",
                "add a dated rate, or [rates] in the program",
                ("rates",),
            )
        )
    return found


def _chains(program: Program, facts: Facts) -> list[Finding]:
    """Parents in a circle, and enrolled accounts below another enrolled one."""
    parents = {
        key: str(account["parent_id"]) if account.get("parent_id") else None
        for key, account in facts.accounts.items()
    }

    def enrolled(key: str) -> bool:
        return key in facts.accounts and program.takes(facts.accounts[key])

    found = []
    for key in sorted(parents):
        path = paying_member(key, parents, lambda _: False)
        if path.problem:
            found.append(
                Finding("warning", "circle", path.problem, "mend the parent of one of them", ("hierarchy",))
            )
    if program.members.conditions:
        for below, above in double_paid(parents, enrolled):
            words = f"{below} takes part itself and lies below {above}: its orders count for {below} only"
            found.append(
                Finding(
                    "note",
                    "enrolled-below",
                    words,
                    "narrow [members] if they are meant to count for the parent",
                    ("hierarchy",),
                )
            )
    return found
