"""The composition root: the only file that knows every part. Each part is opened when it is first needed."""

from __future__ import annotations

import os
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self
from zoneinfo import ZoneInfo

import structlog

from jobs import login_pause
from jobs.clock import Clock
from jobs.configuration import Configuration
from jobs.pace import Pace, Unhurried
from jobs.program_files import ProgramFiles, read_program_files
from jobs.progress import Progress, Silent
from jobs.refusals import Unusable
from jobs.settings import Settings
from jobs.targets import beside, parse_with_targets
from rebates import InvalidProgram
from rebates.outdated import Outdated, outdated, superseded
from rebates.versions import folded
from state import in_force, leases, meta, rules, runs
from state.dialects import database_time
from state.urls import file_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from connector.port import Org
    from mappings.model import Mapping, PushTarget
    from rebates import Program
    from state.store import Store


@dataclass
class App:
    """Everything a job needs, for one org."""

    configuration: Configuration
    clock: Clock
    rng: random.Random
    progress: Progress = field(default_factory=Silent)
    given_org: Org | None = None  # tests bring their own
    allow_mass_clear: bool = False
    allow_many_tasks: bool = False
    allow_many_corrections: bool = False
    makes_store: bool = True  # False: who only looks makes no tables in an empty database
    login_again: bool = False  # ask the org although it refused the login a moment ago
    any_version: bool = False  # the store may have the tables of another version of ours
    engine: str | None = None  # which computes from scratch; None: the configured one
    from_scratch: bool = False  # compute everything again, not only what changed
    workers: int = 1  # processes that were started for this run, this one included
    org_ahead: timedelta | None = None  # the least by which the org's clock was ahead of ours in this run
    pace: Pace = field(default_factory=Unhurried)  # the run under way
    stopping: threading.Event = field(default_factory=threading.Event)  # set by SIGTERM and Ctrl-C

    @classmethod
    def build(
        cls,
        configuration: Configuration,
        *,
        clock: Clock,
        rng: random.Random,
        progress: Progress | None = None,
        org: Org | None = None,
    ) -> App:
        """Nothing is opened yet: a command that needs no org never logs in."""
        return cls(configuration, clock, rng, progress or Silent(), org)

    @property
    def settings(self) -> Settings:
        return self.configuration.settings

    @cached_property
    def owner(self) -> str:
        """Who we are in leases and runs: host and process."""
        return f"{socket.gethostname()}:{os.getpid()}:{self.rng.getrandbits(32):08x}"

    def local_day(self) -> date:
        """Today where the schedule is kept: what is done once a day is done once in this day."""
        return self.clock.now().astimezone(ZoneInfo(self.settings.schedule.time_zone)).date()

    def lease_time(self, tx: Connection) -> datetime:
        """The moment by which leases are held and lost: the database's on PostgreSQL, where the hosts' clocks may differ;
        ours on SQLite, whose host is this one."""
        known = database_time(tx)
        return self.clock.now() if known is None else self.clock.at(known)

    @cached_property
    def alias(self) -> str:
        """The org's alias in the configuration."""
        return self.configuration.alias()

    @cached_property
    def mapping(self) -> Mapping:
        """The mapping with this org's overrides; `MappingProblems` when it cannot be used."""
        from mappings.file import read_mapping

        return read_mapping(self.settings.mapping, self.alias)

    def written(self, name: str) -> PushTarget | None:
        """The push table of that name where it is written at all: among `[push] targets`, and not `when = "never"`."""
        target = self.mapping.push.get(name) if name in self.settings.push.targets else None
        return None if target is None or target.when == "never" else target

    @cached_property
    def programs(self) -> ProgramFiles:
        """The program files: those that are valid, and what is wrong with the others."""
        return read_program_files(self.settings.programs)

    def programs_in_force(self, tx: Connection) -> list[Program]:
        """The valid programs, and for a broken file the last text of it that was valid."""
        for path, text in self.programs_changed(tx).items():
            meta.put(tx, f"program.{path.name}", text)
        return self.programs_in_force_read(tx)

    def programs_changed(self, tx: Connection) -> dict[Path, str]:
        """Valid files whose text is not the one that was last computed by, with what they say now."""
        texts = self.programs.texts.items()
        return {path: text for path, text in texts if (meta.get(tx, f"program.{path.name}") or "") != text}

    def programs_in_force_read(self, tx: Connection) -> list[Program]:
        """The same without writing anything down; versions of one program as one. A program that is only `Outdated` is
        there, too: it is refused, and not removed."""
        refused = {one.key: one for one in self.programs_outdated(tx).values()}
        valid = (*self.programs.programs, *self.programs_kept(tx).values())
        return [*folded(one for one in valid if one.key not in refused), *refused.values()]

    def programs_kept(self, tx: Connection) -> dict[str, Program]:
        """Name of a broken file → the last valid version of its program, which stays in force."""
        kept: dict[str, Program] = {}
        for path, _ in self.programs.broken:
            text = meta.get(tx, f"program.{path.name}")
            targets = meta.get(tx, f"program.{beside(path).name}") or ""
            if text is not None:
                with suppress(InvalidProgram):  # it was valid for an earlier version of ours
                    kept[path.name] = parse_with_targets(text, path.name, targets)
        return kept

    def programs_outdated(self, tx: Connection) -> dict[str, Outdated]:
        """Name of a broken file → what is known of its program, where the text that was in force is not valid any more by
        the rules of this version, or the file of a program in the store came under another name."""
        kept = self.programs_kept(tx)
        lost = [path for path, _ in self.programs.broken if path.name not in kept]
        if not lost:
            return {}
        valid, known = (*self.programs.programs, *kept.values()), rules.installed(tx)
        found: dict[str, Outdated] = {}
        for path in lost:
            text = meta.get(tx, f"program.{path.name}")
            one = outdated(self.programs.broken_texts.get(path, "") if text is None else text)
            if one is None or one.key not in known or superseded(one, valid):
                continue
            given = {other.effective for other in valid if other.key == one.key}
            # A new file that is broken changes nothing; terms that were in force and came under another name are not given up.
            if text is not None or not given or in_force.hold_from(tx, one.key) - given:
                found[path.name] = one
        return found

    def invalid_programs(self, tx: Connection) -> list[str]:
        """What people are told of files that are not valid now: a line each."""
        if not self.programs.broken:
            return []
        return self.programs.told(self.programs_kept(tx), self.programs_outdated(tx))

    @cached_property
    def store(self) -> Store:
        """The store, upgraded if it is empty."""
        from state.store import Store

        url = self.settings.state.url
        return Store.open(url, upgrade=self.makes_store, any_version=self.any_version)

    @contextmanager
    def working_with(self, store: Store) -> Iterator[None]:
        """Inside, `store` is the store; afterwards it is the one that was open before, or none is open, as before."""
        before = self.store if self.store_is_open else None
        self.store = store
        try:
            yield
        finally:
            if before is None:
                del self.store
            else:
                self.store = before

    @property
    def has_store(self) -> bool:
        """Whether there is a store to look into: a file, or a server, which is asked when it is opened."""
        file = file_of(self.settings.state.url)
        return file is None or file.exists()

    def require_setup(self) -> None:
        """What stops a run for lack of set-up is said before a store is made for it. One that is there notes the run."""
        self.configuration.org()
        if not self.has_store:
            _ = self.mapping, self.programs

    @property
    def rehearses(self) -> bool:
        """Whether everything is done inside one transaction that will be undone."""
        return self.store_is_open and self.store.rehearses

    @property
    def has_shared_store(self) -> bool:
        """Whether processes on several hosts may work on the store side by side; opens none to find that out."""
        from state.store import Store

        return Store.attach(self.settings.state.url).shared

    def require_shared_store(self) -> None:
        """Raises Unusable where several processes cannot work side by side; makes no store to find that out."""
        if not self.has_shared_store:
            raise Unusable(
                "several workers need a store on PostgreSQL: a SQLite file has one writer at a time",
                "move with `rebates db copy` (docs/scale.md), or run one process",
            )

    @cached_property
    def org(self) -> Org:
        """The org, logged in."""
        if self.given_org is not None:
            return self.given_org
        from connector.org import SalesforceOrg

        login_pause.require_over(self)
        org = SalesforceOrg.connect(
            self.configuration.org(), clock=self.clock, rng=self.rng, log=structlog.get_logger(),
            calls_before=self._calls_before(),
        )  # fmt: skip
        org.while_waiting(lambda: self.pace.attend())
        return org

    def require_org_of_store(self) -> None:
        """Log in; raises WrongOrg where the login leads to another org than the one that the store belongs to."""
        org_id = self.org.org_id
        with self.store.read() as tx:
            meta.require_org(tx, org_id, where=self.store.where)

    @property
    def logged_in(self) -> bool:
        """Whether this process asked the org for a login and got it."""
        return "org" in self.__dict__

    @property
    def store_is_open(self) -> bool:
        return "store" in self.__dict__

    @property
    def calls(self) -> int:
        """API calls of this process so far, of those that count."""
        return self.org.usage.calls if self.logged_in or self.given_org is not None else 0

    def calls_elsewhere(self, calls: int) -> None:
        """Helpers have made so many API calls: they count against the share of whoever is logged in."""
        if self.logged_in:
            self.org.calls_elsewhere(calls)

    def _calls_before(self) -> int:
        """Our API calls of the last 24 hours in earlier runs; commands that open no store count alone."""
        if not self.store_is_open:
            return 0
        with self.store.read() as tx:
            alive = (one.epoch for one in leases.held(tx, self.lease_time(tx)) if one.name == leases.ORG)
            since = self.clock.now() - timedelta(days=1)
            return runs.calls_since(tx, since, going_on=next(alive, None))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close what was opened."""
        opened = self.__dict__
        if "store" in opened:
            opened.pop("store").close()
        org = opened.pop("org", None)
        if org is not None and org is not self.given_org and hasattr(org, "close"):
            org.close()
