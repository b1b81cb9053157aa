"""Computing by shares of accounts, in several processes: each computes, saves and plans its own, and nobody saves first.

The leader begins (contributions and totals are one statement for all) and saves that. Every process then works on
shares in one transaction that it holds open; when all shares are worked out, the leader looks at what they count
together (the fuses) and lets them go. What hangs together across accounts, and what is settled, the leader computes
afterward, as it would alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from jobs import fuses
from jobs.closing import Ledger
from jobs.computing import Begun, begin, note_unfinished, work_off
from jobs.planning import Planned
from jobs.running import Running
from jobs.shard_compute import ShareWork, apart
from jobs.shard_work import Shift, claim_another, hands, share_out
from jobs.takeover import Row, place
from state import meta, postgres, shards, standings
from state.engines import Engine
from state.instants import micros
from state.rules import Installed
from state.shards import Shard
from state.totals import Cell, Late, how_many_wait, waiting_cells

if TYPE_CHECKING:
    from jobs.app import App
    from jobs.compute import Computed

WORTH_SHARING = 1_000  # standings: below, one process is done before another has begun
SHARES_EACH = 4  # so many a process: who is quicker takes more
IDLE_LIMIT = 120  # seconds: a process that sleeps in its transaction is ended by the database: it holds locks


@dataclass(frozen=True)
class Shared:
    """What was computed by shares before the leader's own compute."""

    run_pk: int
    installed: Installed
    told: tuple[dict[str, Any], ...] = ()

    def cells(self, tx: Connection) -> set[Cell]:
        """Standings that this run has changed so far."""
        return standings.cells(tx, changed_by=self.run_pk) if self.told else set()

    def added_to(self, rest: Computed) -> Computed:
        """The numbers of all shares and of what was left."""
        sums: Counter[str] = Counter()
        planned: Counter[str] = Counter(asdict(rest.planned))
        for one in self.told:
            sums += Counter(one["worked"])
            planned += Counter(one["planned"])
        return replace(
            rest,
            standings=rest.standings + sums["standings"],
            changed=rest.changed + sums["changed"],
            incomplete=rest.incomplete + sums["incomplete"],
            events=rest.events + sums["events"],
            planned=Planned(**{field.name: planned[field.name] for field in fields(Planned)}),
        )


def compute_together(
    run: Running, now: datetime, engine: Engine, advance: Callable[[int], None], left: Sequence[Row] = ()
) -> Shared | None:
    """Compute what can be computed account by account, with whoever is there; None: nobody is, nothing was done.

    `left`: payouts of the org that could not be placed before the programs were installed.
    """
    app = run.app
    workers = hands(app)
    if workers < 2:
        return None
    with app.store.transaction() as tx:
        begun = begin(app, tx, now, engine, scratch=app.from_scratch)
        waiting = how_many_wait(tx)
        held_apart = apart(tx, begun.programs)
        if waiting >= WORTH_SHARING:
            _ask_for_corrections(run, tx, begun, now, left)
    if waiting < WORTH_SHARING:
        return Shared(run.pk, begun.installed)
    count = SHARES_EACH * workers
    common = {"of": count, "apart": held_apart, "now": micros(now), "day": app.local_day().isoformat()}
    offered = [{**common, "number": number} for number in range(count)]
    found = share_out(run, "compute", offered, compute_shard, advance, lambda: _let_go(run))
    return Shared(run.pk, begun.installed, tuple(dict(one.told) for one in found))


class _Undo(Exception):
    """Carries nothing: it only undoes."""


def _ask_for_corrections(
    run: Running, tx: Connection, begun: Begun, now: datetime, left: Sequence[Row]
) -> None:
    """Raises TooSurprising when too much of what was settled would be corrected, while nothing at all is saved: the leader
    books corrections after the shares. More than a few are worked out twice."""
    app = run.app
    many = len(waiting_cells(tx, limit=fuses.FEW_CORRECTIONS + 1, share=Late())) > fuses.FEW_CORRECTIONS
    if not many or app.allow_many_corrections:
        return
    try:
        with tx.begin_nested():
            if left and place(app, tx, left, run_pk=run.pk):
                begun.calculator.widen()
            ledger = Ledger(tx, begun.programs, now, run.pk, books=False)
            work_off(
                tx, begun.calculator, now=now, run_pk=run.pk, ledger=ledger, share=Late(),
                advance=lambda _: app.pace.look(),
            )  # fmt: skip
            fuses.require_few_corrections(app, tx, ledger.corrected, by_new_rules=begun.by_new_rules)
            raise _Undo
    except _Undo:
        return


def compute_shard(first: Shift) -> None:
    """A share, and any others that are free, in one transaction; saved when the leader says so."""
    app = first.app
    with app.store.aside() as tx:
        postgres.may_idle(tx, seconds=IDLE_LIMIT)
        work = ShareWork(app, tx, first.pk, first.shard.given, sequence=lambda count: _numbers(app, count))
        mine: list[Shift] = []
        free: Shift | None = first
        while free is not None or not _may_go(first, mine):
            if free is not None:
                told = work.do(free.shard.given, free.step)
                with app.store.aside() as beside:
                    shards.ready(beside, free.shard, told)
                mine.append(free)
            else:
                postgres.stay_awake(tx)
                first.pause()
            free = claim_another(first)
        for one in mine:
            shards.check(tx, one.shard)
            shards.done(tx, one.shard)


def _numbers(app: App, count: int) -> int:
    with app.store.aside() as beside:  # taken for good: a lock on them would hold the others up
        return meta.take_sequence(beside, count)


def _may_go(first: Shift, mine: list[Shift]) -> bool:
    """Whether everything of ours may be saved."""
    if first.leads is not None:
        _let_go(first.leads)
    with first.app.store.transaction() as tx:
        states = {one.number: one.state for one in shards.of_run(tx, first.pk, "compute")}
    return all(states.get(one.shard.number) == "go" for one in mine)


def _let_go(run: Running) -> None:
    """When all shares are worked out, look at what they count together; what is not too much is saved."""
    with run.app.store.transaction() as tx:
        found = shards.of_run(tx, run.pk, "compute")
        waiting = [one for one in found if one.state == "ready"]
        if waiting and all(one.state in ("ready", "go", "done") for one in found):
            counted = _counted(waiting)
            fuses.require_usual(run.app, tx, counted)
            fuses.remember(tx, counted)
            note_unfinished(tx, run.pk)
            shards.let_go(tx, run.pk, "compute")


def _counted(found: list[Shard]) -> Counter[str]:
    counted: Counter[str] = Counter()
    for one in found:
        counted += Counter(one.told["unusual"])
    return counted
