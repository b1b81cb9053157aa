"""The engine against an independent oracle, and the promises that hold for every program."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tomllib
from datetime import date, timedelta
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.trial import run_trial
from jobs.trial_files import Target, TrialFiles, TrialLine
from rebates import Inputs, Tally, parse_program, standing
from rebates.beside import shared_out
from rebates.caps import Claim, Limits, within_budget
from rebates.money import from_micro, round_money, share_out, to_micro, unit
from tests.rebates import oracle
from tests.rebates.generated import PERIODS, programs

D = Decimal
FAMILIES = ("Skin care", "Make-up", "Fragrance")
quick = settings(
    max_examples=int(os.environ.get("REBATES_EXAMPLES", "120")),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)

money = st.decimals(min_value=-20000, max_value=60000, places=2, allow_nan=False)
days = st.dates(min_value=date(2025, 12, 20), max_value=date(2027, 1, 10))
units = st.integers(min_value=-50, max_value=400)


def line(number: int, account: str, day: date, quantity: int, amount: Decimal, family: str) -> TrialLine:
    region = "LATAM" if account == "A3" else "EMEA"
    return TrialLine(
        number,
        f"O{number}",
        "1",
        account,
        day,
        D(quantity),
        amount,
        None,
        None,
        None,
        {"product_family": family, "region": region},
    )


lines = st.lists(
    st.tuples(st.sampled_from(("A1", "A2", "A3")), days, units, money, st.sampled_from(FAMILIES)),
    min_size=1,
    max_size=14,
).map(lambda rows: [line(n, *row) for n, row in enumerate(rows, start=2)])


def files(order_lines: list[TrialLine], targets: bool = True) -> TrialFiles:
    found = [Target(account, None, D(9000), D(7000)) for account in ("A1", "A2", "A3")] if targets else []
    return TrialFiles(lines=order_lines, targets=found)


def told(
    text: str, order_lines: list[TrialLine]
) -> dict[tuple[str, date, date], tuple[str | None, Fraction]]:
    trial = run_trial([parse_program(text)], files(order_lines))
    return {
        (row.standing.member, row.standing.period.start, row.standing.period.last_day): (
            row.standing.tier,
            Fraction(row.standing.rebate),
        )
        for row in trial.standings
    }


def plain(order_lines: list[TrialLine]) -> list[dict[str, object]]:
    return [
        {
            "account": entry.account_id, "account.id": entry.account_id, "account.region": entry.fields["region"], "date": entry.when,
            "quantity": str(entry.quantity), "amount": str(entry.amount), "product.family": entry.fields["product_family"],
        }
        for entry in order_lines
    ]  # fmt: skip


@quick
@given(programs(), lines)
def test_engine_and_oracle_agree_to_the_last_digit(text, order_lines):
    baselines = dict.fromkeys(("A1", "A2", "A3"), 7000)
    targets = dict.fromkeys(("A1", "A2", "A3"), 9000)
    assert told(text, order_lines) == oracle.standings(
        tomllib.loads(text), plain(order_lines), baselines, targets
    )


@quick
@given(programs(), lines, st.randoms(use_true_random=False))
def test_the_order_of_lines_changes_nothing(text, order_lines, rng: random.Random):
    shuffled = rng.sample(order_lines, len(order_lines))
    assert told(text, order_lines) == told(text, shuffled)


@quick
@given(programs(), lines, days, units, money)
def test_adding_a_line_and_its_reverse_leaves_every_rebate_as_it_was(
    text, order_lines, day, quantity, amount
):
    extra = [
        line(900, "A1", day, quantity, amount, "Skin care"),
        line(901, "A1", day, -quantity, -amount, "Skin care"),
    ]
    before, after = told(text, order_lines), told(text, [*order_lines, *extra])
    assert {key: after[key] for key in before} == before


def plain_program(method: str, tiers: list[tuple[str, str]]) -> str:
    ladder = "\n".join(f'[[tiers]]\nthreshold = "{t}"\nrate = "{r}"' for t, r in tiers)
    return f'key = "p"\nstarts = 2026-01-01\nends = 2026-12-31\nmethod = "{method}"\n{ladder}'


@quick
@given(
    st.sampled_from(("retrospective", "stepped")),
    st.lists(st.integers(1, 500), min_size=1, max_size=4, unique=True),
    st.integers(0, 60_000),
    st.integers(0, 60_000),
)
def test_who_buys_more_never_gets_less_where_benefits_rise(method, steps, less, more):
    program = parse_program(
        plain_program(method, [(str(s * 100), f"{n + 1}%") for n, s in enumerate(sorted(steps))])
    )
    low, high = sorted((less, more))
    assert standing(program, amount=low).rebate <= standing(program, amount=high).rebate


@pytest.mark.parametrize("currency", ["USD", "JPY", "KWD"])
@pytest.mark.parametrize(("boundary", "at_threshold"), [("reach", "High"), ("exceed", "Low")])
def test_one_minor_unit_below_at_and_above_a_threshold(currency, boundary, at_threshold):
    text = (
        plain_program("retrospective", [])
        + f'\ncurrency = "{currency}"\nboundary = "{boundary}"\n[[tiers]]\nname = "Low"\nthreshold = "0"\nrate = "1%"\n[[tiers]]\nname = "High"\nthreshold = "1000"\nrate = "2%"'
    )
    program, coin = parse_program(text), unit(currency)
    names = [standing(program, amount=D(1000) + step).tier for step in (-coin, D(0), coin)]
    assert names == ["Low", at_threshold, "High"]
    if boundary == "exceed":
        assert standing(program, amount=1000).to_next_tier == coin


@quick
@given(programs(), lines, st.integers(1, 13))
def test_totals_of_batches_add_up_to_those_of_the_whole(text, order_lines, cut):
    whole, parts = Tally(), (Tally(), Tally())
    for n, entry in enumerate(order_lines):
        tally = Tally(entry.amount, entry.quantity, 1)
        whole = whole + tally
        parts = (parts[0] + tally, parts[1]) if n < cut else (parts[0], parts[1] + tally)
    assert parts[0] + parts[1] == whole


@quick
@given(
    st.decimals(min_value=0, max_value=10**7, places=2),
    st.lists(st.integers(0, 10**6), min_size=1, max_size=9).filter(any),
)
def test_the_shares_of_a_group_add_up_to_the_total(total, weights):
    shares = share_out(total, [D(w) for w in weights], "USD")
    assert sum(shares) == total
    assert all(
        abs(Fraction(share) - Fraction(total) * w / sum(weights)) < Fraction(1, 100)
        for share, w in zip(shares, weights, strict=True)
    )


@quick
@given(st.decimals(min_value=-(10**12), max_value=10**12, places=6), st.sampled_from(("USD", "JPY", "KWD")))
def test_a_decimal_and_the_same_fraction_round_to_the_same_coin(value, currency):
    assert round_money(value, currency) == round_money(Fraction(value), currency)
    digits = {"USD": 2, "JPY": 0, "KWD": 3}[currency]
    assert Fraction(round_money(value, currency)) == oracle.half_up(Fraction(value), digits)


@quick
@given(st.integers(1, 10**9), st.integers(0, 9999), st.integers(1, 4))
def test_a_callers_decimal_context_changes_nothing(amount, rate, precision):
    program = parse_program(plain_program("stepped", [("0", f"{rate}e-2%"), ("1000", f"{rate + 1}e-2%")]))
    expected = standing(program, amount=amount).rebate
    with localcontext() as context:
        context.prec = precision
        assert standing(program, amount=amount).rebate == expected


@quick
@given(programs(), lines)
def test_the_steps_add_up_to_the_rebate(text, order_lines):
    for row in run_trial([parse_program(text)], files(order_lines)).standings:
        steps = row.standing.steps
        assert steps[-1].amount == row.standing.rebate
        kinds = {step.kind for step in steps}
        if not kinds & {"cap", "guarantee"}:
            bands = sum((step.amount for step in steps if step.kind == "band"), D(0))
            assert abs(bands - row.standing.rebate) <= unit(row.standing.working.program.currency)


claims = st.lists(st.decimals(min_value=-50, max_value=200, places=2), min_size=1, max_size=6)


@quick
@given(
    claims, st.integers(0, 300), st.sampled_from(["first_come", "pro_rata"]), st.decimals(0, 400, places=2)
)
def test_what_a_budget_would_leave_of_another_rebate_is_what_it_leaves_then(rebates, budget, split, then):
    limits = Limits(budget=D(budget), budget_split=split)
    made = [Claim(f"A{n}", rebate, f"2026-06-0{n + 1}") for n, rebate in enumerate(rebates)]
    told = shared_out(limits, made, "USD")
    for n, claim in enumerate(made):
        others = [*made[:n], claim._replace(rebate=then), *made[n + 1 :]]
        really = within_budget(limits, others, "USD")[claim.member]
        promised = told.at_most(claim.member, then)
        assert promised == really if split == "first_come" else really - D("0.01") <= promised <= really


@quick
@given(programs(), lines)
def test_reaching_the_next_tier_as_told_really_reaches_it(text, order_lines):
    for row in run_trial([parse_program(text)], files(order_lines)).standings:
        at = row.standing
        terms = at.working.program
        if (
            at.next_tier is None
            or terms.gates
            or terms.measure_bucket != "all"
            or terms.qualifiers[0].of not in ("amount", "quantity")
        ):
            continue
        tally = at.working.totals.get("all", Tally())
        more = (
            Tally(tally.amount + at.to_next_tier, tally.quantity, 1)
            if terms.qualifiers[0].of == "amount"
            else Tally(tally.amount, tally.quantity + at.to_next_tier, 1)
        )
        then = standing(terms, at.period, {"all": more}, inputs=Inputs())
        assert then.tier_number > at.tier_number


@quick
@given(st.integers(-(10**17), 10**17))
def test_millionths_and_amounts_are_the_same_number(count):
    assert to_micro(from_micro(count)) == count
    with pytest.raises(ValueError, match="more than 6 decimals"):
        to_micro(from_micro(count) + D("0.0000001"))


def test_periods_cover_every_day_of_the_program_once():
    for kind in (*PERIODS, "week", "2 weeks", "4 months"):
        for anchor in ("calendar", "program"):
            text = f'key="p"\nstarts=2026-02-16\nends=2027-03-05\nperiod="{kind}"\nanchor="{anchor}"\n[[tiers]]\nthreshold="0"\nrate="1%"'
            periods = parse_program(text).periods()
            assert (periods[0].start, periods[-1].last_day) == (date(2026, 2, 16), date(2027, 3, 5))
            assert all(a.end == b.start for a, b in pairwise(periods))
            assert len({period.key for period in periods}) == len(periods), (kind, anchor)


def test_the_hash_seed_changes_no_byte(tmp_path: Path):
    rng = random.Random(7)
    rows = ["order_id,line_id,account_id,date,quantity,amount,product_family"]
    for n in range(200):
        day = date(2026, 1, 1) + timedelta(days=rng.randrange(365))
        rows.append(
            f"O{n},1,A{rng.randrange(9)},{day},{rng.randrange(-5, 40)},{rng.randrange(-9999, 999999) / 100:.2f},{rng.choice(FAMILIES)}"
        )
    (tmp_path / "orders.csv").write_text("\n".join(rows))
    (tmp_path / "p.toml").write_text(plain_program("stepped", [("0", "1%"), ("500", "2%"), ("5000", "3%")]))
    code = "from cli.program import app; app()"
    outputs = set()
    for seed in ("0", "1", "4242"):
        arguments = ["try", str(tmp_path / "p.toml"), "--orders", str(tmp_path / "orders.csv"), "--json"]
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            capture_output=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[2],
            check=True,
        )
        outputs.add(done.stdout)
    assert len(outputs) == 1


@given(
    amounts=st.lists(st.integers(-500, 9000), min_size=2, max_size=6), most=st.none() | st.integers(1, 400)
)
def test_who_was_asked_before_does_not_change_what_the_next_tier_pays(amounts, most):
    """The rebate at a threshold is worked out once a program: it must not carry one member's numbers to another."""
    cap = "" if most is None else f'max_payout_program = "{most}"\n'
    text = cap + 'key = "p"\nstarts = 2026-01-01\nends = 2026-12-31\n' + "".join(
        f'[[tiers]]\nthreshold = "{t}"\nrate = "{r}"\n' for t, r in (("0", "1%"), ("1000", "3%"), ("4000", "7%"))
    )  # fmt: skip
    together = parse_program(text)
    for n, amount in enumerate(amounts):
        inputs = Inputs(member_paid=D(n * 100))
        at = standing(together, amount=amount, inputs=inputs)
        assert at == standing(parse_program(text), amount=amount, inputs=inputs)
