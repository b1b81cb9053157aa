"""Targets per member and period lie beside the program: a sync and `program try` read the same file."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from jobs.program_check import check_files
from jobs.targets import read_with_targets
from jobs.trial import run_trial
from tests.jobs.test_every_kind_of_program import BUYERS, HEAD, RATIOS, Sales, compare, found, furnish

ATTAINMENT = 'qualifier = "attainment"\n' + HEAD.format(key="k", period="quarter") + RATIOS
GROWTH = (
    'qualifier = "growth"\n' + HEAD.format(key="k", period="quarter") + RATIOS
    + '[growth]\nbaseline = "same_period_last_year"\n'
)  # fmt: skip
Q1 = "2026-Q1"


def write_targets(shop, *rows: str) -> None:
    (shop.folder / "programs" / "program.targets.csv").write_text("\n".join(rows) + "\n")


@pytest.mark.parametrize("text", [ATTAINMENT, GROWTH], ids=["attainment", "growth"])
def test_the_store_says_what_the_trial_says_whatever_file_it_got(make_shop, text):
    shop = make_shop()
    ids = {buyer: shop.id_of(buyer) for buyer in BUYERS}
    sales, today = Sales(7, currencies=False), date(2026, 11, 24)
    shop.today(today)
    shop.program(text)
    furnish(shop, currencies=False)
    sales.into(shop)
    some = [f"{ids[name]},2026-Q{n},{400 + 100 * n},{500 * n}" for name in BUYERS[:4] for n in (1, 2, 3)]
    for rows in (some, [*some, f"{ids['A5']},,700,800"], some[:5]):
        write_targets(shop, "account_id,period,target,baseline", *rows)
        assert not shop.sync().refused
        program = read_with_targets(shop.folder / "programs" / "program.toml")
        trial = run_trial([program], sales.files(ids), as_of=today)
        wanted = {
            (row.standing.member or "", row.standing.period.key): (
                row.standing.rebate, row.standing.tier, row.standing.qualifier,
                bool(row.standing.incomplete), row.paid,
            )
            for row in trial.standings
        }  # fmt: skip
        compare(found(shop, ids), wanted)


@pytest.fixture
def targeted(shop):
    """Acme bought for 110 in the first quarter; its target there was 100, else 200."""
    shop.program(ATTAINMENT)
    shop.account("Acme")
    acme = shop.id_of("Acme")
    write_targets(shop, "account_id,period,target", f"{acme},{Q1},100", f"{acme},,200")
    shop.order("1", "Acme", date(2026, 2, 2), {"amount": 110})
    shop.sync()
    return shop


def test_a_period_s_own_target_beats_the_one_for_all(targeted):
    assert targeted.rebates()["Acme", Q1] == Decimal("2.20")


def test_a_new_target_moves_the_standing_without_a_new_order(targeted):
    write_targets(targeted, "account_id,period,target", f"{targeted.id_of('Acme')},{Q1},80")
    targeted.sync()
    assert targeted.rebates()["Acme", Q1] == Decimal("4.40")


def test_a_file_that_cannot_be_read_keeps_the_last_targets_in_force(targeted):
    before = targeted.rebates()
    write_targets(targeted, "account_id,period,target", f"{targeted.id_of('Acme')},2026-Q7,1_00")
    targeted.order("1", "Acme", date(2026, 2, 2), {"amount": 120})
    targeted.sync()
    assert targeted.opened.programs.broken
    assert before["Acme", Q1] == Decimal("2.20")
    assert targeted.rebates()["Acme", Q1] == Decimal("2.40")
    (checked,) = check_files([targeted.folder / "programs" / "program.toml"])
    (problem,) = checked.problems
    assert (problem.line, problem.key, problem.message) == (2, "target", "'1_00' is not a number: write 100")
    assert "program.targets.csv:2:1: error: target" in checked.lines()[0]


def test_a_period_that_the_program_does_not_have_is_no_target(targeted):
    write_targets(targeted, "account_id,period,target", f"{targeted.id_of('Acme')},2026-03,100")
    (checked,) = check_files([targeted.folder / "programs" / "program.toml"])
    assert "no period '2026-03'" in checked.problems[0].message
    assert "2026-Q1" in (checked.problems[0].suggestion or "")
