"""Programs become rows, so that one set-based statement serves all of them.

`install_programs` writes down versions, buckets and periods, then has `judging` work out who takes part and
what counts. It is called at the start of every compute with the programs as configured: nothing changed
costs a few reads.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from rebates.program import Program
from state import baselines, bulk, chains, dirty, judging, row_rules
from state.dialects import upsert
from state.instants import micros
from state.tables.programs import (
    bucket_line_kinds,
    bucket_order_kinds,
    bucket_products,
    buckets,
    periods,
    program_members,
    program_versions,
    programs,
)


@dataclass(frozen=True)
class Installed:
    """What installing did, by program key, and what the rules found wrong with the data (for `status`)."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    retired: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    new_terms: tuple[str, ...] = ()  # of those that changed: not those that are in force again as they were


_KEPT = "kept"  # for the hash of a program that was refused: it is rebuilt when it is given again
_PROGRAMS = select(programs)
_ACTIVE = select(programs.c.key, programs.c.pk).where(programs.c.active)


def install_programs(
    tx: Connection,
    given: Sequence[Program],
    now: datetime,
    *,
    keep: Collection[str] = (),
    judge_again: bool = False,
) -> Installed:
    """Make the store follow `given`, and judge whatever is new or changed since the last time.

    A changed definition is a new version of the same program: its buckets and periods keep their numbers where
    they stay the same, its contributions are rebuilt by the next `contributions.recompute_dirty`. A program that
    is no longer given is retired: it stops counting, its versions and history stay. Those in `keep` are left as
    they are (their new terms cannot be computed), and rebuilt when they are given again. `judge_again`: who takes part and
    what counts was judged by earlier rules.
    """
    if len({program.key for program in given}) != len(given):
        raise ValueError("two programs have the same key")
    for program in given:
        judging.require_expressible(program)
    known = {row.key: row for row in tx.execute(_PROGRAMS).all()}
    added: list[str] = []
    changed: list[str] = []
    unchanged: list[str] = []
    new_terms: list[str] = []
    pks: dict[int, Program] = {}
    fresh, back = set[int](), set[int]()
    for program in given:
        definition = canonical(program)
        digest = hashlib.sha256((definition + _converted_apart(program)).encode()).hexdigest()
        before = known.get(program.key)
        if before is not None and before.active and before.content_hash == digest:
            unchanged.append(program.key)
            pks[before.pk] = program
            continue
        if before is not None and _last_installed(tx, before) != digest:
            new_terms.append(program.key)
        elif before is not None and before.content_hash == _KEPT:
            back.add(before.pk)
        pk = _write(tx, program, definition, digest, now, before)
        (added if before is None else changed).append(program.key)
        pks[pk] = program
        fresh.add(pk)
    staying = {program.key for program in given} | set(keep)
    retired = [row for key, row in known.items() if row.active and key not in staying]
    if keep:
        tx.execute(update(programs).where(programs.c.key.in_(sorted(keep))).values(content_hash=_KEPT))
    for row in retired:
        _retire(tx, row.pk)
    problems = judging.judge(tx, pks, set(pks) if judge_again else fresh, set() if judge_again else back)
    if fresh or judge_again:
        bulk.settle(tx, program_members, bucket_products, bucket_order_kinds, bucket_line_kinds, periods)
    gone = tuple(row.key for row in retired)
    return Installed(tuple(added), tuple(changed), gone, tuple(unchanged), tuple(problems), tuple(new_terms))


def installed(tx: Connection) -> dict[str, int]:
    """Active programs: key → pk."""
    return {row.key: row.pk for row in tx.execute(_ACTIVE)}


