"""The rows underneath: transactions, snapshots, fast loading, and an org that comes back from its file."""

from __future__ import annotations

import threading

import pytest

from emulator.auth import login
from emulator.org import Org
from emulator.router import Request
from emulator.schema import make_field


def count(org) -> int:
    return org.storage.row('SELECT count(*) FROM "Account"')[0]


def load(org, names):
    rows = [(org.ids.next("001"), name) for name in names]
    return org.storage.load("Account", ["Id", "Name"], rows)


def load_and_fail(org):
    with org.storage.transaction():
        load(org, ["lost"])
        raise ZeroDivisionError


def test_an_inner_failure_undoes_the_inner_part_only(org):
    with org.storage.transaction():
        load(org, ["kept"])
        with pytest.raises(ZeroDivisionError):
            load_and_fail(org)
        assert count(org) == 1
    assert count(org) == 1


def test_an_outer_failure_undoes_everything(org):
    with pytest.raises(ZeroDivisionError):
        load_and_fail(org)
    assert count(org) == 0


def test_readers_see_committed_rows_while_a_writer_works(org):
    seen = []
    with org.storage.transaction():
        load(org, ["unfinished"])
        reader = threading.Thread(target=lambda: seen.append(count(org)))
        reader.start()
        reader.join()
        assert count(org) == 1
    assert seen == [0]


def test_a_stream_is_one_snapshot(org):
    load(org, [f"A{n}" for n in range(100)])
    stream = org.storage.stream('SELECT "Name" FROM "Account"', size=10)
    next(stream)
    load(org, ["late"])
    assert sum(1 for _ in stream) == 99


def test_loading_is_fast_and_gives_the_count(org):
    start = org.ids.reserve("802", 50_000)
    rows = ((org.ids.make("802", number), 100) for number in start)
    assert org.storage.load("OrderItem", ["Id", "Quantity"], rows) == 50_000
    assert org.ids.next("802") == org.ids.make("802", start.stop)


def test_an_org_comes_back_from_its_file(tmp_path, clock):
    path = tmp_path / "org.db"
    org = Org.create(path, clock=clock, seed=1)
    token = login(org)
    headers = {"Authorization": f"Bearer {token}"}

    def create(org):
        response = org.handle(
            Request.to("POST", "/services/data/v68.0/sobjects/Account", headers, b'{"Name":"A"}')
        )
        assert response.status == 201, response.content()
        return response.json()["id"]

    first, org_id, stamp = create(org), org.id, org.stamp()
    org.close()
    org = Org.create(path, clock=clock, seed=1)
    assert org.id == org_id
    second = create(org)
    assert second > first
    assert org.storage.row('SELECT count(*) FROM "User"')[0] == 2
    assert org.storage.row('SELECT "SystemModstamp" FROM "Account" WHERE "Id" = ?', (second,))[0] > stamp - 1
    org.close()


def test_a_new_column_of_a_checkbox_is_filled_with_its_default(org):
    load(org, ["old"])
    data = {"name": "On__c", "type": "boolean", "label": "On", "custom": True, "defaultValue": True}
    org.add_field("Account", make_field(data))
    assert org.storage.row('SELECT "On__c" FROM "Account"')[0] == 1


def test_many_threads_write_without_losing_a_row(org, token):
    headers = {"Authorization": f"Bearer {token}"}

    def work():
        for _ in range(20):
            org.handle(Request.to("POST", "/services/data/v68.0/sobjects/Account", headers, b'{"Name":"A"}'))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert count(org) == 80
    assert org.storage.row('SELECT count(DISTINCT "SystemModstamp") FROM "Account"')[0] == 80
    assert org.usage.total == 80
