"""Every published worked example, by the name of its source; and the published numbers that are wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from rebates import Inputs, Program, Qualifier, Tally, Tier, standing
from rebates.calendars import Cut
from rebates.caps import Earned, Limits, Proration, guarantee_surplus
from rebates.forecast import earnings, score
from rebates.growth import Growth
from rebates.settle import Settlement, payout
from rebates.splits import split_line
from rebates.stacking import Deal, Stacking, stack
from rebates.totals import ALL
from rebates.versions import in_force, standing_across

EXAMPLES = {
    e["id"]: e for e in json.loads((Path(__file__).parent / "golden" / "worked_examples.json").read_text())
}
HANDLED: set[str] = set()
D = Decimal


def of_kind(kind: str) -> list[Any]:
    found = [pytest.param(e, id=e["id"]) for e in EXAMPLES.values() if e["kind"] == kind]
    HANDLED.update(e.id for e in found)
    return found


def tier(entry: dict[str, Any], **more: Any) -> Tier:
    values = {k: D(entry[k]) for k in ("rate", "per_unit", "amount", "max_measure") if k in entry}
    return Tier(D(entry["from"]), boundary="exceed" if entry.get("exceed") else None, **values, **more)


def program(given: dict[str, Any], **terms: Any) -> Program:
    method = given.get("method", "retrospective")
    on = "quantity" if any(k in given for k in ("quantity", "quantity_deltas", "prior_qty")) else "amount"
    flag = {"back_to_first": True} if method == "pay_to_first" else {}
    return Program(**{
        "key": "golden", "starts": date(2026, 1, 1), "ends": date(2026, 12, 31),
        "tiers": tuple(tier(entry, **flag) for entry in given["tiers"]),
        "method": "stepped" if method in ("stepped", "pay_to_first") else "retrospective",
        "qualifiers": (Qualifier("qualifier", on),), "whole_units": given.get("whole_units", False), **terms,
    })  # fmt: skip


def rebate(of: Program, given: dict[str, Any]) -> Decimal:
    return standing(of, amount=given.get("value"), quantity=given.get("quantity")).rebate


@pytest.mark.parametrize("example", of_kind("tier"))
def test_a_ladder_pays_what_its_source_says(example):
    assert rebate(program(example["input"]), example["input"]) == D(example["expected"])


@pytest.mark.parametrize("example", of_kind("next_tier"))
def test_what_the_next_tiers_need_and_bring(example):
    at = standing(program(example["input"]), amount=example["input"]["value"])
    assert at.rebate == D(example["expected"]["rebate"])
    told = [
        {"need": level.need, "rebate": level.rebate, "additional": level.additional}
        for level in at.higher_tiers
    ]
    expected = [{key: D(value) for key, value in level.items()} for level in example["expected"]["levels"]]
    assert told[: len(expected)] == expected


@pytest.mark.parametrize("example", of_kind("shortfall"))
def test_a_shortfall_is_the_gap_to_the_next_tier(example):
    tiers = [
        {"from": threshold, "amount": str(n)} for n, threshold in enumerate(example["input"]["tiers"], 1)
    ]
    assert standing(program({"tiers": tiers}), amount=example["input"]["value"]).to_next_tier == D(
        example["expected"]
    )


@pytest.mark.parametrize("example", of_kind("sequence"))
def test_a_return_takes_back_what_its_units_had_earned(example):
    terms, quantity, before, deltas = program(example["input"]), D(0), D(0), []
    for delta in example["input"]["quantity_deltas"]:
        quantity += D(delta)
        now = standing(terms, quantity=quantity).rebate
        deltas.append(now - before)
        before = now
    assert deltas == [D(x) for x in example["expected"]]


@pytest.mark.parametrize("example", of_kind("ytd_trueup"))
def test_a_payout_is_the_rebate_so_far_less_what_was_settled(example):
    terms = program(example["input"], settlement=Settlement(window="year"))
    settled, payouts, cumulative = D(0), [], []
    for period, value in zip(terms.periods(), example["input"]["ytd"], strict=False):
        at = standing(terms, period, amount=value, inputs=Inputs(settled=settled))
        payouts.append(at.payout.paid)
        cumulative.append(at.rebate)
        settled = at.rebate
    assert payouts == [D(x) for x in example["expected"]["payouts"]]
    assert cumulative == [D(x) for x in example["expected"]["cumulative"]]


MODES = {"fully_retrospective": "whole", "retrospective_excess": "excess", "non_retrospective": "banded"}


@pytest.mark.parametrize("example", of_kind("growth"))
def test_growth_pays_on_everything_on_the_excess_or_by_band(example):
    given = example["input"]
    terms = program(
        {"tiers": given["tiers_on_ratio"]}, qualifiers=(Qualifier("growth", "growth"),),
        growth=Growth(mode=MODES[given["mode"]], baseline="fixed"),
    )  # fmt: skip
    at = standing(terms, amount=given["value"], inputs=Inputs(baseline=D(given["baseline"])))
    assert at.rebate == D(example["expected"])


@pytest.mark.parametrize("example", of_kind("version"))
def test_an_amendment_holds_as_of_its_day_or_for_everything(example):
    given = example["input"]
    versions = [
        program({"tiers": [{"from": "0", "rate": v["rate"]}]}, starts=date(2023, 1, 1), ends=date(2023, 12, 31),
                effective_from=date.fromisoformat(v["from"]), amendment=given["policy"])
        for v in given["versions"]
    ]  # fmt: skip
    day = date.fromisoformat(given["date"])
    assert standing(in_force(versions, day), day, amount=given["amount"]).rebate == D(example["expected"])


def test_lines_before_and_after_an_amendment_in_one_period_keep_their_own_rate():
    old = program(
        {"tiers": [{"from": "0", "rate": "0.10"}]}, effective_from=date(2026, 3, 1), amendment="as_of"
    )
    new = replace(old, tiers=(Tier(D(0), rate=D("0.15")),), effective_from=date(2026, 3, 10))
    period = old.period_of(date(2026, 3, 6))
    parts = [(old, {ALL: Tally(D(300), D(1), 1)}), (new, {ALL: Tally(D(100), D(1), 1)})]
    assert standing_across(parts, period, as_of=date(2026, 3, 31)).rebate == D("45.00")


@pytest.mark.parametrize("example", of_kind("forecast"))
def test_three_numbers_are_told_apart_actual_accrued_and_forecast(example):
    given = example["input"]
    terms = program(given)
    band = next(t.name for t in terms.tiers if t.rate == D(given["accrual_band"]))
    told = earnings(
        terms,
        terms.periods()[0],
        {ALL: Tally(D(given["value"]), D(0), 1)},
        elapsed=Fraction(given["elapsed_fraction"]),
        accrual_tier=band,
    )
    expected = {key: D(value) for key, value in example["expected"].items()}
    assert told == (
        expected["actual"],
        expected["accrual"],
        expected["actual_forecast"],
        expected["forecast_value"],
        expected["forecast_rebate"],
    )


@pytest.mark.parametrize("example", of_kind("score"))
def test_an_opportunity_is_scored_by_gain_need_and_days(example):
    given = example["input"]
    assert score(D(given["gain"]), D(given["need"]), given["days"]) == example["expected"]


@pytest.mark.parametrize("example", of_kind("split_line"))
def test_a_line_that_crosses_a_threshold_is_split_by_its_units(example):
    given = example["input"]
    parts = split_line(
        program(given),
        prior=Tally(D(0), D(given["prior_qty"])),
        line=Tally(D(given["amount"]), D(given["qty"]), 1),
    )
    assert [part.rebate for part in parts] == [D(x) for x in example["expected"]]


@pytest.mark.parametrize("example", of_kind("stacking"))
def test_programs_on_the_same_sales_pay_in_their_declared_order(example):
    given = example["input"]
    base = D(given["base"])

    def deal(key: str, percent: str, stacking: Stacking) -> Deal:
        terms = program({"tiers": [{"from": "0", "rate": str(D(percent) / 100)}]})
        return Deal(key, stacking, lambda left: standing(terms, totals={ALL: Tally(left, D(0), 1)}).rebate)

    if "parallel_pct" in given:
        deals = [deal(str(n), p, Stacking()) for n, p in enumerate(given["parallel_pct"])]
        assert base - sum(stack(base, deals).values()) == D(example["expected"]["net"])
        return
    deals = []
    for place, number in enumerate(given["order"]):
        terms = given["deals"][str(number)]
        # A deal that is paid on the full price leaves the others' base alone; so does one that is excluded.
        stacking = Stacking(
            "sequential",
            order=place,
            base="reduced" if terms["reduced"] else "full",
            reduces=not terms.get("excluded_from_reduction", False),
        )
        deals.append(deal(str(number), terms["pct"], stacking))
    paid = stack(base, deals)
    assert sum(paid.values()) == D(example["expected"])
    assert stack(base, list(reversed(deals))) == paid, "the order is in the data, not in the run"


@pytest.mark.parametrize("example", of_kind("proration"))
def test_a_yearly_cap_shrinks_to_the_days_of_the_period(example):
    given = example["input"]
    terms = program(
        {"tiers": [{"from": "0", "rate": "1"}]}, starts=date(2025, 1, 5), ends=date(2025, 2, 3), cut=Cut("program"),
        limits=Limits(max_payout=D(given["cap"])), proration=Proration(annual=("max_payout",)),
    )  # fmt: skip
    assert terms.periods()[0].days == given["days"]
    assert standing(terms, amount="1000").rebate == D(example["expected"])


@pytest.mark.parametrize("example", of_kind("guarantee"))
def test_a_guarantee_tops_up_what_was_earned(example):
    given = example["input"]
    if "royalty" not in given:
        terms = program(
            {"tiers": [{"from": "0", "rate": given["rate"]}]}, limits=Limits(guarantee=D(given["minimum"]))
        )
        assert standing(terms, amount=given["value"]).rebate == D(example["expected"])
        return
    guarantee = D(given["guarantee"])
    terms = program(
        {"tiers": [{"from": "0", "rate": "1"}]}, limits=Limits(guarantee=guarantee, guarantee_cumulative=True)
    )
    earned, top_ups = [], []
    for royalty in given["royalty"]:
        inputs = Inputs(guarantee_surplus=guarantee_surplus(earned))
        at = standing(terms, amount=royalty, inputs=inputs)
        top_ups.append(at.rebate - D(royalty))
        earned.append(Earned(D(royalty), guarantee))
    assert top_ups == [D(x) for x in example["expected"]]


FREQUENCIES = {"quarterly": "quarter", "half_yearly": "half_year"}


@pytest.mark.parametrize("example", of_kind("periods"))
def test_periods_are_anchored_and_cut_as_their_source_does(example):
    given = example["input"]
    days = [date.fromisoformat(given[key].replace("Y", "2026")) for key in ("start", "end")]
    terms = program(
        {"tiers": [{"from": "0", "rate": "0.1"}]},
        starts=days[0],
        ends=days[1],
        cut=Cut(FREQUENCIES[given["freq"]], given.get("anchor", "calendar")),
    )
    assert len(terms.periods()) == example["expected"]["count"]
    if "first_end" in example["expected"]:
        assert terms.periods()[0].last_day == date.fromisoformat(
            example["expected"]["first_end"].replace("Y", "2026")
        )


def test_no_example_is_left_out():
    assert set(EXAMPLES) == HANDLED


# --- published numbers that are wrong -------------------------------------------------------------


def test_the_marginal_total_of_1120_pays_the_upper_bound_instead_of_the_width_of_a_passed_band():
    given = EXAMPLES["oca-marginal-3800"]["input"]
    as_published = (
        D("0.10") * 100 + D("0.20") * 300 + D("0.30") * 3500
    )  # 300 is the band's end, its width is 200
    assert as_published == 1120
    assert rebate(program(given), given) == 1100


def test_tables_with_closed_ends_leave_100_005_in_no_band_but_one_threshold_a_tier_does_not():
    given = {**EXAMPLES["oca-total-3800"]["input"], "value": "100.005"}
    closed = [(D(0), D(100)), (D("100.01"), D(300))]
    assert not any(low <= D("100.005") <= high for low, high in closed)
    assert rebate(program(given), given) == D("20.00")


def test_rounding_the_rate_first_loses_what_the_exact_amount_keeps():
    terms = program(
        {"tiers": [{"from": "0", "amount": "0"}]},
        tiers=(Tier(D(0), start=D(0), end=D(10000), until=D(30000)),),
    )
    assert standing(terms, amount="29000").rebate == D("9666.67")
    rate_rounded_first = round(Fraction(10000, 30000) * 100) * 29000 / 100  # 33 % instead of a third
    assert rate_rounded_first == 9570


def test_stacking_in_the_order_of_the_run_gave_four_answers_for_one_order():
    answers = {e["expected"] for e in EXAMPLES.values() if e["id"].startswith("d365-stack")}
    assert answers == {"610", "625"}, "both are right for their declared order, none depends on the run"


def test_a_blended_rate_takes_back_too_little():
    given = EXAMPLES["ns-returns"]["input"]
    terms = program(given)
    blended = standing(terms, quantity=6).rebate / 6 * 2
    assert blended == 40
    assert standing(terms, quantity=6).rebate - standing(terms, quantity=4).rebate == 60


def test_a_settlement_that_forgets_the_last_one_pays_twice():
    earned = [D(140), D(1080)]
    forgetful = sum(
        payout(e, settled=D(0), carried=D(0), min_payout=None, claw_back="next_payout").paid for e in earned
    )
    assert forgetful == 1220
    assert (
        payout(earned[1], settled=earned[0], carried=D(0), min_payout=None, claw_back="next_payout").paid
        == 940
    )
