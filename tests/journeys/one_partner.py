"""What journeys of one partner's orders do and look at."""

from __future__ import annotations

from decimal import Decimal

from emulator.raw_rows import change, user_named
from emulator.seed_story import LUMIERE
from state import rejected
from state.store import Store


def save(world, order, **fields):
    with world.org.storage.transaction():
        change(world.org, "Order", order, user_named(world.org), **fields)


def qualifying(world):
    (row,) = world.rows(f"SELECT Rebate_Qualifying_Amount__c FROM Account WHERE Name = '{LUMIERE}'")
    return Decimal(row["Rebate_Qualifying_Amount__c"])


def later(world, *args):
    world.wait(minutes=15)
    done = world(*args, "--json")
    assert done.code == 0, done.text
    return done


def set_aside(world):
    store = Store.open(f"sqlite:///{world.folder}/rebates.db")
    with store.read() as tx:
        found = rejected.waiting(tx)
    store.close()
    return found
