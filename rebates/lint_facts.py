"""A program against what a store or an accounts file knows: rules that match nothing, members of two programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
from typing import Literal

from rebates.conditions import Condition, Filter
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
    mapped: Mapping[str, frozenset[str]] = field(default_factory=dict)  # side → fields that the mapping has


def filters_of(program: Program) -> list[tuple[str, Filter]]:
    """Every filter of a program with its place in the file."""
    pairs = [
        ("members", program.members),
        ("counts", program.counts),
        ("measure_counts", program.measure_counts),
    ]
    pairs += [(f"qualifiers.{q.name}", q.counts) for q in (*program.qualifiers, *program.gates)]
    pairs += [(f"market.{market.name}", market.when) for market in program.markets]
    special = program.special
    if special.lines == "price_difference":
        pairs += [("ship_and_debit.agreements", special.special(one)) for one in special.agreements]
    return [*pairs, ("ship_and_debit", special.not_special)]


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
    found += unmapped(program, facts) + _unknown_agreements(program, facts)
    sides = {side for side, _ in facts.values}
    for place, filter_ in filters_of(program):
        for condition in filter_.conditions:
            seen = facts.values.get((condition.side, condition.field))
            if seen is None and condition.side in sides and _is_value(condition, facts):
                seen = frozenset()  # the mapping has it, and no record does
            if seen is None:
                continue
            wanted = condition.one_of or ()
            for value in wanted:
                if value not in seen:
                    in_use = f"in use: {', '.join(sorted(seen)[:5])}" if seen else "none has any"
                    hint = did_you_mean(value, sorted(seen)) or in_use
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
    return [*found, *_growth_by_rate(program, facts)]


def _growth_by_rate(program: Program, facts: Facts) -> list[Finding]:
    """Growth in money over lines in other currencies: who bought the same at another rate has grown."""
    growth, foreign = program.growth, sorted(facts.currencies - {program.currency})
    if (
        growth is None
        or growth.on != "amount"
        or not growth.from_sales
        or program.conversion.policy == "fixed"
    ):
        return []
    if not foreign:
        return []
    words = (
        f"there are orders in {', '.join(foreign)}: each year is converted at its own rates, so a rate that moved counts as "
        "growth (the year before the program at those of each line's day)"
    )
    hint = (
        'currency_policy = "fixed" with [rates] compares both years at one rate; growth in units knows none'
    )
    return [Finding("warning", "growth-by-rate", words, hint, ("growth", "baseline"))]


def unmapped(program: Program, facts: Facts) -> list[Finding]:
    """Fields that a program asks for and the mapping does not have: for a sync every record is without them."""
    found, told = list[Finding](), set[tuple[str, str]]()
    asked: list[tuple[str, str, str]] = [
        (place, condition.side, condition.field)
        for place, filter_ in filters_of(program)
        for condition in filter_.conditions
    ]
    categories = [entry for entry in (*program.qualifiers, *program.gates) if entry.of == "categories"]
    asked += [(f"qualifiers.{one.name}", *_side_of(one.field)) for one in categories]
    for place, side, name in asked:
        known = facts.mapped.get(side)
        if known is None or name in known or (side, name) in told or (side, name) in ALWAYS:
            continue
        told.add((side, name))
        entity = "order_line" if side == "line" else side
        hint = (
            did_you_mean(name, sorted(known))
            or f'[pull.{entity}.fields] {name} = "THE_ORGS_FIELD" (docs/mapping.md)'
        )
        words = f"the mapping has no {side}.{name}, so no {side} has one"
        found.append(Finding("warning", "unmapped", words, hint, (place, name)))
    return found


def _side_of(field_path: str) -> tuple[str, str]:
    side, _, name = field_path.partition(".")
    return side, name


# What the store knows of each record by itself.
ALWAYS = {("line", "order_id"), *((side, "id") for side in ("account", "product", "order", "line"))}
# What differs from row to row: nobody lists all of it.
OF_ROWS = ALWAYS | {
    *(("order", name) for name in ("number", "account_id", "original_order_id", "ordered_on", "ordered_at")),
    *(("line", name) for name in ("product_id", "amount", "quantity")),
}


def _is_value(condition: Condition, facts: Facts) -> bool:
    """Whether records in use would show this field's values, if they had any."""
    place = (condition.side, condition.field)
    return place not in OF_ROWS and condition.field in facts.mapped.get(condition.side, ())


def _unknown_agreements(program: Program, facts: Facts) -> list[Finding]:
    """Special prices that lines name and the program does not know: such lines are neither volume nor paid by their units."""
    special = program.special
    if special.lines != "price_difference":
        return []
    names = {one.name for version in (*program.earlier, program) for one in version.special.agreements}
    unknown = sorted(facts.values.get(("line", special.field), frozenset()) - names)
    if not unknown:
        return []
    words = (
        f"lines name the {special.field} {_few(unknown)}, which is not in this program ({', '.join(sorted(names))}): they are "
        "neither counted nor paid by their units"
    )
    hint = (
        did_you_mean(unknown[0], sorted(names))
        or "add it to [[ship_and_debit.agreements]], or mend the lines"
    )
    return [Finding("warning", "unknown-agreement", words, hint, ("ship_and_debit", "agreements"))]


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
