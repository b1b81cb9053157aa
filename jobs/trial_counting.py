"""Which lines count where: every order line of a trial into its member, period and buckets, or a reason why not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction

from jobs.trial_files import TrialFiles, TrialLine
from rebates.currency import DatedRate, NoRate, RateBook, converted
from rebates.hierarchy import group_of, paying_member
from rebates.money import fraction
from rebates.periods import Period
from rebates.program import Program
from rebates.qualifiers import Bucket
from rebates.totals import NOTHING, Tally
from rebates.versions import in_force

ONE = Decimal(1)


@dataclass(frozen=True)
class Excluded:
    """A line that was read but does not count, and why."""

    line: TrialLine
    reason: str


@dataclass(frozen=True)
class Counted:
    """A line that counts: for whom, on which day, in which buckets, in the program's currency."""

    line: TrialLine
    member: str
    day: date
    buckets: tuple[str, ...]
    tally: Tally
    special: bool = False
    rated: bool = True  # False: what it was in money is not known, so that only its quantity counts


@dataclass
class Counts:
    """All lines of one program, told apart. `missing` has by member what could not be had, with the day of the line: a rate."""

    counted: list[Counted] = field(default_factory=list)
    excluded: list[Excluded] = field(default_factory=list)
    missing: dict[str, list[tuple[date, str]]] = field(default_factory=dict)

    def missing_in(self, member: str, spans: Iterable[tuple[date, date]]) -> tuple[str, ...]:
        """What could not be had of a member's lines in these days (half-open), by day."""
        mine, spans = self.missing.get(member, ()), list(spans)
        return tuple(
            dict.fromkeys(
                said for day, said in sorted(mine) if any(start <= day < end for start, end in spans)
            )
        )

    def totals(self, lines: Iterable[Counted]) -> dict[str, Tally]:
        """Exact sums per bucket."""
        out: dict[str, Tally] = {}
        for counted in lines:
            for bucket in counted.buckets:
                out[bucket] = out.get(bucket, NOTHING) + counted.tally
        return out


def count(versions: Sequence[Program], files: TrialFiles, *, as_of: date | None) -> Counts:
    """Every line of the files under one program; lines after `as_of` have not happened yet."""
    counting = _Counting(versions, files)
    for line in files.lines:
        counting.add(line, as_of)
    return counting.counts


