"""Numbers in the files of `program try` are taken as they are written, or set aside with a way out."""

from __future__ import annotations

import pytest

from jobs.trial import run_trial
from jobs.trial_files import read_trial_files
from rebates import parse_program
from rebates.problems import InvalidProgram

PROGRAM = """
key = "p"
starts = 2026-01-01
ends = 2026-12-31
qualifier = "quantity"
[[tiers]]
name = "Box"
threshold = "1"
per_unit = "2"
"""
HEADER = "order_id,line_id,account_id,date,quantity,amount\n"


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("1_000", "'1_000' is not a number: write 1000"),
        ("１２", "'１２' is not a number: write 12"),
        ("٣٤.5", "'٣٤.5' is not a number: write 34.5"),
        ("1 000", "'1 000' is not a number: write 1000"),
        ('"1,000"', "'1,000' is not a number: a point before the decimals, nothing between thousands"),
        ("0.1234567", "0.1234567 has more than 6 decimals: round it first, as in 0.123457"),
        ("9223372036854.775808", "9223372036854.775808 is larger than 9223372036854.775807"),
        ("1e99999999999999999999", "'1e99999999999999999999' has more digits than an amount can have"),
        ("nan", "'nan' is not a finite number"),
    ],
)
@pytest.mark.parametrize("column", ["quantity", "amount"])
def test_a_number_that_the_store_would_not_hold_is_set_aside_with_its_place(
    tmp_path, column, written, reason
):
    values = {"quantity": "1", "amount": "10"} | {column: written}
    path = tmp_path / "orders.csv"
    path.write_text(f"{HEADER}O1,1,A,2026-01-05,{values['quantity']},{values['amount']}\n", "utf-8")
    (aside,) = read_trial_files(path).set_aside
    assert (aside.file, aside.line, aside.field, aside.reason) == ("orders.csv", 2, column, reason)


def test_ordinary_numbers_stay_ordinary(tmp_path):
    path = tmp_path / "orders.csv"
    path.write_text(f"{HEADER}O1,1,A,2026-01-05,+1,-0.123456\nO2,1,A,2026-01-05,.5,1.5e3\n", "utf-8")
    files = read_trial_files(path)
    assert not files.set_aside
    assert [str(line.amount) for line in files.lines] == ["-0.123456", "1.5E+3"]


@pytest.mark.parametrize("written", ["1_000", "１０００"])
def test_a_program_says_where_such_a_number_stands_and_how_to_write_it(written):
    with pytest.raises(InvalidProgram) as refused:
        parse_program(PROGRAM.replace('threshold = "1"', f'threshold = "{written}"'), "p.toml")
    (problem,) = refused.value.problems
    assert (problem.line, problem.key) == (8, "tiers[1].threshold")
    assert "write 1000" in problem.message


def test_one_unit_is_not_units(tmp_path):
    path = tmp_path / "orders.csv"
    path.write_text(f"{HEADER}O1,1,A,2026-01-05,1,10\n", "utf-8")
    (row,) = run_trial([parse_program(PROGRAM, "p")], read_trial_files(path)).standings
    steps = [step.text for step in row.standing.steps]
    assert steps[0].startswith("1 line counted: 10.00 USD, 1 unit, ")
    assert "Box: 2 USD per unit on 1 unit = 2.00" in steps
