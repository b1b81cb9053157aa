"""A mapping as read: which org fields mean what (pull), and which org fields we write (push)."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Literal

from mappings.expression import Expression
from mappings.problems import Place

Scalar = str | bool | Decimal
As = Literal["date", "datetime", "decimal", "percent", "text", "bool"]
Sign = Literal["reverse", "positive", "negative"]
Case = Literal["lower", "upper"]
When = Literal["changed", "never"]

# What `pull` reads besides the mapped fields, where an entity has a place for it.
SYSTEM_FIELDS = {
    "id": "Id",
    "modstamp": "SystemModstamp",
    "deleted": "IsDeleted",
    "master_id": "MasterRecordId",
}


@dataclass(frozen=True)
class Source:
    """Where the value of one left-hand name comes from, and what is done to it on the way.

    Exactly one of `paths` (one: field, several: the first that is not empty), `const`, `expr`. Then, in this
    order: trim, case, values (with `other` for the rest), default when empty, `as`, sign.
    """

    paths: tuple[str, ...] = ()
    const: Scalar | None = None
    expr: Expression | None = None
    values: MappingOf[str, Scalar] | None = None
    other: Scalar = "error"  # "error": set aside; "skip": counts as deleted; else the value to take
    default: Scalar | None = None
    as_: As | None = None
    trim: bool = False
    case: Case | None = None
    sign: Sign | None = None
    place: Place = field(default_factory=Place, compare=False, repr=False)

    @property
    def needs(self) -> tuple[str, ...]:
        """The SOQL paths that must be selected."""
        return self.expr.paths if self.expr is not None else self.paths

    @property
    def plain(self) -> bool:
        """Nothing is done to the value but converting it."""
        return not (
            self.values is not None
            or self.default is not None
            or self.as_ is not None
            or self.trim
            or self.case is not None
            or self.sign is not None
        )


@dataclass(frozen=True)
class PullEntity:
    """`[pull.<entity>]`: one object of the org read as one canonical entity."""

    entity: str
    object: str
    fields: MappingOf[str, Source]  # canonical columns and, any other name, attributes
    where: str | None = None
    deleted: Literal["keep", "ignore"] = "keep"
    refresh: Literal["changed", "daily"] = "changed"
    place: Place = field(default_factory=Place, compare=False, repr=False)
    where_place: Place = field(default_factory=Place, compare=False, repr=False)
    beside: tuple[str, ...] = field(default=(), compare=False)  # asked for with each row, and no value of it

    @property
    def attributes(self) -> tuple[str, ...]:
        """Left-hand names that are no canonical column, sorted."""
        from mappings.canonical import ENTITIES

        entity = ENTITIES[self.entity]
        return tuple(sorted(name for name in self.fields if entity.field(name) is None))

    @property
    def paths(self) -> tuple[str, ...]:
        """Every SOQL path to select, as the mapping spells it, each once, system fields first."""
        from mappings.canonical import ENTITIES

        entity = ENTITIES[self.entity]
        wanted = ["Id"]
        for name in ("modstamp", "deleted", "master_id"):
            if entity.field(name) is not None and name not in self.fields:
                wanted.append(SYSTEM_FIELDS[name])
        for source in self.fields.values():
            wanted.extend(source.needs)
        wanted.extend(self.beside)
        if "SystemModstamp" not in wanted:
            wanted.insert(1, "SystemModstamp")
        once: dict[str, str] = {}
        for path in wanted:
            once.setdefault(path.lower(), path)
        return tuple(once.values())


DAILY = frozenset({"standing.days_left", "standing.as_of"})  # another every day, whatever happens


@dataclass(frozen=True)
class Value:
    """What one Salesforce field is written from: exactly one of `from_`, `const`, `text`."""

    from_: str | None = None
    const: Scalar | None = None
    text: tuple[Verbatim | Placeholder, ...] | None = None
    values: MappingOf[str, Scalar] | None = None
    as_: As | None = None
    round: int | Literal["currency"] | None = (
        None  # "currency": as many as the smallest coin of the program's has
    )
    clear: bool = True  # an empty value clears the field; false: leaves it as it is
    max_length: int | None = None  # longer text is cut to it
    scale: int | None = None  # decimals that the org's field shows: a number is not written with more
    place: Place = field(default_factory=Place, compare=False, repr=False)

    @property
    def reads(self) -> frozenset[str]:
        """The values that it is made of."""
        named = {piece.path for piece in self.text or () if isinstance(piece, Placeholder)}
        return frozenset(named | ({self.from_} if self.from_ else set()))


@dataclass(frozen=True)
class Verbatim:
    """A stretch of a text template that is written as it stands."""

    text: str


@dataclass(frozen=True)
class Placeholder:
    """`{standing.to_next_tier:money}` in a text template."""

    path: str
    format: str | None = None


@dataclass(frozen=True)
class PushTarget:
    """`[push.<target>]`: what we write, matched on which field, and when."""

    name: str
    object: str  # "" for notifications, which are no records
    fields: MappingOf[str, Value]
    match: str | None = None
    when: When = "changed"
    on: tuple[str, ...] = ()  # event kinds; tasks and notifications
    type: str | None = None  # notifications: the custom notification type
    reads: MappingOf[str, str] = field(
        default_factory=dict
    )  # payouts: our name → the field that people write
    in_own_currency: frozenset[str] = field(
        default=frozenset(), repr=False
    )  # account: amounts that the org shows in the account's currency
    closed_status: str | None = None  # tasks: what one is closed with; None: as the org has it
    place: Place = field(default_factory=Place, compare=False, repr=False)
    match_place: Place = field(default_factory=Place, compare=False, repr=False)
    closed_place: Place = field(default_factory=Place, compare=False, repr=False)

    def written_from(self, path: str) -> str | None:
        """The field that is written from a value; None: the mapping writes it nowhere."""
        return next((name for name, value in self.fields.items() if value.from_ == path), None)

    @cached_property
    def volatile(self) -> frozenset[str]:
        """Fields that change with every write and so are no reason for one: sync time and sequence."""
        return frozenset(
            name
            for name, value in self.fields.items()
            if value.from_ in ("standing.synced_at", "standing.seq")
        )

    @cached_property
    def daily(self) -> frozenset[str]:
        """Fields that are others every day, whatever happens: how many days are left, and the day itself."""
        return frozenset(name for name, value in self.fields.items() if DAILY & value.reads)

    @cached_property
    def fence(self) -> str | None:
        """The field that holds the sequence, by which the org refuses what a newer write overtook."""
        return next((name for name, value in self.fields.items() if value.from_ == "standing.seq"), None)


@dataclass(frozen=True)
class Mapping:
    """A whole mapping file, with the overrides of one org applied."""

    file: str
    pull: MappingOf[str, PullEntity]
    push: MappingOf[str, PushTarget]
    org_alias: str | None = None
    time_zone: str = "UTC"  # in which `as = "date"` takes the day of a date-time
    currency: Literal["record", "corporate"] = "record"
    namespace: str = ""
