"""The currency of a record: CurrencyIsoCode, which every record has in an org of several currencies, and none elsewhere.

Salesforce shows a field of type Currency in its record's currency, and gives a record that names none that of whoever
makes it. So every record that we make names its own, wherever the org has the field; no mapping has to say so.
An account's currency is the account's: amounts in another one are not written onto it, because they would be read as
amounts in its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mappings.describe import ObjectDescribe
from mappings.model import PushTarget, Value
from mappings.problems import Finder, Place
from mappings.rounding import counts_units, currency_of
from mappings.vocabulary import kind_of

ISO_CODE = "CurrencyIsoCode"
INACTIVE = "M310"  # a program is refused for it; everything else goes on
MADE_BY_US: Mapping[str, str] = {"standing": "standing.currency", "payout": "payout.currency"}
CURRENCY_PATHS = frozenset({"standing.currency", "payout.currency", "program.currency"})
_AMOUNTS = frozenset({"amount", "qualifier"})


def may_lack(target: PushTarget, name: str) -> bool:
    """A mapping that names the field fits an org of one currency, too, which has none."""
    return name == ISO_CODE and target.name in MADE_BY_US


def shown_in_its_currency(target: PushTarget, described: ObjectDescribe) -> list[str] | None:
    """The amounts that this org shows in the currency of the record; None where it has one currency."""
    if described.field(ISO_CODE) is None:
        return None
    found = ((name, value, described.field(name)) for name, value in target.fields.items())
    return sorted(
        name
        for name, value, field in found
        if field is not None and field.type == "currency" and kind_of(value.from_ or "") in _AMOUNTS
    )


def may_name_it(target: PushTarget, described: ObjectDescribe) -> bool:
    """Whether the records that we make may name their currency."""
    field = described.field(ISO_CODE)
    return field is not None and field.createable and (field.updateable or target.name != "standing")


def in_record_currency(target: PushTarget, shown: Iterable[str]) -> PushTarget:
    """The target for an org that shows these of its amounts in the record's currency."""
    path, shown = MADE_BY_US.get(target.name), frozenset(shown)
    if path is None or not shown:
        return replace(target, in_own_currency=shown) if target.name == "account" else target
    if any(name.lower() == ISO_CODE.lower() for name in target.fields):
        return target  # the mapping says it itself
    return replace(target, fields={**target.fields, ISO_CODE: Value(from_=path)})


def said_in(target: PushTarget) -> str | None:
    """The other field that says the currency. CurrencyIsoCode of a record from before we wrote it is that of whoever made it."""
    for name, value in target.fields.items():
        if name != ISO_CODE and value.from_ in CURRENCY_PATHS and value.values is None:
            return name
    return None


def foreign_amounts(target: PushTarget, view: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Fields of an account that must stay empty: its currency is known, and the standing's is another."""
    if not target.in_own_currency:
        return []
    own, theirs = view["account"]["currency"], currency_of(view)
    if not own or own == theirs:
        return []
    units = counts_units(view)
    kinds = {name: kind_of(target.fields[name].from_ or "") for name in sorted(target.in_own_currency)}
    return [name for name, kind in kinds.items() if not (kind == "qualifier" and units)]


@dataclass(frozen=True)
class Inactive:
    """Programs in a currency that the org would refuse on every record."""

    keys: tuple[str, ...]
    written: str
    active: tuple[str, ...]
    place: Place

    @property
    def is_in(self) -> str:
        """What is wrong, without who."""
        return f"in {self.written}, which is no active currency of this org (it has {', '.join(self.active)})"

    @property
    def mend(self) -> str:
        return f"activate {self.written} in Setup > Manage Currencies, or correct `currency` in the program"


def inactive_currencies(
    targets: Iterable[PushTarget],
    describes: Mapping[str, ObjectDescribe | None],
    currencies: Mapping[str, str],
) -> list[Inactive]:
    """Of programs (key → currency), those whose currency the org would refuse, each currency once."""
    found: dict[str, Inactive] = {}
    for target in targets:
        described = _of_several(target, describes)
        if described is None or not may_name_it(target, described):
            continue
        value = target.fields.get(ISO_CODE, Value(from_=MADE_BY_US[target.name]))
        field = described.field(ISO_CODE)
        active = () if field is None else tuple(field.picklist_values)
        place = value.place if ISO_CODE in target.fields else target.place
        for currency, keys in sorted(_by_currency(currencies).items()):
            written = str((value.values or {}).get(currency, currency))
            if value.from_ in CURRENCY_PATHS and active and written not in active:
                found.setdefault(currency, Inactive(tuple(keys), written, active, place))
    return list(found.values())


def check_currencies(
    targets: Iterable[PushTarget],
    describes: Mapping[str, ObjectDescribe | None],
    currencies: Mapping[str, str],
    finder: Finder,
) -> None:
    """Programs (key → currency) whose currency the org would refuse, each currency once; and objects that do not take any."""
    targets = list(targets)
    for target in targets:
        described = _of_several(target, describes)
        if described is not None and not may_name_it(target, described):
            finder.warning(
                "M214",
                f"{described.name}.{ISO_CODE} cannot be written: its amounts are shown in the currency of the integration user",
                target.place,
                "give the integration user that currency, or write amounts to Number fields",
            )
    for one in inactive_currencies(targets, describes, currencies):
        several = len(one.keys) > 1
        finder.error(
            INACTIVE,
            f"program{'s' if several else ''} {', '.join(one.keys)} {'are' if several else 'is'} {one.is_in}: a sync refuses "
            f"{'them' if several else 'it'}, and goes on with the others",
            one.place,
            one.mend,
        )


def _of_several(target: PushTarget, describes: Mapping[str, ObjectDescribe | None]) -> ObjectDescribe | None:
    """The object of records that we make, where the org has several currencies."""
    described = describes.get(target.object)
    if target.name not in MADE_BY_US or target.when == "never" or described is None:
        return None
    return described if described.field(ISO_CODE) is not None else None


def _by_currency(currencies: Mapping[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key, currency in sorted(currencies.items()):
        found.setdefault(currency, []).append(key)
    return found
