"""One org: its records, schema, clock, ids, users, settings, and the hooks its life is written in.

`Org.handle(request)` is the whole server, without a socket. Given the same clock, seed and requests it gives
the same replies.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from emulator import dispatch, wire
from emulator.ids import Ids
from emulator.router import Request, Response
from emulator.schema import Field, Schema, SObject, standard_schema
from emulator.slowness import Slowness
from emulator.storage import Storage

OLDEST_VERSION = 31
NEWEST_VERSION = 68


def system_clock() -> datetime:
    """The emulator's own clock seam: the only place in the package that reads the machine's time."""
    return datetime.now(UTC)  # noqa: TID251


@dataclass
class Settings:
    """Knobs of the org. Everything has the value a stock production org has."""

    api_max: int = 100_000
    """DailyApiRequests. Source: Salesforce Developer Limits, Enterprise Edition."""
    token_ttl: float = 7200
    """Seconds a session lives without being used."""
    jwt_access_tokens: bool = False
    """An expired session answers `INVALID_JWT_FORMAT`, as orgs with JWT-based access tokens do."""
    page_size: int = 2000
    """REST query page when the client asks for none."""
    page_size_min: int = 200
    page_size_max: int = 2000
    collection_max: int = 200
    locator_ttl: float = 2 * 86400
    bulk_records_max: int = 100_000
    """Rows of one bulk result page when the client asks for none."""
    order_stamp_follows_lines: bool = False
    """Whether changing an order line moves its order's SystemModstamp. Assumed: it does not."""
    enable_reduction_orders: bool = True
    enable_negative_quantity: bool = False
    """Negative lines on ordinary orders. Source: Metadata API guide, OrderSettings."""
    slowness: Slowness = field(default_factory=Slowness)
    """How long writes and queries take. A stock org of ours is quick; a real one with flows and triggers is not."""
    extra: dict[str, Any] = field(default_factory=dict)


class Access(Protocol):
    """Who may see and do what. Replaced by the permission rules of the org."""

    def readable(self, user_id: str, sobject: SObject, field: Field) -> bool: ...

    def editable(self, user_id: str, sobject: SObject, field: Field) -> bool: ...

    def allows(self, user_id: str, sobject: SObject, action: str) -> bool:
        """`action` is create, read, edit or delete."""
        ...


class OpenAccess:
    """Everything is visible and editable: an org before anyone thought about permissions."""

    def readable(self, user_id: str, sobject: SObject, field: Field) -> bool:
        return True

    def editable(self, user_id: str, sobject: SObject, field: Field) -> bool:
        return True

    def allows(self, user_id: str, sobject: SObject, action: str) -> bool:
        return True


class Formulas(Protocol):
    """Formula fields as SQL. `alias` is the table's alias in the statement the expression is put into."""

    def sql(self, sobject: str, field: str, alias: str) -> str: ...


class NoFormulas:
    def sql(self, sobject: str, field: str, alias: str) -> str:
        return "NULL"


class Faults(Protocol):
    """Wraps every request: may answer itself, change the reply, or lose it after the work was done."""

    def around(self, request: Request, handle: Callable[[Request], Response]) -> Response: ...


ValidationRule = Callable[["Org", SObject, dict[str, Any], dict[str, Any] | None], None]
"""`rule(org, sobject, new, old)`: encoded values by field name, `old` is None on insert. Raises RecordError."""