class _Counting:
    def __init__(self, versions: Sequence[Program], files: TrialFiles) -> None:
        self.versions = versions
        self.newest = versions[-1]
        self.files = files
        # The currency that no rate is given for is the one that the others are counted against.
        base = (
            ()
            if any(rate.currency == self.newest.currency for rate in files.rates)
            else (DatedRate(self.newest.currency, ONE),)
        )
        self.rates = RateBook.of((*files.rates, *base))
        self.counts = Counts()
        self.parents: dict[str, str | None] = {
            key: row.get("parent_id") for key, row in files.accounts.items()
        }
        # An order's day is that of its first line; a line that takes back comes after what it takes back from.
        takes_back_last = sorted(files.lines, key=lambda line: line.amount < 0)
        self.original_days = {
            line.order_id: self.newest.day_of(line.when) for line in reversed(takes_back_last)
        }
        self.averages: dict[tuple[str, Period], Fraction] = {}

    def add(self, line: TrialLine, as_of: date | None) -> None:
        day = self.newest.day_of(line.when)
        if self.newest.settlement.returns == "original_period" and line.original_order_id is not None:
            day = self.original_days.get(line.original_order_id, day)
        if as_of is not None and self.newest.day_of(line.when) > as_of:
            return self._exclude(line, f"dated after {as_of}")
        account, product, order, own = self._fields(line)
        terms = self.newest if len(self.versions) == 1 else in_force(self.versions, day)
        member, reason = self._member(terms, line.account_id, account, day)
        if member is None:
            return self._exclude(line, reason or "the account takes no part")
        if not self._takes_part(member, day):
            return self._exclude(line, f"{member} took no part on {day}")
        names = tuple(
            bucket.name for bucket in terms.buckets if _counts(bucket, account, product, order, own)
        )
        if not names:
            return self._exclude(line, terms.why_not(account, product, order, own) or "no rule counts it")
        period = self.newest.period_of(day)
        if period is None and not self._is_history(day):
            return self._exclude(
                line, f"{day} lies outside the program ({self.newest.starts} to {self.newest.ends})"
            )
        try:
            tally = converted(Tally(line.amount, line.quantity, 1), self._factor(terms, line, day, period))
        except NoRate as error:  # as in a sync: it is there, and what it was is not known
            self.counts.missing.setdefault(member, []).append((day, f"order {line.order_id}: {error}"))
            self._exclude(line, f"{error}: only its quantity counts")
            nothing = Tally(Decimal(0), line.quantity, 1)
            self.counts.counted.append(Counted(line, member, day, names, nothing, rated=False))
            return None
        self.counts.counted.append(Counted(line, member, day, names, tally))
        return None

    def _exclude(self, line: TrialLine, reason: str) -> None:
        self.counts.excluded.append(Excluded(line, reason))

    def _is_history(self, day: date) -> bool:
        """Whether a line outside the program is still wanted, as a part of a baseline."""
        growth = self.newest.growth
        if growth is None:
            return False
        return any(
            start <= day < end for period in self.newest.periods() for start, end in growth.windows(period)
        )

    def _fields(
        self, line: TrialLine
    ) -> tuple[dict[str, str], dict[str, str], dict[str, object], dict[str, object]]:
        """Account, product, order and line as they were: the line's own columns first, then the record's."""
        account = {"id": line.account_id, **self.files.accounts.get(line.account_id, {})}
        product_id = line.fields.get("product_id", "")
        product = dict(self.files.products.get(product_id, {}))
        order: dict[str, object] = {"id": line.order_id, "account_id": line.account_id}
        own: dict[str, object] = {
            "id": line.line_id,
            "order_id": line.order_id,
            "quantity": line.quantity,
            "amount": line.amount,
        }
        if line.original_order_id is not None:
            order["original_order_id"] = line.original_order_id
        order["ordered_on"] = self.newest.day_of(line.when).isoformat()
        for name, value in line.fields.items():
            side, _, rest = name.replace(".", "_", 1).partition("_")
            if side == "product" and rest:
                product[rest] = value
            elif side == "account" and rest:
                account[rest] = value
            elif side == "order" and rest:
                order[rest] = value
            elif name == "status":
                order[name] = value
            elif name == "region":
                account[name] = order[name] = value
            own[name] = value
        if line.currency:
            order["currency"] = line.currency
        return account, product, order, own

    def _member(
        self, terms: Program, account_id: str, account: Mapping[str, object], day: date
    ) -> tuple[str | None, str | None]:
        roll_up = terms.hierarchy.roll_up
        if roll_up == "none":
            return (account_id, None) if terms.takes(account) else (None, terms.why_not_member(account))
        if roll_up == "group":
            if not terms.takes(account):
                return None, terms.why_not_member(account)
            path = group_of(account_id, day, terms.hierarchy.groups)
            payee = terms.hierarchy.payees.get(path.member or "", path.member)
            return payee, path.problem or f"{account_id} was in no group on {day}"

        def enrolled(candidate: str) -> bool:
            known = (
                account
                if candidate == account_id
                else {"id": candidate, **self.files.accounts.get(candidate, {})}
            )
            return terms.takes(known)

        path = paying_member(account_id, self.parents, enrolled, to_the_top=not terms.members.conditions)
        return path.member, path.problem or terms.why_not_member(account)

    def _takes_part(self, member: str, day: date) -> bool:
        record = self.files.accounts.get(member, {})
        first, last = record.get("active_from"), record.get("active_to")
        growth, starts = self.newest.growth, self.newest.starts
        began = (
            not first
            or date.fromisoformat(first) <= day
            or (growth is not None and growth.counts_before_joining(day, starts))
        )
        return began and (not last or day <= date.fromisoformat(last))

    def _factor(self, terms: Program, line: TrialLine, day: date, period: Period | None) -> Fraction:
        source, target = line.currency or self.newest.currency, self.newest.currency
        if source == target:
            return Fraction(1)
        frame = period or Period(day, date.fromordinal(day.toordinal() + 1), "day")
        if terms.conversion.policy == "period_average":
            key = (source, frame)
            if key not in self.averages:
                self.averages[key] = self.rates.average(source, target, frame)
            return self.averages[key]
        return terms.conversion.factor(source, target, day, frame, self.rates)


def _counts(
    bucket: Bucket,
    account: Mapping[str, object],
    product: Mapping[str, object],
    order: Mapping[str, object],
    line: Mapping[str, object],
) -> bool:
    return (
        bucket.counts_account(account)
        and bucket.counts_product(product)
        and bucket.counts_order(order)
        and bucket.counts_line(line)
    )


def volume(program: Program, lines: Iterable[Counted]) -> dict[str, Fraction]:
    """What each buying account brought of what is paid on, to share a group's rebate by."""
    out: dict[str, Fraction] = {}
    for counted in lines:
        if program.measure_bucket in counted.buckets:
            value = fraction(counted.tally.of(program.paid_on))
            out[counted.line.account_id] = out.get(counted.line.account_id, Fraction(0)) + value
    return out
