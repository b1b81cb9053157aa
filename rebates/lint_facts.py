"""A program against what a store or an accounts file knows: rules that match nothing, members of two programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
from typing import Literal

from rebates.conditions import Filter
from rebates.frames import Frame
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
    """What a store knows: accounts by id, values of fields in use, currencies in use and with rates, the programs
    that are in force, what was settled by program key, and currencies that the org has not active, with the reason.
    """

    accounts: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    values: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    currencies: frozenset[str] = frozenset()
    rated: frozenset[str] = frozenset()
    programs: tuple[Program, ...] = ()
    settled: Mapping[str, Frame] = field(default_factory=dict)
    inactive: Mapping[str, str] = field(default_factory=dict)


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
    """Accounts in two exclusive programs of one group: the better pays, or, for two different members, both do.

    The programs are held against each other and against those that are in force (`facts.programs`).
    """
    own = {program.key for program in programs}
    others = [program for program in facts.programs if program.key not in own]
    found = []
    for one, other in (*combinations(programs, 2), *product(programs, others)):
        if one.key == other.key or one.stacking.mode != "exclusive" or other.stacking.mode != "exclusive":
            continue
        if one.stacking.group != other.stacking.group or one.ends < other.starts or other.ends < one.starts:
            continue
        mine, theirs = _members(one, facts), _members(other, facts)
        both = sorted({member for member in mine.values() if member in theirs.values()})
        if both:
            words = f"{_few(both)}: in {one.key} and in {other.key}, which exclude each other"
            hint = "only the better deal pays; narrow [members] if that is not meant"
            found.append(Finding("warning", "two-exclusive", words, hint, ("members",)))
        twice = sorted(key for key in mine.keys() & theirs.keys() if mine[key] != theirs[key])
        if twice:
            words = (
                f"orders of {_few(twice)} count for {mine[twice[0]]} in {one.key} and for {theirs[twice[0]]} in "
                f"{other.key}: the better deal is chosen member by member, so both pay for them"
            )
            hint = "let both programs roll up alike, or narrow [members]"
            found.append(Finding("warning", "paid-twice", words, hint, ("hierarchy",)))
    return found


def _members(program: Program, facts: Facts) -> dict[str, str]:
    """Account → the member that its orders count for."""
    taken = {key for key, account in facts.accounts.items() if program.takes(account)}
    hierarchy = program.hierarchy
    if hierarchy.roll_up == "none":
        return {key: key for key in taken}
    if hierarchy.roll_up == "group":
        return {
            entry.account: hierarchy.payees.get(entry.group, entry.group)
            for entry in hierarchy.groups
            if entry.account in taken
        }
    parents = parents_of(facts)
    to_the_top = not program.members.conditions
    paths = {
        key: paying_member(key, parents, taken.__contains__, to_the_top=to_the_top) for key in facts.accounts
    }
    return {key: path.member for key, path in paths.items() if path.member is not None}


def parents_of(facts: Facts) -> dict[str, str | None]:
    """Account → its parent."""
    return {
        key: str(account["parent_id"]) if account.get("parent_id") else None
        for key, account in facts.accounts.items()
    }


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


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
    parents = parents_of(facts)

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
