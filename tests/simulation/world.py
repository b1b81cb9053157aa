"""A world: one org, one store, one clock, and the processes that work between them. They can be killed anywhere."""

from __future__ import annotations

import hashlib
import random
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from sqlalchemy import Connection, select

from connector import limits
from connector.errors import SyncError
from emulator import task_statuses
from emulator.org import Org
from emulator.task_statuses import Status
from jobs import running
from jobs.configuration import Configuration
from jobs.reconcile import reconcile
from jobs.refusals import Refused
from jobs.run_report import RunReport
from jobs.sync import EVERYTHING, Part, sync
from mappings.problems import MappingProblems
from state.backup import backup, restore
from state.errors import StoreError, StoreLocked
from state.tables.facts import accounts, order_lines, orders
from tests.simulation import truth
from tests.simulation.network import WRITING
from tests.simulation.people import People
from tests.simulation.processes import START, SimApp, SimClock, SimCrash, settings_for
from tests.simulation.tape import Event, Tape

if TYPE_CHECKING:
    from tests.simulation.template import Template

OWN_STATUSES_EVERY = 4  # so many histories have an org that calls its task statuses by names of its own
OWN_STATUSES = (Status("Offen", default=True), Status("Erledigt", closed=True))
DEPTH_MAX = 2  # a process that is held up while another works, which is held up in turn


