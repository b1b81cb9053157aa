"""What was saved a moment ago is not read back to be planned: the records are the same."""

from __future__ import annotations

import json
from datetime import date

from jobs import computing, planning_run
from tests.jobs.test_computing_by_shares import seen, write_programs
from tests.jobs.test_every_kind_of_program import Sales, furnish

ROOM = (0, 7, 2_000)  # for none, so that all are read back; for some; for all
DAYS = (date(2026, 5, 20), date(2026, 7, 20), date(2026, 11, 24))


def test_records_are_the_same_whether_their_standings_were_read_back_or_not(make_shop, monkeypatch):
    shops = [make_shop() for _ in ROOM]
    sales = [Sales(7, currencies=False) for _ in shops]
    for shop in shops:
        shop.today(DAYS[0])
        write_programs(shop)
        furnish(shop, currencies=False)
        shop.settings["payouts.settle_from"] = "2026-01-01"
    for turn, day in enumerate(DAYS):
        found = []
        for room, one, shop in zip(ROOM, sales, shops, strict=True):
            shop.today(day)
            one.into(shop, {one.add(), *(one.change() for _ in range(3))} if turn else None)
            monkeypatch.setattr(computing, "KEPT_AT_MOST", room)
            shop.sync()
            found.append(seen(shop))
        reading, for_some, for_all = found
        assert for_some == reading, turn
        assert for_all == reading, turn
    assert reading["events"]
    assert reading["tasks"]
    assert reading["postings"]


def test_a_document_reads_back_as_it_was_written(make_shop, monkeypatch):
    shop = make_shop()
    shop.today(date(2026, 5, 20))
    write_programs(shop)
    furnish(shop, currencies=False)
    Sales(7, currencies=False).into(shop)
    found = []
    keep = computing._keep

    def watched(done, computed, documents, saved):
        keep(done, computed, documents, saved)
        written = {one.cell: one.after for one in saved}
        found.extend((done.kept[cell].document, written[cell]) for cell in done.kept)

    monkeypatch.setattr(computing, "_keep", watched)
    shop.sync()
    assert len(found) > 100
    assert any("payout" in kept for kept, _ in found)
    assert any(kept["tier"] is None for kept, _ in found)
    for kept, text in found:
        read = json.loads(text)
        assert kept == read
        assert text == json.dumps(kept, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert json.dumps(kept["ladder"]) == json.dumps(read["ladder"]), "it is written into the org as it is"


def test_an_account_is_asked_for_once_and_memory_for_them_is_bounded(make_shop, monkeypatch):
    asked = []
    members = planning_run.people.members
    monkeypatch.setattr(
        planning_run.people, "members", lambda tx, pks: asked.append(sorted(pks)) or members(tx, pks)
    )
    shop = make_shop()
    shop.today(date(2026, 5, 20))
    for name in ("A", "B", "C"):
        shop.account(name)
    with shop.opened.store.read() as tx:
        one = planning_run.Planning(shop.opened, tx, "00D", shop.clock.now(), {}, {}, 1)
        pks = sorted(members(tx, {1, 2, 3}))
        assert set(one.members(pks[:2])) >= set(pks[:2])
        one.members(pks)
        monkeypatch.setattr(planning_run, "MEMBERS_KEPT", 1)
        one.members([pks[0]])
        one.members([99])
    assert asked == [pks[:2], pks[2:], [99]]
