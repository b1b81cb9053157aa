"""Amounts and the currency of the record they are on, in an org of several currencies.

Which of our fields the org shows in the record's currency is noted by preflight, and asked again only by it and at night;
whether it has the currency that a program waits for, once an hour.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from jobs.whole_plan import compare_everything
from mappings.fieldpaths import Describes
from mappings.model import PushTarget
from mappings.record_currency import (
    CURRENCY_PATHS,
    ISO_CODE,
    MADE_BY_US,
    inactive_currencies,
    may_name_it,
    said_in,
    shown_in_its_currency,
)
from rebates.program import Program
from state import meta, told_again

if TYPE_CHECKING:
    from jobs.app import App

NOTED = "push.own_currency"
REFUSED = "push.inactive_currency"  # in `meta`: program → its currency, and why the org takes no record in it
_ASKED = "push.inactive_currency.asked"
ASKED_EVERY = timedelta(hours=1)
_TARGETS = (*MADE_BY_US, "account")


def note(app: App, tx: Connection, described: Describes) -> None:
    """Write down what the org shows in the record's currency. When that is news, everything is compared by the next plan:
    standings that were written without their currency are written again."""
    found = {}
    for name, target in _written(app):
        object_ = described.get(target.object)
        shown = shown_in_its_currency(target, object_) if object_ is not None else None
        if object_ is not None and shown is not None:
            found[name] = shown if name == "account" or may_name_it(target, object_) else []
    if found != noted(tx):
        compare_everything(tx)
    meta.put(tx, NOTED, json.dumps(found, sort_keys=True))


def noted(tx: Connection) -> dict[str, list[str]]:
    """Target → its amounts that the org shows in the record's currency; without the targets of an org of one currency."""
    found: dict[str, list[str]] = json.loads(meta.get(tx, NOTED) or "{}")
    return found


def note_inactive(app: App, tx: Connection, described: Describes, currencies: Mapping[str, str]) -> None:
    """Write down which programs (key → currency) are refused because the org would refuse their records."""
    found = {
        key: (currencies[key], f"it is {one.is_in}: {one.mend}")
        for one in inactive_currencies(app.mapping.push.values(), described, currencies)
        for key in one.keys
    }
    meta.put(tx, REFUSED, json.dumps(found, sort_keys=True))
    meta.put(tx, _ASKED, app.clock.now().isoformat())


def look_again(app: App, currencies: Mapping[str, str]) -> None:
    """Whether the org has by now what programs (key → currency) are refused for: one call, once an hour, while one is."""
    with app.store.read() as tx:
        waits, asked = bool(_refused(tx)), meta.get(tx, _ASKED)
    if not waits or (
        asked is not None and abs(app.clock.now() - datetime.fromisoformat(asked)) < ASKED_EVERY
    ):
        return
    described = app.org.describe(
        sorted({target.object for name, target in _written(app) if name in MADE_BY_US})
    )
    with app.store.transaction() as tx:
        note_inactive(app, tx, described, currencies)


def inactive(tx: Connection) -> dict[str, str]:
    """Currencies that the org has not active, with the reason, as far as programs are in them."""
    return dict(_refused(tx).values())


def in_inactive(tx: Connection, programs: Iterable[Program]) -> dict[str, str]:
    """Programs that are refused because the org would refuse their records, with the reason."""
    refused = _refused(tx)
    named = ((one.key, one.currency, refused.get(one.key)) for one in programs) if refused else ()
    return {key: found[1] for key, currency, found in named if found is not None and found[0] == currency}


def _refused(tx: Connection) -> dict[str, tuple[str, str]]:
    return {key: (found[0], found[1]) for key, found in json.loads(meta.get(tx, REFUSED) or "{}").items()}


def of_one_currency(app: App, tx: Connection) -> list[str]:
    """Objects that had no currency of their own when they were last looked at."""
    several = noted(tx)
    return [target.object for name, target in _written(app) if name not in several]


def has_several(described: Describes, objects: Sequence[str]) -> bool:
    """Whether one of these objects has a currency now."""
    found = (described.get(name) for name in objects)
    return any(one is not None and one.field(ISO_CODE) is not None for one in found)


def tell_again(tx: Connection) -> None:
    """Accounts that changed may be in another currency now: what is written onto them is looked at again."""
    if noted(tx).get("account"):
        told_again.note_changed_accounts(tx)


def named(target: PushTarget, records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Payouts that have waited since before the org's currencies were known say theirs, too."""
    own = target.fields.get(ISO_CODE)
    if own is None or own.from_ not in CURRENCY_PATHS or own.values is not None:
        return list(records)
    said = said_in(target)
    return [
        one if ISO_CODE in one or not one.get(str(said)) else {**one, ISO_CODE: one[str(said)]}
        for one in records
    ]


def without_amounts(accounts: int) -> list[str]:
    """A sentence where accounts were written without amounts."""
    if not accounts:
        return []
    many = "1 account is" if accounts == 1 else f"{accounts:,} accounts are"
    return [
        f"{many} written without amounts: the account is in another currency than the standing that it shows, and Salesforce "
        "would show them in the account's (docs/mapping.md, Several currencies)"
    ]


def payouts_shown_in_another(app: App) -> list[tuple[str, str, int]]:
    """(currency, the one that the org shows, how many): payouts from before they said their own. One call, of doctor's."""
    target = app.mapping.push["payout"]
    said = said_in(target)
    if said is None:
        return []
    query = f"SELECT {said} said, {ISO_CODE} shown, COUNT(Id) many FROM {target.object} GROUP BY {said}, {ISO_CODE}"
    found = [row for page in app.org.query(query) for row in page.table.to_pylist()]
    return sorted(
        (row["said"], row["shown"], int(Decimal(row["many"])))
        for row in found
        if row["said"] and row["shown"] and row["said"] != row["shown"]
    )


def _written(app: App) -> Iterator[tuple[str, PushTarget]]:
    """Whether or not `[push] targets` lists them (so not `App.written`): preflight is not asked again when one is added there,
    and amounts that nobody knows to be in the record's currency would be written wrong."""
    for name in _TARGETS:
        target = app.mapping.push.get(name)
        if target is not None and target.when != "never":
            yield name, target