class World:
    """One history: `process()` starts a process of ours; the tape says what goes wrong at each point."""

    def __init__(self, template: Template, tape: Tape, folder: Path) -> None:
        setup = tape.setup
        fresh = setup.get("fresh", False)
        name = "org-deployed.db" if fresh else "org-synced.db"
        shutil.copy(template.folder / name, folder / "org.db")
        shutil.copy(template.folder / ("empty.db" if fresh else "store-synced.db"), folder / "store.db")
        clock = SimClock(START, timedelta(seconds=setup.get("skew", 0)))
        clock.sleep(setup.get("days", 0) * 86_400)
        org = Org.create(folder / "org.db", clock=clock.org_now, seed=2)
        if setup.get("page"):
            org.settings.page_size = org.settings.page_size_min = org.settings.page_size_max = setup["page"]
        org.settings.jwt_access_tokens = bool(setup.get("jwt_tokens"))
        if setup.get("jitter", 0) % OWN_STATUSES_EVERY == 0:  # renamed since we last asked
            task_statuses.replace_all(org, OWN_STATUSES)
        self._prepare(template, org, clock, folder / "store.db", tape)
        if setup.get("bulk"):
            self._undo.enter_context(patch.multiple(limits, REST_READ_ROWS=1, COMPOSITE_WRITE_ROWS=1))

    @classmethod
    def over(cls, template: Template, org: Org, clock: SimClock, store: Path, tape: Tape) -> World:
        """A world over an org and a store that are there already."""
        made = cls.__new__(cls)
        made._prepare(template, org, clock, store, tape)
        return made

    def _prepare(self, template: Template, org: Org, clock: SimClock, store: Path, tape: Tape) -> None:
        self.template, self.org, self.clock, self.store_path, self.tape = template, org, clock, store, tape
        self.people = People(org, self._has_read)
        self._undo = ExitStack()
        self.calm = False
        self.nested = 0
        self.processes = 0
        self.jitter = random.Random(tape.setup.get("jitter", 0))
        self.coverage: Counter[str] = Counter()
        self.backup_path = store.with_name("backup.db")
        self.trace: list[str] = []
        self.violations: list[str] = []
        self.requests = 0
        self.commits = 0  # of the store
        self.checked = -1  # at how many commits it was last looked at
        self.gaps: set[tuple[str, str, Fraction]] = (
            set()
        )  # (account, next tier, missing) that were true at some time
        self.amounts: set[tuple[str, str, str, Fraction]] = (
            set()
        )  # (program, account, period's start, amount) likewise
        org.after_write.append(self._seen)
        self.remember()

    def _has_read(self, sobject: str, record: str, stamp: int) -> bool:
        """Whether the store holds a record as it was stamped (ms)."""
        table = {"Account": accounts, "Order": orders, "OrderItem": order_lines}[sobject]
        with self.template.engine(self.store_path).connect() as tx:
            found = tx.execute(select(table.c.modstamp).where(table.c.sf_id == record)).scalar()
        return found is not None and found >= stamp * 1000

    # -- processes ---------------------------------------------------------------------------------------

    def process(self) -> SimApp:
        """A new process of ours, nothing opened yet."""
        self.processes += 1
        configuration = Configuration(settings_for(f"sqlite:///{self.store_path}"))
        app = SimApp.build(configuration, clock=self.clock, rng=random.Random(self.jitter.getrandbits(32)))
        app.world, app.number, app.alive, app.depth = self, self.processes, True, 0
        return app

    def run(self, app: SimApp, parts: tuple[Part, ...] = EVERYTHING) -> str:
        """One run to its end, however it ends: `ok`, `partial`, an error's name, or `crash`."""
        return self._ended(app, lambda: sync(app, parts=parts))

    def run_reconcile(self, app: SimApp) -> str:
        """The nightly comparison of everything, likewise."""
        return self._ended(app, lambda: reconcile(app, accept_missing=["all"]))

    def _ended(self, app: SimApp, job: Callable[[], RunReport]) -> str:
        try:
            report = job()
            told = "partial" if report.set_aside or report.stopped or report.pushed.retrying else "ok"
        except SimCrash:
            if app.alive:
                raise
            self.bury(app)
            return "crash"
        except running.Interrupted:
            app.stopping.clear()
            told = "interrupted"
        except (SyncError, Refused, StoreError, MappingProblems) as error:
            told = f"{type(error).__name__} {getattr(error, 'code', '')}".strip()
        self.coverage[f"ended: {told}"] += 1
        return told

    # -- operators ---------------------------------------------------------------------------------------

    def back_up(self, app: SimApp) -> None:
        """`rebates db backup`, over the one before."""
        self.backup_path.unlink(missing_ok=True)
        backup(app.store, self.backup_path)
        self.coverage["backup"] += 1

    def restore(self, app: SimApp) -> SimApp:
        """`rebates db restore`, if there is a backup; the process that works with it."""
        if not self.backup_path.exists():
            return app
        app.close()
        self.template.engine(self.store_path).dispose()
        for _ in range(2):
            try:
                restore(f"sqlite:///{self.store_path}", self.backup_path, actor="sim", now=app.clock.now())
            except StoreLocked:  # by a process that was killed: its lock ends
                self.coverage["restore refused"] += 1
                self.clock.sleep(960)
            else:
                break
        else:
            return self.process()  # by a process whose clock was set back: not today
        self.coverage["restore"] += 1
        self.trace.append("restored")
        return self.process()

    def set_clock(self, number: int) -> None:
        """The clock of our host is set, forward or back; the org's goes on."""
        self.clock.skew = timedelta(seconds=(0, 20, -50, 290, -290, -3600, 3600, -86_400)[number % 8])
        self.coverage[f"our clock is {self.clock.skew.total_seconds():.0f} s ahead"] += 1

    def bury(self, app: SimApp) -> None:
        """What is left of a killed process: its connections are closed by the system."""
        app.__dict__.pop("store", None)  # its transactions were undone on the way out
        app.__dict__.pop("org", None)

    # -- points ------------------------------------------------------------------------------------------

    def request_point(self, app: SimApp, kind: str, faults: Sequence[str]) -> list[Any] | None:
        """Before a request leaves: the fault that will strike it, if any. May kill, hold up or ask to stop."""
        app.breathe()
        self.requests += 1
        if self.calm:
            return None
        event = self.tape.at_request(faults, may_preempt=self._may_preempt(app), writes=kind in WRITING)
        fault = self._happen(app, event, f"request {kind}")
        if fault is not None:
            self.coverage[f"fault: {fault[0]} @ {kind}"] += 1
        return fault

    def reaching(self) -> None:
        """A request or a person arrives: what a long transaction wrote may show from now on."""
        if self.org.faults.settle():  # type: ignore[union-attr]
            self.remember()

    def answered(self, app: SimApp, kind: str, status: int, fault: Event | None) -> None:
        """After the org did its work, before the program hears of it."""
        self.trace.append(f"{app.number} {kind} {status} {fault and fault[0]}")
        if self.calm:
            return
        event = self.tape.at_commit(after=True, may_preempt=self._may_preempt(app))
        self._happen(app, event, f"reply {kind}")

    def commit_point(self, app: SimApp, *, after: bool) -> None:
        """Just before, or just after, a transaction is saved."""
        app.breathe()
        self.commits += after
        if self.calm:
            return
        event = self.tape.at_commit(after=after, may_preempt=after and self._may_preempt(app))
        self._happen(app, event, "after commit" if after else "before commit")

    def fenced(self, app: SimApp, tx: Connection) -> None:
        """A run saves something: the lease must still be its own."""
        if app.store.guard is not None:
            owners = [row[0] for row in tx.exec_driver_sql("SELECT owner FROM leases")]
            if app.owner not in owners:
                self.violations.append(f"a run that lost its lease to {owners} saved something")

    def _may_preempt(self, app: SimApp) -> bool:
        return self.nested < DEPTH_MAX and app.depth == 0

    def _happen(self, app: SimApp, event: Event | None, where: str) -> list[Any] | None:
        if event is None:
            return None
        what, *args = event
        self.trace.append(f"{app.number} {where}: {what}")
        if what == "fault":
            return list(args)
        self.coverage[f"{what} @ {where}"] += 1
        if what == "crash":
            app.alive = False
            raise SimCrash
        if what == "stop":
            app.stopping.set()
        elif what == "disk":
            raise StoreError("the disk is full", where="simulated")
        elif what == "preempt" and self._may_preempt(app):
            self._hold_up(app, args[0], args[1])
        elif what in ("order", "save"):
            self.act(what, args)
        return None

    def _hold_up(self, app: SimApp, how_long: int, then: int) -> None:
        """The process is held up, perhaps beyond its lease, while somebody orders and another process works."""
        self.nested += 1
        try:
            self.clock.sleep((1, 700, 1000, 4000, 1000, 1600)[how_long % 6])
            if then % 2:
                for account in range(4):  # whatever the first one was about to tell of, there is news of it
                    self.act("order", [account, then // 3, then // 5, then // 7, 0, then // 11])
                self.clock.sleep(5)
            other = self.process()
            self.trace.append(f"{other.number} meanwhile: {self.run(other)}")
            other.close() if other.alive else None
            self.clock.sleep((0, 0, 20, 2000)[then % 4])
        finally:
            self.nested -= 1

    # -- the org -----------------------------------------------------------------------------------------

    def act(self, name: str, args: list[int]) -> str:
        self.reaching()  # what shows by now was so before anybody does something more
        self.remember()
        done = self.people.act(name, args)
        self.trace.append(f"org {name}: {done}")
        self.coverage[f"org: {name}" if done == "done" else f"org: {name} not"] += 1
        self.remember()
        return done

    def remember(self) -> None:
        """Which gaps are true now, for those who ask later whether a task told something that ever was."""
        for (program, account, period), one in truth.truth(self.org, self.template.rules).items():
            self.amounts.add((program, account, truth.first_day(period), one.amount))
            if one.gap is not None and one.next_tier is not None:
                self.gaps.add((account, one.next_tier, one.gap))

    @property
    def unknowable(self) -> bool:
        """What a program computes need not have been the org's at any one time: a stream that may not be read stands
        still while the others go on, and of what is gone without a trace only the next comparison tells."""
        return any(
            self.coverage[f"org: {name}"] for name in ("hide_field", "delete_for_good", "empty_the_bin")
        )

    def _seen(self, org: Org, sobject: Any, new: dict[str, Any], old: dict[str, Any] | None) -> None:
        """Every write in the org passes here."""
        if sobject.name in ("Rebate_Standing__c", "Account") and old is not None:
            before, after = old.get("Rebate_Seq__c"), new.get("Rebate_Seq__c")
            if before is not None and (after is None or after < before):
                self.violations.append(f"{sobject.name}: Rebate_Seq__c went back from {before} to {after}")
        if (
            sobject.name == "Rebate_Payout__c"
            and old is not None
            and new.get("Amount__c") != old.get("Amount__c")
        ):
            self.violations.append(
                f"a payout was changed from {old.get('Amount__c')} to {new.get('Amount__c')}"
            )
        if sobject.name == "Task" and old is None and new.get("Rebate_Key__c"):
            self._check_phantom(new)

    def _check_phantom(self, task: dict[str, Any]) -> None:
        """`Partner 0: $1,234.50 to Gold, worth …` must have been so at some time."""
        text = str(task["Subject"]).split(": $", 1)[1]
        amount, _, rest = text.partition(" to ")
        told = (str(task["WhatId"]), rest.split(",", 1)[0], Fraction(amount.replace(",", "")))
        self.remember()
        if told not in self.gaps and not self.unknowable:
            self.violations.append(f"a phantom task: {task['Subject']}")

    def digest(self) -> str:
        """Of everything that happened, in order, and of what the org has in the end."""
        rows = self.org.storage.rows(
            'SELECT "Sync_Key__c", "Rebate__c", "Qualifying_Amount__c", "Rebate_Seq__c" FROM "Rebate_Standing__c" ORDER BY 1'
        )
        return hashlib.sha256(
            "\n".join([*self.trace, repr(rows), self.clock.moment.isoformat()]).encode()
        ).hexdigest()

    def close(self) -> None:
        self._undo.close()
        self.org.close()
