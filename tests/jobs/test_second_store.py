"""A second store is noticed by the number that accounts bear: when they are read with it."""

from __future__ import annotations

from jobs import preflight
from jobs.overtaken import asked_beside
from mappings.describe import FieldDescribe, ObjectDescribe
from state import meta


def asked(shop):
    with shop.opened.store.read() as tx:
        return asked_beside(shop.opened, tx)


def test_accounts_are_read_with_their_number_while_a_program_waits_for_its_currency(shop):
    """Preflight is made again by each sync then, and knows what fields there are all the same."""
    assert asked(shop) == (), "nobody has looked yet whether the org has the field"
    names = {target.object for target in shop.opened.mapping.push.values()}
    fence = shop.opened.mapping.push["account"].fence
    number = FieldDescribe(name=fence, label=fence, type="double", updateable=True)
    described = {name: ObjectDescribe(name, name, {fence: number}) for name in names}
    with shop.opened.store.transaction() as tx:
        preflight.note_fields(shop.opened, tx, described)
        meta.drop(tx, "preflight")
    assert asked(shop) == (fence,)
