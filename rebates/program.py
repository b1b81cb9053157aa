"""A rebate program: who takes part, what counts, periods and tiers. An invalid one cannot be built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Literal

from rebates.agreements import ShipAndDebit
from rebates.calendars import Cut
from rebates.caps import Limits, Proration
from rebates.conditions import Fields, Filter
from rebates.currency import Conversion
from rebates.growth import Growth
from rebates.hierarchy import Hierarchy
from rebates.markets import Market, market_of
from rebates.periods import Calendar, Period, local_day
from rebates.problems import InvalidProgram
from rebates.qualifiers import Bucket, Dimension, Qualifier
from rebates.settle import Settlement
from rebates.stacking import Stacking, after_bucket
from rebates.tiers import Boundary, Tier, named
from rebates.totals import ALL, Inputs, Target

ONE = Decimal(1)
Method = Literal["retrospective", "stepped"]


@dataclass(frozen=True)
class Alerts:
    """When a standing is near its next tier, when a period's end is near, and which part of a cap is news."""

    near_days: int | None = None
    near_within: Decimal | None = None
    near_within_share: Decimal | None = None  # of the next tier's threshold
    closing_days: int | None = None
    cap_share: Decimal = ONE

    @property
    def watches_gaps(self) -> bool:
        return (
            self.near_days is not None or self.near_within is not None or self.near_within_share is not None
        )