def canonical(program: Program) -> str:
    """A program's whole definition as JSON with one spelling: what its version is told by."""
    return json.dumps(_plain(program), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _converted_apart(program: Program) -> str:
    """What tells stores in which all orders were judged by the newest version's policy that each version has its own."""
    policies = {version.conversion.policy for version in (*program.earlier, program)}
    return "converted apart" if len(policies) > 1 else ""


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(_plain(item) for item in value)
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")  # 10 and 10.0 are the same terms
    if isinstance(value, (date, Fraction)):
        return str(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value


def _last_installed(tx: Connection, before: Any) -> str:
    """The hash of the terms that a program was last computed by."""
    if before.content_hash != _KEPT:
        return str(before.content_hash)
    last = (program_versions.c.program_pk == before.pk) & (program_versions.c.version == before.version)
    return str(tx.execute(select(program_versions.c.content_hash).where(last)).scalar_one_or_none())


def _write(
    tx: Connection,
    program: Program,
    definition: str,
    digest: str,
    now: datetime,
    before: Any,
) -> int:
    values = {
        "content_hash": digest,
        "name": program.name or program.key,
        "currency": program.currency,
        "time_zone": program.time_zone,
        "active": True,
        "returns_to_original": program.settlement.returns == "original_period",
    }
    if before is None:
        version = 1
        statement = insert(programs).values(key=program.key, version=version, **values)
        pk = tx.execute(statement.returning(programs.c.pk)).scalar_one()
    else:
        pk = before.pk
        version = before.version + (before.content_hash != digest)
        tx.execute(update(programs).where(programs.c.pk == pk).values(version=version, **values))
    tx.execute(
        upsert(tx, program_versions)
        .values(
            program_pk=pk,
            version=version,
            content_hash=digest,
            definition=definition,
            installed_at=micros(now),
        )
        .on_conflict_do_nothing()
    )
    _write_buckets(tx, pk, program)
    _write_periods(tx, pk, program)
    dirty.mark_programs(tx, select(programs.c.pk).where(programs.c.pk == pk))
    chains.mark_all(tx, pk)  # other terms move standings whose totals stay the same
    return int(pk)


def _write_buckets(tx: Connection, pk: int, program: Program) -> None:
    tx.execute(update(buckets).where(buckets.c.program_pk == pk).values(active=False))
    for bucket in program.buckets:
        ours = {"active": True, "row_rules": row_rules.written(bucket)}
        statement = upsert(tx, buckets).values(program_pk=pk, name=bucket.name, **ours)
        tx.execute(statement.on_conflict_do_update(index_elements=["program_pk", "name"], set_=ours))


def _write_periods(tx: Connection, pk: int, program: Program) -> None:
    tx.execute(update(periods).where(periods.c.program_pk == pk).values(active=False))
    # What growth is compared with is counted like any period; where it is one of the program's own, once.
    compared = [period for period in baselines.periods_of(program) if period not in program.periods()]
    for period in (*program.periods(), *compared):
        statement = upsert(tx, periods).values(
            program_pk=pk,
            name=period.key,
            start_day=period.start.toordinal(),
            end_day=period.end.toordinal(),
            start_at=micros(period.start_at),
            end_at=micros(period.end_at),
            active=True,
            baseline=period in compared,
        )
        tx.execute(
            statement.on_conflict_do_update(
                index_elements=["program_pk", "start_day", "end_day"],
                # A new time zone moves the instants, not the days.
                set_={
                    name: statement.excluded[name]
                    for name in ("name", "start_at", "end_at", "active", "baseline")
                },
            )
        )


def _retire(tx: Connection, pk: int) -> None:
    tx.execute(update(programs).where(programs.c.pk == pk).values(active=False))
    mine = select(buckets.c.pk).where(buckets.c.program_pk == pk)
    tx.execute(delete(program_members).where(program_members.c.program_pk == pk))
    for table in (bucket_products, bucket_order_kinds, bucket_line_kinds):
        tx.execute(delete(table).where(table.c.bucket_pk.in_(mine)))
    dirty.mark_programs(tx, select(programs.c.pk).where(programs.c.pk == pk))
