"""Who is paid for whose orders: parents, buying groups, and shares by volume."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Literal, NamedTuple

from rebates.money import Exact, share_out

SHARE = "(share)"  # the bucket that counts what a buyer brought, for itself; no qualifier is called so
DEPTH_MAX = 100  # Salesforce itself stops far earlier; a longer chain is a mistake in the data


@dataclass(frozen=True)
class Belongs:
    """An account is in a group from `first` to `last` (the last day that counts); open ends are None."""

    account: str
    group: str
    first: date | None = None
    last: date | None = None

    def on(self, day: date) -> bool:
        return (self.first is None or self.first <= day) and (self.last is None or day <= self.last)


@dataclass(frozen=True)
class Hierarchy:
    """`parent`: orders count for the nearest enrolled account going up, beginning with the buyer itself
    (in a program without `[members]`: for the top of the chain). `group`: for an explicit buying group.

    `pay`: the `top` gets everything, or it is `share`d among those who bought, by volume.
    """

    roll_up: Literal["none", "parent", "group"] = "none"
    pay: Literal["top", "share"] = "top"
    groups: tuple[Belongs, ...] = ()
    payees: Mapping[str, str] = field(default_factory=dict)  # group -> the account that is paid

    @property
    def is_shared(self) -> bool:
        """Whether each buyer is paid its part of what the buyers together earn."""
        return self.pay == "share" and self.roll_up != "none"

    @property
    def share_buckets(self) -> tuple[str, ...]:
        """Names of the counters that hold what each buyer brought: with groups one for each, else one."""
        if not self.is_shared:
            return ()
        if self.roll_up == "parent":
            return (SHARE,)
        return tuple(share_bucket(name) for name in sorted({entry.group for entry in self.groups}))

    @property
    def unpaid_groups(self) -> tuple[str, ...]:
        """Groups whose rebate is to go to one account, and nobody says to which."""
        if self.roll_up != "group" or self.pay == "share":
            return ()
        return tuple(sorted({entry.group for entry in self.groups} - self.payees.keys()))

    @property
    def crowded_groups(self) -> tuple[str, ...]:
        """Groups without a payee whose accounts all stand for other groups: their totals would run together."""
        taken = set(self.payees.values())
        crowded = []
        for group in sorted({entry.group for entry in self.groups} - self.payees.keys()):
            free = sorted({entry.account for entry in self.groups if entry.group == group} - taken)
            taken.update(free[:1])
            crowded += [] if free else [group]
        return tuple(crowded)


def share_bucket(group: str) -> str:
    """The bucket of what a buyer brought to one group."""
    return f"{SHARE}:{group}"


class Path(NamedTuple):
    """Where an account's orders go: the paying member, or why nowhere."""

    member: str | None
    problem: str | None = None


def paying_member(
    account: str,
    parents: Mapping[str, str | None],
    enrolled: Callable[[str], bool],
    *,
    to_the_top: bool = False,
) -> Path:
    """Up the chain from `account` to the member that its orders count for."""
    seen: list[str] = []
    here: str | None = account
    top: str | None = None
    while here:
        if here in seen or len(seen) >= DEPTH_MAX:
            return Path(None, f"the parents of {account} run in a circle ({' > '.join([*seen[:5], here])})")
        seen.append(here)
        if enrolled(here):
            top = here
            if not to_the_top:
                return Path(here)
        here = parents.get(here)
    return Path(top)


def group_of(account: str, day: date, groups: Iterable[Belongs]) -> Path:
    """The buying group an account belonged to on a day; two at once is a problem, not a guess."""
    names = sorted({entry.group for entry in groups if entry.account == account and entry.on(day)})
    if len(names) > 1:
        return Path(None, f"{account} is in two groups on {day}: {', '.join(names)}")
    return Path(names[0]) if names else Path(None)


def overlapping(groups: Iterable[Belongs]) -> list[tuple[Belongs, Belongs]]:
    """Pairs that put one account into two different groups on the same day."""
    by_account: dict[str, list[Belongs]] = {}
    for entry in groups:
        by_account.setdefault(entry.account, []).append(entry)
    pairs = []
    for entries in by_account.values():
        for i, one in enumerate(entries):
            for other in entries[i + 1 :]:
                starts_before = one.first is None or other.last is None or one.first <= other.last
                ends_after = other.first is None or one.last is None or other.first <= one.last
                if one.group != other.group and starts_before and ends_after:
                    pairs.append((one, other))
    return pairs


def double_paid(parents: Mapping[str, str | None], enrolled: Callable[[str], bool]) -> list[tuple[str, str]]:
    """Enrolled accounts below another enrolled account: each order still counts once, for the nearest."""
    pairs = []
    for account in sorted(parents):
        above = parents.get(account)
        if above and enrolled(account):
            path = paying_member(above, parents, enrolled)
            if path.member is not None:
                pairs.append((account, path.member))
    return pairs


def shares(
    rebate: Decimal, volumes: Mapping[str, Exact], currency: str, *, otherwise: str | None = None
) -> Mapping[str, Decimal]:
    """A group's rebate by volume; the shares add up to it to the last minor unit. Net returners get nothing.

    `otherwise` is who gets a rebate (a guarantee, say) that nobody's volume can divide; left out: the first who bought.
    """
    buyers = sorted(account for account, volume in volumes.items() if volume > 0)
    if not buyers:
        payee = otherwise or min(volumes, default=None)
        return {payee: rebate} if rebate and payee else {}
    parts = share_out(rebate, [volumes[account] for account in buyers], currency)
    return dict(zip(buyers, parts, strict=True))