class Org:
    """Everything a handler needs. Make one with `Org.create` or `Org.open`."""

    def __init__(
        self,
        storage: Storage,
        schema: Schema,
        *,
        clock: Callable[[], datetime] = system_clock,
        seed: int = 0,
        settings: Settings | None = None,
    ) -> None:
        self.storage = storage
        self.schema = schema
        self.clock = clock
        self.rng = random.Random(seed)
        self.settings = settings or Settings()
        self.lock = threading.RLock()
        self.access: Access = OpenAccess()
        self.formulas: Formulas = NoFormulas()
        self.faults: Faults | None = None
        self.validation_rules: list[ValidationRule] = []
        self.after_write: list[Callable[[Org, SObject, dict[str, Any], dict[str, Any] | None], None]] = []
        self.usage = Usage(storage.kept("org", "usage") or {})
        self.secret = f"{seed}:signing".encode()
        self.extensions: dict[str, Any] = {}
        """Where other parts of the emulator keep what belongs to this org."""
        counters = storage.kept("org", "counters") or {}
        self.ids = Ids(counters=counters.get("ids", {}))
        self.numbers: dict[str, int] = counters.get("numbers", {})
        self._last_stamp: int = counters.get("stamp", 0)
        self._numbers_dirty = False
        storage.before_commit.append(self._save_counters)

    @classmethod
    def create(
        cls,
        path: Path | str | None = None,
        *,
        clock: Callable[[], datetime] = system_clock,
        seed: int = 0,
        settings: Settings | None = None,
    ) -> Org:
        """A new org, or the one kept in the file; always with its organization and an administrator."""
        from emulator.birth import birth  # the first records are made with the org's own means

        org = cls(Storage(path), standard_schema(), clock=clock, seed=seed, settings=settings)
        birth(org)
        from emulator import life  # permissions, formulas, rules: they need the whole org

        life.attach(org)
        return org

    # -- time and numbers --------------------------------------------------------------------------------

    def now_ms(self) -> int:
        """Milliseconds now; never before a stamp already given, so a window's end never cuts one off."""
        return max(wire.milliseconds(self.clock()), self._last_stamp)

    def now(self) -> datetime:
        return wire.moment(self.now_ms())

    def stamp(self) -> int:
        """A new SystemModstamp, later than every one before: one per transaction, as rows of a batch share it."""
        self._last_stamp = max(wire.milliseconds(self.clock()), self._last_stamp + 1)
        self._numbers_dirty = True
        return self._last_stamp

    def next_number(self, name: str) -> int:
        """The next value of an auto number."""
        self.numbers[name] = self.numbers.get(name, 0) + 1
        self._numbers_dirty = True
        return self.numbers[name]

    def reserve_numbers(self, name: str, count: int) -> range:
        start = self.numbers.get(name, 0) + 1
        self.numbers[name] = start + count - 1
        self._numbers_dirty = True
        return range(start, start + count)

    def _save_counters(self) -> None:
        """With every commit; calls that only read are remembered by the next one, or at the end."""
        if self.storage.persistent and self.usage.dirty:
            self.storage.keep("org", "usage", self.usage.kept())
        if self.ids.dirty or self._numbers_dirty:
            self.ids.dirty = self._numbers_dirty = False
            self.storage.keep(
                "org",
                "counters",
                {"ids": self.ids.counters, "numbers": self.numbers, "stamp": self._last_stamp},
            )

    # -- shape -------------------------------------------------------------------------------------------

    def add_sobject(self, sobject: SObject) -> None:
        """A new custom object with its table."""
        self.schema.add_sobject(sobject)
        self.storage.ensure_table(sobject)

    def add_field(self, sobject: str, new: Field) -> None:
        """A new or changed custom field with its column; on Activity it appears on Task and Event."""
        for changed in self.schema.add_field(sobject, new):
            self.storage.ensure_column(changed, new)

    # -- the server --------------------------------------------------------------------------------------

    def handle(self, request: Request) -> Response:
        """Answer one request, faults included."""
        if self.faults is not None:
            return self.faults.around(request, lambda inner: dispatch.handle(self, inner))
        return dispatch.handle(self, request)

    def close(self) -> None:
        with self.storage.transaction():
            pass  # what waits for a commit is written down
        self.storage.close()

    @property
    def id(self) -> str:
        row = self.storage.row('SELECT "Id" FROM "Organization"')
        assert row is not None, "an org without its organization"
        return str(row[0])


class Usage:
    """API calls of the last 24 hours. Source: Salesforce Developer Limits, "API Request Limits"."""

    def __init__(self, kept: Mapping[str, int] | None = None) -> None:
        """`kept`: calls by hour since 1970, as `kept()` gave them before a restart."""
        self._lock = threading.Lock()
        self._calls: dict[int, int] = {int(hour): calls for hour, calls in (kept or {}).items()}
        self.total = 0
        self.by_kind: dict[str, int] = {}
        self.dirty = False

    def count(self, now_ms: int, kind: str = "") -> None:
        hour = now_ms // 3_600_000
        with self._lock:
            self._calls[hour] = self._calls.get(hour, 0) + 1
            self.total += 1
            self.dirty = True
            if kind:
                self.by_kind[kind] = self.by_kind.get(kind, 0) + 1

    def used(self, now_ms: int) -> int:
        """Calls in the rolling 24 hours, by whole hours."""
        oldest = now_ms // 3_600_000 - 24
        with self._lock:
            for hour in [each for each in self._calls if each <= oldest]:
                del self._calls[hour]
            return sum(self._calls.values())

    def kept(self) -> dict[str, int]:
        """What must survive a restart; not dirty any more."""
        with self._lock:
            self.dirty = False
            return {str(hour): calls for hour, calls in self._calls.items()}

    def reset(self) -> None:
        with self._lock:
            self._calls.clear()
            self.total = 0
            self.by_kind.clear()
            self.dirty = True
