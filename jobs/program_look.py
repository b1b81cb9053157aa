"""A look at programs beside the mapping and the store: fields that nothing is read into, values that no record has.

A mistyped family is a valid program that pays nothing, or leaves out what it should count, and `rate = 1` one that pays
everything, without a word. `program check
--store` looks when somebody asks; a sync looks at programs that are new or changed, the doctor always.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import Connection

from jobs.app import App
from mappings.problems import MappingProblems
from rebates.lint import high_rates
from rebates.lint_facts import Facts, Finding, against, filters_of, unmapped
from rebates.program import Program
from state import known_values

SIDES = {"account": "account", "product": "product", "order": "order", "line": "order_line"}
Told = tuple[str, Finding]  # by the key of its program
LOOKED_FOR = ("nobody", "matches-nothing", "unmapped", "unknown-agreement")


def mapped(app: App) -> dict[str, frozenset[str]]:
    """The fields of each side that the mapping reads; nothing where it cannot be used, which others say."""
    try:
        pull = app.mapping.pull
    except MappingProblems:
        return {}
    there = {side: frozenset(pull[entity].fields if entity in pull else ()) for side, entity in SIDES.items()}
    if "ordered_at" in there["order"]:  # a moment is a day in the program's time zone
        there["order"] |= {"ordered_on"}
    return there


def look(app: App, tx: Connection, programs: Iterable[Program], fresh: Collection[str]) -> list[Told]:
    """Warnings by program. Those that are `fresh` are held against the records, too."""
    programs, there = list(programs), mapped(app)
    asks = any(_asks_of_accounts(program) for program in programs if program.key in fresh)
    known = known_values.read(tx, of_accounts=asks) if fresh else None
    found: list[Told] = []
    for program in programs:
        if known is not None and program.key in fresh:
            facts = Facts(known.accounts, known.values, mapped=there)
            found += [(program.key, one) for one in against(program, facts) if one.code in LOOKED_FOR]
            ladders = (program, *(program.for_market(market.name) for market in program.markets))
            rates = {one.message: one for terms in ladders for one in high_rates(terms)}
            found += [(program.key, one) for one in rates.values()]
        else:
            found += [(program.key, one) for one in unmapped(program, Facts(mapped=there))]
    return found


def told(app: App, tx: Connection, programs: Iterable[Program], fresh: Collection[str]) -> list[str]:
    """The same for people, in a line each."""
    return _in_lines(look(app, tx, programs, fresh))


def unread(app: App, programs: Iterable[Program]) -> list[str]:
    """What the mapping alone can tell, before there is a store."""
    there = Facts(mapped=mapped(app))
    return _in_lines((program.key, one) for program in programs for one in unmapped(program, there))


def _asks_of_accounts(program: Program) -> bool:
    return any(one.side == "account" for _, filter_ in filters_of(program) for one in filter_.conditions)


def _in_lines(found: Iterable[Told]) -> list[str]:
    return [
        f"{key}: {one.key + ': ' if one.key else ''}{one.message}"
        + (f"; {one.suggestion}" if one.suggestion else "")
        for key, one in found
    ]