@dataclass(frozen=True)
class Program:
    """All terms of one version of a program.

    `starts` and `ends` are days that count. `qualifiers` decide the tier (joined by `join`), `measure_counts`
    narrows what is paid on, every `gates` entry must hold. Construction raises `InvalidProgram` with all problems.
    """

    key: str
    tiers: tuple[Tier, ...]
    starts: date
    ends: date
    name: str = ""
    currency: str = "USD"
    time_zone: str = "UTC"
    cut: Cut = field(default_factory=Cut)
    method: Method = "retrospective"
    qualifiers: tuple[Qualifier, ...] = field(default_factory=lambda: (Qualifier(),))
    join: Literal["all", "any"] = "all"
    gates: tuple[Qualifier, ...] = ()
    measure: Dimension | None = None
    boundary: Boundary = "reach"
    whole_units: bool = False
    members: Filter = field(default_factory=Filter)
    counts: Filter = field(default_factory=Filter)
    measure_counts: Filter = field(default_factory=Filter)
    growth: Growth | None = None
    targets: Mapping[str, Decimal] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    proration: Proration = field(default_factory=Proration)
    markets: tuple[Market, ...] = ()
    hierarchy: Hierarchy = field(default_factory=Hierarchy)
    settlement: Settlement = field(default_factory=Settlement)
    conversion: Conversion = field(default_factory=Conversion)
    stacking: Stacking = field(default_factory=Stacking)
    special: ShipAndDebit = field(default_factory=ShipAndDebit)
    alerts: Alerts = field(default_factory=Alerts)
    effective_from: date | None = None
    amendment: Literal["as_of", "latest"] = "latest"
    # Not written in the file: known once all files are read, see `rebates.sequence` and `rebates.versions`.
    ahead: tuple[tuple[str, Filter], ...] = ()
    given: tuple[Target, ...] = ()  # targets and baselines from a file beside it
    earlier: tuple[Program, ...] = ()  # versions whose terms hold for the days before, oldest first

    def __post_init__(self) -> None:
        from rebates.checks import find_problems  # the checks read programs, so they come after them

        object.__setattr__(self, "tiers", named(self.tiers))
        problems = find_problems(self)
        if problems:
            raise InvalidProgram(self.key or "without a key", problems)

    # --- who and what -------------------------------------------------------------------------

    def takes(self, account: Fields) -> bool:
        """Whether an account takes part."""
        return self.members.passes("account", account)

    def why_not_member(self, account: Fields) -> str | None:
        """Why an account does not take part; None when it does."""
        return self.members.why_not("account", account)

    @cached_property
    def base_filter(self) -> Filter:
        """What every volume bucket shares."""
        return self.counts + self.special.not_special

    @property
    def paid_lines(self) -> Filter:
        """Which lines it is paid on (special agreements aside)."""
        return self.base_filter + self.measure_counts

    @cached_property
    def buckets(self) -> tuple[Bucket, ...]:
        """All counters, those of earlier versions under names of their own."""
        before = (
            Bucket(version.name_before(bucket.name), bucket.filter)
            for version in self.earlier
            for bucket in version.buckets
        )
        return (*self.own_buckets, *before)

    @cached_property
    def _counted_by(self) -> Mapping[str, Program]:
        before = {
            version.name_before(bucket.name): version
            for version in self.earlier
            for bucket in version.own_buckets
        }
        return before | {bucket.name: self for bucket in self.own_buckets}

    def terms_of(self, bucket: str) -> Program:
        """The version that a counter belongs to, of itself and the earlier ones."""
        return self._counted_by.get(bucket, self)

    def counts_all(self, bucket: str) -> bool:
        """Whether a counter is a version's `all`."""
        terms = self.terms_of(bucket)
        return bucket == (ALL if terms is self else terms.name_before(ALL))

    def name_before(self, bucket: str) -> str:
        """What a counter of this version is called where a later version is in force."""
        return f"{bucket}@{self.effective}"

    @cached_property
    def own_buckets(self) -> tuple[Bucket, ...]:
        """The counters of this version; a plain program has one, `all`. A narrower bucket's filter includes the common one."""
        found = {ALL: Bucket(ALL, self.base_filter)}
        for qualifier in (*self.qualifiers, *self.gates):
            for bucket in qualifier.buckets():
                found[bucket.name] = Bucket(bucket.name, self.base_filter + bucket.filter)
        if self.measure_counts.conditions:
            found[self.measure_bucket] = Bucket(self.measure_bucket, self.base_filter + self.measure_counts)
        if self.special.lines == "price_difference":
            for agreement in self.special.agreements:
                found[agreement.bucket] = Bucket(
                    agreement.bucket, self.counts + self.special.special(agreement)
                )
        for name in self.hierarchy.share_buckets:
            found[name] = Bucket(name, self.paid_lines)
        for key, paid_there in self.ahead:
            found[after_bucket(key)] = Bucket(after_bucket(key), self.paid_lines + paid_there)
        return tuple(found.values())

    @property
    def measure_bucket(self) -> str:
        return "measure" if self.measure_counts.conditions else ALL

    def why_not(self, account: Fields, product: Fields, order: Fields, line: Fields) -> str | None:
        """Why a line counts in no bucket of this program; None when it counts in at least one."""
        reason = None
        if Bucket("", self.counts).why_not(account, product, order, line) is None:
            reason = self.special.why_not(line)
        for bucket in self.own_buckets:
            this = bucket.why_not(account, product, order, line)
            if this is None:
                return None
            reason = reason or this
        return reason

    def market_of(self, account: Fields) -> str | None:
        """The market whose terms hold for an account; None for the program's own."""
        market = market_of(self.markets, account)
        return market.name if market else None

    @cached_property
    def _by_market(self) -> Mapping[str, Program]:
        return {
            market.name: replace(
                self,
                tiers=market.tiers or self.tiers,
                limits=self.limits.but(market.limits or {}),
                markets=(),
            )
            for market in self.markets
        }

    def for_market(self, name: str | None) -> Program:
        """The terms that hold in a market."""
        return self if name is None else self._by_market[name]

    # --- when ---------------------------------------------------------------------------------

    @cached_property
    def calendar(self) -> Calendar:
        return Calendar(self.starts, self.ends + timedelta(days=1), self.cut, self.time_zone)

    def periods(self) -> tuple[Period, ...]:
        return self.calendar.periods

    def period_of(self, when: date | datetime) -> Period | None:
        """The period that a day or an aware instant falls into; None outside the program."""
        return self.calendar.of(when)

    def own_period(self, start: date, end: date) -> Period | None:
        """The period with exactly these days; never another one that begins on the same day."""
        own = self.period_of(start)
        return own if own is not None and (own.start, own.end) == (start, end) else None

    def day_of(self, when: date | datetime) -> date:
        return local_day(when, self.time_zone)

    @cached_property
    def _windows(self) -> Mapping[Period, tuple[Period, ...]]:
        window = self.settlement.window
        if window == "period":
            return {period: (period,) for period in self.periods()}
        if window == "program":
            return {period: self.periods()[: n + 1] for n, period in enumerate(self.periods())}
        cut = Cut(window, self.cut.anchor, self.cut.fiscal_year_starts)
        spans = list(cut.spans(self.starts, self.ends + timedelta(days=1)))
        out = {}
        for period in self.periods():
            start = next(first for _, first, after in spans if first <= period.start < after)
            out[period] = tuple(p for p in self.periods() if start <= p.start <= period.start)
        return out

    def window(self, period: Period) -> tuple[Period, ...]:
        """The periods whose totals make up a period's standing: itself, or all since the window began."""
        return self._windows[period]

    @cached_property
    def counts_over_several_periods(self) -> bool:
        """Whether any period's standing is made up of more than the period."""
        longer = self.settlement.window != "period"
        return longer and any(len(inside) > 1 for inside in self._windows.values())

    @cached_property
    def _window_ends(self) -> Mapping[date, date]:
        last: dict[date, date] = {}
        for inside in self._windows.values():  # in the order of time
            last[inside[0].start] = inside[-1].last_day
        return {period.start: last[inside[0].start] for period, inside in self._windows.items()}

    def tier_until(self, period: Period) -> date:
        """The last day whose lines count toward the tier that a period's standing has: with a longer window, the window's."""
        if self.settlement.window == "period" or period not in self._windows:
            return period.last_day
        return self._window_ends[period.start]

    # --- given values ---------------------------------------------------------------------------

    @cached_property
    def _given(self) -> Mapping[str, Sequence[Target]]:
        found: dict[str, list[Target]] = {}
        for one in sorted(self.given, key=lambda one: one.period is not None):  # a period's own come last
            found.setdefault(one.member, []).append(one)
        return found

    def with_given(self, inputs: Inputs, member: str, period: Period) -> Inputs:
        """The inputs with the target and the baseline that a file gives for a member and period."""
        for one in self._given.get(member, ()):
            if one.period in (None, period.key):
                target = inputs.target if one.target is None else one.target
                baseline = inputs.baseline if one.baseline is None else one.baseline
                inputs = replace(inputs, target=target, baseline=baseline)
        return inputs

    # --- shape --------------------------------------------------------------------------------

    @property
    def effective(self) -> date:
        """The first day on which this version's terms hold."""
        return self.effective_from or self.starts

    @cached_property
    def paid_on(self) -> Dimension:
        """What the measure is, for people: as declared, else what the tiers pay on."""
        return self.measure or (
            "quantity" if all(t.kind == "per_unit" for t in self.tiers) and self.tiers else "amount"
        )

    @cached_property
    def is_plain(self) -> bool:
        """Nothing in it divides, so that everything stays in Decimals."""
        one = len(self.qualifiers) == 1 and self.qualifiers[0].of in ("amount", "quantity")
        axis = self.qualifiers[0].dimension
        same_axis = self.measure_bucket == self.qualifiers[0].bucket and all(
            tier.kind == "amount" or (tier.kind == "per_unit") == (axis == "quantity") for tier in self.tiers
        )
        return (
            one
            and same_axis
            and not self.gates
            and self.growth is None
            and not any(tier.linear for tier in self.tiers)
            and self.proration == Proration()
            and self.special.lines != "price_difference"
        )
