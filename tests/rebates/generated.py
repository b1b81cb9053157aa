"""Random programs, for the tests that compare one way of computing with another."""

from __future__ import annotations

from hypothesis import strategies as st

PERIODS = ("month", "quarter", "half_year", "year", "program")


@st.composite
def programs(draw: st.DrawFn) -> str:
    """The text of a valid program; most keys drawn, the rest at their defaults."""
    qualifier = draw(st.sampled_from(("amount", "amount", "quantity", "growth", "attainment")))
    method = draw(st.sampled_from(("retrospective", "stepped")))
    period = draw(st.sampled_from(PERIODS))
    currency = draw(st.sampled_from(("USD", "JPY", "KWD")))
    out = [
        f'key = "p"\nstarts = 2026-01-01\nends = 2026-12-31\nperiod = "{period}"\ncurrency = "{currency}"',
        f'method = "{method}"\nqualifier = "{qualifier}"',
    ]
    if draw(st.booleans()):
        out.append('boundary = "exceed"')
    if qualifier == "quantity" and draw(st.booleans()):
        out.append("whole_units = true")
    if period in ("quarter", "half_year", "year") and draw(st.booleans()):
        out.append(f"fiscal_year_starts = {draw(st.integers(2, 12))}")
    if draw(st.booleans()):
        out.append(f'max_payout = "{draw(st.integers(100, 5000))}"')
    guaranteed = draw(st.integers(0, 4)) == 0
    if guaranteed:
        out.append(f'guarantee = "{draw(st.integers(0, 90))}"')
    if qualifier == "growth":
        out.append(
            f'[growth]\nmode = "{draw(st.sampled_from(("whole", "excess", "banded")))}"\nbaseline = "fixed"\ncompare = "index"'
        )
    if draw(st.booleans()):
        out.append('[counts]\nproduct.family = ["Skin care", "Make-up"]')
    if draw(st.integers(0, 3)) == 0:
        out.append('[measure_counts]\nproduct.family = "Skin care"')
    if draw(st.integers(0, 3)) == 0:
        out.append('[members]\nregion = { not_in = ["LATAM"] }')
    if not guaranteed and draw(st.integers(0, 4)) == 0:
        out.append(f'[[gates]]\nname = "gate"\nof = "quantity"\nat_least = "{draw(st.integers(0, 200))}"')
    ratio = qualifier in ("growth", "attainment")
    steps = draw(
        st.lists(st.integers(0, 300 if qualifier == "quantity" else 150), min_size=1, max_size=4, unique=True)
    )
    for number, step in enumerate(sorted(steps)):
        threshold = (
            f"{step + 1}%"
            if ratio
            else str(step)
            if qualifier == "quantity"
            else f"{step * 300}.{step % 100:02d}"
        )
        benefit = draw(st.sampled_from(("rate", "rate", "per_unit", "amount")))
        value = (
            f"{draw(st.integers(0, 9999))}e-2%" if benefit == "rate" else f"{draw(st.integers(0, 9999))}e-2"
        )
        out.append(f'[[tiers]]\nname = "T{number}"\nthreshold = "{threshold}"\n{benefit} = "{value}"')
        if benefit != "amount" and draw(st.integers(0, 5)) == 0:
            out.append(f'max_measure = "{draw(st.integers(1, 30000))}"')
        if method == "stepped" and draw(st.integers(0, 4)) == 0:
            out.append("back_to_first = true")
        if benefit == "amount" and draw(st.integers(0, 3)) == 0:
            out.append(f'per = "{draw(st.integers(1, 2000))}"')
    return "\n".join(out)
