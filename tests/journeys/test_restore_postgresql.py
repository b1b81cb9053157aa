"""A PostgreSQL store is put back to an older state by the server's own tools: `rebates db restored`, and the org is read first."""

from __future__ import annotations

from decimal import Decimal

import psycopg
import pytest
from worlds import POSTGRES

from emulator import actions
from emulator.seed_story import LUMIERE, partner_orders_again

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(180)]


@pytest.fixture
def shared(story, postgres, monkeypatch):
    """The story with its store on PostgreSQL, and a database administrator."""
    monkeypatch.setenv("REBATES_STATE_URL", postgres)
    return story


@pytest.fixture
def administrator(postgres):
    """`keep()` copies the database as it is, `put_back()` puts the copy in its place."""
    name = postgres.rsplit("/", 1)[1]
    server = psycopg.connect(POSTGRES.replace("+psycopg", ""), autocommit=True)

    class Administrator:
        def keep(self):
            server.execute(f"CREATE DATABASE {name}_kept TEMPLATE {name}")

        def put_back(self):
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")
            server.execute(f"CREATE DATABASE {name} TEMPLATE {name}_kept")

    yield Administrator()
    server.execute(f"DROP DATABASE IF EXISTS {name}_kept WITH (FORCE)")
    server.close()


def tasks(world):
    return world.rows("SELECT Id, Rebate_Key__c, IsClosed FROM Task ORDER BY Id")


def sequences(world):
    rows = world.rows("SELECT Id, Rebate_Seq__c FROM Rebate_Standing__c ORDER BY Id")
    return {row["Id"]: Decimal(row["Rebate_Seq__c"]) for row in rows}


def orders_come(world, times):
    for _ in range(times):
        partner_orders_again(world.org)
        world.wait(minutes=15)
        assert world("sync").code == 0


def test_a_database_that_the_server_put_back_reads_the_org_before_it_writes(shared, administrator):
    assert shared("sync").code == 0
    administrator.keep()
    orders_come(shared, 2)
    made, bells, highest = tasks(shared), actions.shown(shared.org), sequences(shared)
    administrator.put_back()
    said = shared("db", "restored", "--json")
    assert said.code == 0, said.text
    assert said.data["epoch"] == 2
    shared.wait(minutes=15)
    done = shared("sync", "--json")
    assert done.code == 0, (done.error, done.err)
    assert done.data["rebased"]["tasks"] == len(made)
    differences = {(one["object"], one["field"]) for one in done.data["rebased"]["differences"]}
    assert ("Account", "Rebate_Amount__c") in differences, "what differed before anything was sent"
    after = sequences(shared)
    assert after.keys() == highest.keys()
    assert all(after[one] >= highest[one] for one in highest), "nothing goes backward"
    assert [task["Id"] for task in tasks(shared)] == [task["Id"] for task in made], "no task is made twice"
    assert actions.shown(shared.org) == bells, "no bell rings twice"
    assert shared("verify", "--deep").code == 0
    shared.wait(minutes=15)
    quiet = shared("sync", "--json")
    assert (quiet.code, quiet.data["pushed"], quiet.data["rebased"]) == (0, 0, None)


def test_what_waited_when_the_copy_was_made_and_was_sent_since_arrives_once(shared, administrator):
    assert shared("pull").code == 0
    assert shared("compute").code == 0
    administrator.keep()
    assert shared("push").code == 0
    made = tasks(shared)
    assert made
    administrator.put_back()
    assert shared("db", "restored").code == 0
    shared.wait(minutes=15)
    assert shared("reconcile").code == 0
    assert [task["Id"] for task in tasks(shared)] == [task["Id"] for task in made]
    assert len(actions.shown(shared.org)) == 1, "no bell rings twice"
    assert shared("verify", "--deep").code == 0


def test_a_pause_is_in_the_database_and_does_not_outlive_its_restore(shared, administrator):
    """So whoever restores stops the schedulers, as docs/operations.md says."""
    assert shared("sync").code == 0
    administrator.keep()
    assert shared("pause", "--reason", "restore").code == 0
    assert shared("sync").code == 1
    administrator.put_back()
    assert shared("status", "--json").data["paused"] is None
    assert shared("sync").code == 0


def test_whoever_forgets_to_say_so_is_held_back_by_the_org(shared, administrator):
    """Older sequences are refused by the org, keys that exist are no second task; `db restored` mends it later, too."""
    assert shared("sync").code == 0
    administrator.keep()
    orders_come(shared, 2)
    made, highest = tasks(shared), sequences(shared)
    administrator.put_back()
    shared.wait(minutes=15)
    forgot = shared("sync", "--json")
    assert all(sequences(shared)[one] >= highest[one] for one in highest), forgot.text
    keys = [task["Rebate_Key__c"] for task in tasks(shared)]
    assert len(keys) == len(set(keys)) == len(made)
    assert shared("db", "restored").code == 0
    shared.wait(minutes=15)
    assert shared("reconcile").code == 0
    (row,) = shared.rows(f"SELECT Rebate_Tier__c FROM Account WHERE Name = '{LUMIERE}'")
    assert row["Rebate_Tier__c"] == "Gold"
    assert shared("verify", "--deep").code == 0


def test_a_backup_file_is_not_put_into_a_server(shared, tmp_path):
    assert shared("sync").code == 0
    refused = shared("db", "restore", str(tmp_path / "rebates.toml"), "--yes", "--json")
    assert refused.code == 1
    assert refused.error["hint"] == "restore it with its own tools, then: rebates db restored"
    assert shared("db", "backup", "x.db", "--json").error["hint"] == "use pg_dump"
