"""Whoever moves an answer raises the number of the rules: else a store keeps what it was, and an older version moves it back.

`answers.json` beside this file says what every kind of program came to, as a digest a kind. After a change that is meant, and
with `RULES` in `rebates/answers.py` raised: `REBATES_WRITE_ANSWERS=1 python -m pytest tests/jobs/test_answers.py`.
"""

from __future__ import annotations

import hashlib
import json
import os
from datetime import date
from pathlib import Path

import pytest

from jobs import payouts
from jobs.compute import compute
from jobs.rules_in_use import rules_in_use
from rebates import answers
from state import computed_by, meta
from state.errors import NewerRules
from state.store import Store
from tests.jobs.test_every_kind_of_program import (
    BUYERS,
    HEAD,
    KINDS,
    LADDER,
    Sales,
    furnish,
    order_id,
)
from tests.jobs.test_versions_in_the_store import AS_OF, BETTER

WRITES = "REBATES_WRITE_ANSWERS" in os.environ
WRITTEN = Path(__file__).parent / "answers.json"
PROGRAM = HEAD.format(key="care", period="month") + LADDER


def text_of(shop, kind: str, number: int) -> str:
    period, keys, tables = KINDS[kind]
    text = f"{keys}{HEAD.format(key=f'k{number}', period=period)}{tables}"
    for buyer in BUYERS:
        text = text.replace(f"{{{buyer}}}", shop.id_of(buyer))
    for name in ("o3", "o5"):
        text = text.replace(f"{{{name}}}", order_id(name))
    return text


def sell(shop) -> None:
    """Every kind of program, with standings that go on, are settled, and are corrected."""
    for number, kind in enumerate(KINDS):
        shop.program(text_of(shop, kind, number), f"p{number}")
    shop.program(HEAD.format(key="amended", period="quarter") + LADDER, "amended")
    shop.program(
        AS_OF.format("2026-05-17") + HEAD.format(key="amended", period="quarter") + BETTER, "amended-2"
    )
    furnish(shop, currencies=True)
    sales = Sales(7, currencies=True, returns=True)
    shop.today(date(2026, 8, 20))
    sales.into(shop)
    assert not shop.sync().refused
    shop.today(date(2026, 11, 24))
    sales.into(shop, {sales.add(), sales.change(), sales.change()})
    shop.sync()
    sales.into(shop, {sales.change() for _ in range(9)})
    assert not shop.sync().refused


def answered(shop) -> dict[str, str]:
    """Kind of program → a digest of all its standings' documents."""
    names = {f"k{number}": kind for number, kind in enumerate(KINDS)} | {"amended": "amended from a day on"}
    found: dict[str, list[object]] = {kind: [] for kind in names.values()}
    for (program, member, period), document in sorted(shop.standings().items()):
        found[names[program]].append([member, period, document])
    return {
        kind: hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()[:16]
        for kind, rows in found.items()
    }


def test_an_answer_that_moves_has_a_new_number_of_the_rules(shop):
    sell(shop)
    found = answered(shop)
    known = json.loads(WRITTEN.read_text()) if WRITTEN.exists() else {"rules": 0, "answers": {}}
    moved = [kind for kind, digest in known["answers"].items() if found.get(kind, digest) != digest]
    if WRITES and (not moved or known["rules"] < answers.RULES):
        WRITTEN.write_text(json.dumps({"rules": answers.RULES, "answers": found}, indent=1) + "\n")
        return
    assert not moved, "answers moved: raise RULES in rebates/answers.py, then write them down (see above)"
    assert set(found) == set(known["answers"]), "write the new kinds down (see above)"
    assert known["rules"] == answers.RULES


def test_computing_everything_again_by_the_same_rules_moves_no_answer(shop):
    sell(shop)
    before = answered(shop)
    with shop.opened.store.transaction() as tx:
        meta.drop(tx, "rules")
    done = shop.sync()
    assert any("earlier version" in one for one in done.problems)
    assert done.programs_changed == ()
    assert answered(shop) == before


@pytest.fixture
def computed(make_shop):
    shop = make_shop()
    shop.program(PROGRAM)
    shop.account("Acme")
    shop.order("1", "Acme", date(2026, 5, 20), {"amount": 5000})
    shop.today(date(2026, 5, 21))
    shop.sync()
    shop.order("2", "Acme", date(2026, 6, 10), {"amount": 2000})
    return shop


def as_if_by_earlier_rules(shop, number: str | None) -> None:
    """What the store has of May came from other rules than ours."""
    with shop.opened.store.transaction() as tx:
        tx.exec_driver_sql("UPDATE standings SET rebate_e6 = 1, document = REPLACE(document, '350', '1')")
        if number is None:
            meta.drop(tx, "rules")
        else:
            meta.put(tx, "rules", number)


@pytest.mark.parametrize("number", [None, "0"])
def test_the_first_compute_of_newer_rules_computes_everything_before_anything_is_settled(computed, number):
    as_if_by_earlier_rules(computed, number)
    assert computed.rebates()["Acme", "2026-05"] != 350
    computed.today(date(2026, 6, 20))
    done = computed.sync()
    assert computed.rebates() == {("Acme", "2026-05"): 350, ("Acme", "2026-06"): 50}
    assert any("computed by an earlier version" in one for one in done.problems)
    assert computed.broken_promises() == []
    assert [one.due.amount for one in payouts.listed(computed.opened)] == [350]
    assert done.programs_changed == (), "no program has a new version by that"
    assert not any("earlier version" in one for one in computed.sync().problems), "it is done once"


def test_a_new_store_has_nothing_to_compute_again(shop):
    shop.program(PROGRAM)
    assert shop.sync().problems == ()
    with shop.opened.store.read() as tx:
        assert not computed_by.is_behind(tx)


def test_a_store_that_newer_rules_have_computed_is_refused_like_one_with_newer_tables(computed):
    with computed.opened.store.transaction() as tx:
        meta.put(tx, "rules", str(answers.RULES + 1))
    with pytest.raises(NewerRules) as going_on:  # a process that had it open before the upgrade
        compute(computed.opened, 99)
    computed.close()
    with pytest.raises(NewerRules) as refused:
        Store.open(computed.url)
    for error in (going_on, refused):
        assert "install the newer version" in error.value.hint
    store = Store.open(computed.url, any_version=True)
    other = store.other_version()
    store.close()
    assert isinstance(other, NewerRules)


def test_processes_with_other_rules_do_not_work_together(computed, monkeypatch):
    before = rules_in_use(computed.opened)
    monkeypatch.setattr("jobs.rules_in_use.RULES", answers.RULES + 1)
    assert rules_in_use(computed.opened) != before
