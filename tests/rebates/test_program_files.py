"""Program files: every mistake has a line and a way out, and an invalid program cannot be built."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from rebates import InvalidProgram, Program, Qualifier, Tier, parse_program, read_program, standing
from rebates.calendars import Cut

PROGRAMS = Path(__file__).parents[2] / "programs"
HEAD = 'key = "p"\nstarts = 2026-01-01\nends = 2026-12-31\n'
TIER = '[[tiers]]\nthreshold = "0"\nrate = "1%"\n'


def problems(text: str) -> list[tuple[int | None, str, str | None]]:
    with pytest.raises(InvalidProgram) as caught:
        parse_program(text, "p.toml")
    assert all(problem.file == "p.toml" for problem in caught.value.problems)
    return [(problem.line, problem.message, problem.suggestion) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "line", "message", "suggestion"),
    [
        (HEAD + 'methd = "stepped"\n' + TIER, 4, "unknown key 'methd'", 'did you mean "method"?'),
        (HEAD + 'method = "steped"\n' + TIER, 4, "'steped' is not a method", 'did you mean "stepped"?'),
        (HEAD + 'currency = "usd"\n' + TIER, 4, "is not an ISO 4217 code", "three capitals"),
        (HEAD + 'time_zone = "Mars/Olympus"\n' + TIER, 4, "is not a time zone", "IANA"),
        (HEAD + 'period = "fortnight"\n' + TIER, 4, "is not a period", "2 weeks"),
        (HEAD.replace("2026-12-31", "9999-12-31") + TIER, 3, "9999-12-31 is not between", "ends in ten"),
        (HEAD.replace("2026-12-31", "9000-01-01") + TIER, 3, "and 3999-12-31", "ends in ten"),
        (HEAD.replace("2026-01-01", "0001-01-01") + TIER, 2, "0001-01-01 is not between", "digits"),
        (HEAD.replace("2026-01-01", "0026-01-01") + TIER, 2, "0026-01-01 is not between", "digits"),
        (
            HEAD.replace("2026-12-31", "3999-12-31") + 'period = "week"\n' + TIER,
            3,
            "more than 3,000 periods",
            "end it before 2083-06-",
        ),
        (HEAD + "grace_days = 999999999\n" + TIER, 4, "is too long", "at most 3660"),
        (
            HEAD + 'period = "4-4-5"\nfirst_week = 0001-01-01\n' + TIER,
            5,
            "0001-01-01 is not between",
            "digits",
        ),
        (HEAD + "max_payout = 10.5\n" + TIER, 4, "floating-point", '"10.5"'),
        (HEAD + 'max_payout = "1,000"\n' + TIER, 4, "is not a number", '"1000"'),
        (HEAD + 'max_payout = "1.000,50"\n' + TIER, 4, "is not a number", 'write "1000.50"'),
        (HEAD + 'max_payout = "1,000"\n' + TIER, 4, "is not a number", 'before the decimals, write "1.000"'),
        (HEAD + 'max_payout = "1.000.000"\n' + TIER, 4, "is not a number", 'write "1000000"'),
        (HEAD + 'max_payout = "$ 2,000.5"\n' + TIER, 4, "is not a number", 'write "2000.5"'),
        (HEAD + 'max_payout = "much"\n' + TIER, 4, "is not a number", 'write "50000" or "12.50"'),
        (HEAD + TIER.replace('"1%"', '"5,5%"'), 6, "is not a number", 'write "5.5%"'),
        (HEAD + '[[tiers]]\nmin = "0"\nrate = "1%"\n', 5, "unknown key 'min'", "one number a boundary"),
        (HEAD + '[[tiers]]\nfrom = "0"\nto = "9"\n', 4, "threshold is missing", "one number a boundary"),
        (HEAD + 'period = "quater"\n' + TIER, 4, "is not a period", 'did you mean "quarter"?'),
        (
            HEAD + 'time_zone = "Amerika/New_York"\n' + TIER,
            4,
            "is not a time zone",
            'mean "America/New_York"?',
        ),
        (HEAD + 'max_payout = "1000.005"\n' + TIER, 4, "not a whole number of 0.01 USD", None),
        (HEAD + 'min_payout = "20"\nmax_payout = "10"\n' + TIER, 4, "nothing could ever be paid", None),
        (
            HEAD + 'guarantee = "42"\n' + TIER + '[market.EMEA]\nmax_payout = "27"\n',
            9,
            "27 is below the program's guarantee 42",
            "give this market a guarantee of its own",
        ),
        (
            HEAD + 'max_payout = "27"\n' + TIER + '[market.EMEA]\nguarantee = "42"\n',
            9,
            "42 is above max_payout 27",
            "raise max_payout",
        ),
        (
            HEAD + TIER + '[market.EMEA]\nmax_payout = "27"\nmin_payout = "42"\n',
            9,
            "nothing could ever be paid",
            "lower min_payout",
        ),
        (HEAD + TIER + '[market.EMEA]\nguarantee = "-1"\n', 8, "-1 is negative", None),
        (HEAD, 1, "at least one tier", "[[tiers]]"),
        (HEAD + '[[tiers]]\nthreshold = "0"\n', 4, "has no benefit", "exactly one"),
        (HEAD + TIER + 'amount = "5"\n', 4, "has rate and amount", "exactly one"),
        (HEAD + TIER + '[[tiers]]\nthreshold = "0"\nrate = "2%"\n', 8, "does not rise above 0", "rise"),
        (HEAD + '[[tiers]]\nthreshold = "-1"\nrate = "2%"\n', 5, "-1 is negative", None),
        (HEAD + '[[tiers]]\nthreshold = "0"\nrate = "15"\n', 6, "1500% of revenue", '"15%"'),
        (HEAD + 'measure = "quantity"\n' + TIER, 7, "a rate is a share of revenue", None),
        (HEAD + 'qualifier = "growth"\n' + TIER, 4, "needs a [growth] table", None),
        (HEAD + TIER + '[counts]\nfamily = "x"\n', 8, "is not a side of a line", "product.family"),
        (HEAD + TIER + '[counts]\nproduct.family = { startswith = "x" }\n', 8, "is not a test", "prefix"),
        (HEAD + TIER + "[counts]\nproduct.family = []\n", 8, "an empty list lets nothing through", None),
        (HEAD + TIER + "back_to_first = true\n", 7, "every tier of a retrospective program", "stepped"),
        (HEAD + TIER + '[market.apac.tiers.Glod]\nrate = "2%"\n', 7, "no tier 'Glod'", "Tier 1"),
        (HEAD.replace("2026-12-31", "2025-12-31") + TIER, 3, "before it starts", None),
        (HEAD.replace("2026-01-01", "2026-01-01T00:00:00") + TIER, 2, "is a moment", "2026-01-01"),
        (HEAD + TIER.replace('"0"', '"10%"'), 5, "a percentage, but the qualifier is an amount", "growth"),
        ('key = "p\n', 1, "not valid TOML", None),
    ],
)
def test_a_mistake_has_its_line_and_a_way_out(text, line, message, suggestion):
    found = problems(text)
    hits = [entry for entry in found if message in entry[1]]
    assert hits, found
    assert hits[0][0] == line
    assert suggestion is None or suggestion in (hits[0][2] or "")


@pytest.mark.parametrize(
    ("text", "written", "readings"),
    [
        (HEAD + TIER.replace('"0"', '"10.000"'), "10.000", '"10000" or "10"'),
        (HEAD + TIER.replace('"0"', '"1.500"'), "1.500", '"1500" or "1.5"'),
        (HEAD + 'max_payout = "5.000"\n' + TIER, "5.000", '"5000" or "5"'),
        (HEAD + 'currency = "JPY"\n' + TIER.replace('"0"', '"10.000"'), "10.000", '"10000" or "10"'),
        (HEAD + 'qualifier = "quantity"\n' + TIER.replace('"0"', '"10.000"'), "10.000", '"10000" or "10"'),
        (HEAD + TIER.replace('rate = "1%"', 'per_unit = "2.000"'), "2.000", '"2000" or "2"'),
        (
            HEAD + TIER + '[[gates]]\nname = "g"\nof = "amount"\nat_least = "20.000"\n',
            "20.000",
            '"20000" or "20"',
        ),
        (
            HEAD + TIER + '[market.emea.tiers."Tier 1"]\nthreshold = "20.000"\n',
            "20.000",
            '"20000" or "20"',
        ),
    ],
)
def test_an_amount_that_two_habits_read_differently_is_refused_with_both(text, written, readings):
    """Ten thousand in most of Europe is ten here; nobody saw it until the partners did."""
    ((line, message, suggestion),) = problems(text)
    assert line is not None
    assert message.startswith(f"'{written}' is ")
    assert suggestion == f"write {readings}"


@pytest.mark.parametrize(
    "text",
    [
        HEAD + 'currency = "KWD"\n' + TIER.replace('"0"', '"10.000"'),
        HEAD + TIER.replace('"0"', '"1234.500"'),
        HEAD + TIER.replace('"0"', '"0.500"'),
        HEAD + TIER.replace('"0"', '"10000.00"'),
        HEAD + TIER.replace('rate = "1%"', 'per_unit = "1.255"'),
        HEAD + 'qualifier = "quantity"\n' + TIER.replace('"0"', '"1.500"'),
        HEAD + '[rates]\nEUR = "1.000"\n' + TIER,
        HEAD + 'qualifier = "attainment"\n' + TIER.replace('"0"', '"1.000"'),
    ],
)
def test_an_amount_that_can_be_read_in_one_way_only_is_read(text):
    assert parse_program(text).tiers


@pytest.mark.parametrize(("written", "number"), [("February", 2), ("sept", 9), ("may", 5)])
def test_a_month_that_is_named_is_suggested_by_its_number(written, number):
    ((line, message, suggestion),) = problems(HEAD + f'fiscal_year_starts = "{written}"\n' + TIER)
    assert (line, message) == (4, f"'{written}' is not a whole number")
    assert suggestion == f"fiscal_year_starts = {number}"


def test_baselines_per_account_beside_the_word_that_says_which_have_a_name_of_their_own():
    growth = '[growth]\nbaseline = "fixed"\n[growth.baseline]\nA1 = "5000"\n'
    ((_, message, suggestion),) = problems(HEAD + 'qualifier = "growth"\n' + TIER + growth)
    assert message.startswith("not valid TOML")
    assert "[growth.baselines]" in suggestion
    assert parse_program(
        HEAD
        + 'qualifier = "growth"\n'
        + TIER.replace('"0"', '"1.1"')
        + growth.replace("growth.baseline]", "growth.baselines]")
    )


def test_later_terms_must_say_what_holds_before_them():
    """Left out, everything that was settled before would be settled otherwise, and nobody said so."""
    later = HEAD + "effective_from = 2026-06-01\n" + TIER
    ((line, message, suggestion),) = problems(later)
    assert (line, message) == (4, "the file does not say what holds before 2026-06-01")
    assert 'amendment = "as_of"' in suggestion
    assert 'amendment = "latest"' in suggestion
    for said in ("as_of", "latest"):
        assert parse_program(f'amendment = "{said}"\n{later}').amendment == said
    assert parse_program(HEAD + "effective_from = 2026-01-01\n" + TIER).effective == date(2026, 1, 1)
    assert len(problems(f'amendment = "newest"\n{later}')) == 1


def test_a_program_whose_start_cannot_be_read_is_not_said_to_run_too_long():
    text = HEAD.replace("2026-01-01", '"soon"') + 'period = "week"\n' + TIER
    assert [message for _, message, _ in problems(text)] == ["'soon' is not a day"]


def test_a_hundred_years_of_months_are_no_problem():
    text = HEAD.replace("2026-12-31", "2125-12-31") + TIER
    assert len(parse_program(text, "p.toml").periods()) == 1200


def test_all_mistakes_are_told_at_once():
    text = (
        HEAD
        + 'currency = "usd"\nmethd = "x"\n[[tiers]]\nthreshold = "5"\nrate = "10"\n[[tiers]]\nthreshold = "5"\nrate = 0.5\n'
    )
    assert [line for line, *_ in problems(text)] == [4, 5, 5, 8, 10, 11]


def test_what_stands_under_a_misspelt_key_is_checked_in_the_same_go():
    text = HEAD + '[[tier]]\nthreshhold = "5"\nrate = "10"\n[[tier]]\nthreshold = "4"\nrate = "1%"\n'
    found = problems(text)
    assert [line for line, *_ in found] == [4, 5, 6, 8]
    assert not any("missing" in message or "at least one" in message for _, message, _ in found)
    assert "does not rise above 5" in found[3][1]


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "p.toml").write_bytes(b"key = '\xff'")
    with pytest.raises(InvalidProgram, match="UTF-8"):
        read_program(tmp_path / "p.toml")


def test_the_example_programs_are_valid():
    for name in ("retail-2026", "parts-2026"):
        assert read_program(PROGRAMS / f"{name}.toml").key == name


def test_a_program_is_built_and_used_with_plain_values_and_no_file():
    program = Program(
        "plain",
        (Tier(Decimal(0), rate=Decimal("0.1")), Tier(Decimal(1000), "Gold", rate=Decimal("0.2"))),
        date(2026, 1, 1),
        date(2026, 12, 31),
    )
    at = standing(program, amount="900", quantity=3)
    assert (at.tier, at.rebate, at.next_tier, at.to_next_tier, at.uplift) == ("Tier 1", 90, "Gold", 100, 110)
    with pytest.raises(InvalidProgram, match="does not rise"):
        Program(
            "bad",
            (Tier(Decimal(5), rate=Decimal(0)), Tier(Decimal(5), rate=Decimal(0))),
            date(2026, 1, 1),
            date(2026, 12, 31),
        )


def test_a_plain_program_has_one_bucket_and_further_filters_have_theirs():
    assert [bucket.name for bucket in parse_program(HEAD + TIER).buckets] == ["all"]
    text = (
        HEAD
        + '[measure_counts]\nproduct.family = "A"\n'
        + TIER
        + '[[gates]]\nname = "few"\nof = "quantity"\nat_least = "1"\ncounts.order.type = "B"\n'
    )
    assert sorted(bucket.name for bucket in parse_program(text).buckets) == ["all", "few", "measure"]


def test_each_side_of_a_filter_can_be_asked_alone():
    program = parse_program(
        HEAD
        + '[members]\nregion = "EMEA"\n[counts]\nproduct.family = ["A", "B"]\norder.type = { not_in = ["Sample"] }\n'
        + TIER
    )
    bucket = program.buckets[0]
    assert program.takes({"region": "EMEA"})
    assert program.why_not_member({"region": "APAC"}) == 'account.region is "APAC", not "EMEA"'
    assert bucket.counts_product({"family": "B"})
    assert not bucket.counts_product({})
    assert not bucket.counts_order({"type": "Sample"})
    assert program.why_not({}, {"family": "C"}, {}, {}) == 'product.family is "C", not "A" or "B"'


def test_periods_are_half_open_and_cut_in_the_programs_time_zone():
    program = parse_program(HEAD + 'time_zone = "America/New_York"\nperiod = "quarter"\n' + TIER)
    first = program.periods()[0]
    assert (first.key, first.start, first.end, first.last_day) == (
        "2026-Q1",
        date(2026, 1, 1),
        date(2026, 4, 1),
        date(2026, 3, 31),
    )
    assert first.end_at == datetime(2026, 4, 1, 4, tzinfo=UTC)
    assert program.period_of(datetime(2026, 4, 1, 2, 30, tzinfo=UTC)) == first
    assert program.period_of(date(2027, 1, 1)) is None
    with pytest.raises(ValueError, match="no time zone"):
        program.period_of(datetime(2026, 4, 1, 2, 30))


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        ("month", "2026-01"),
        ("quarter", "2026-Q1"),
        ("half_year", "2026-H1"),
        ("year", "2026"),
        ("program", "program"),
        ("week", "2026-W01"),
    ],
)
def test_periods_have_names_that_people_use(kind, keys):
    assert parse_program(HEAD + f'period = "{kind}"\n' + TIER).periods()[0].key == keys


def test_a_retail_year_has_twelve_periods_of_four_four_and_five_weeks():
    cut = Cut("4-4-5", first_week=date(2026, 2, 1), long_years=(0,))
    spans = list(cut.spans(date(2026, 2, 1), date(2027, 2, 7)))
    assert [(after - start).days // 7 for _, start, after in spans] == [4, 4, 5] * 3 + [4, 4, 6]
    assert spans[0][0] == "FY2026-P01"


def test_a_standing_in_a_period_that_does_not_exist_is_refused():
    program = parse_program(HEAD + TIER)
    with pytest.raises(ValueError, match="has no period 2027-01"):
        standing(program, "2027-01", amount=5)
    with pytest.raises(ValueError, match="not a number in text"):
        standing(program, amount=0.1)  # type: ignore[arg-type]


def test_a_qualifier_may_not_take_a_taken_name():
    with pytest.raises(InvalidProgram, match="used twice"):
        Program(
            "p",
            (Tier(Decimal(0), rate=Decimal(0)),),
            date(2026, 1, 1),
            date(2026, 12, 31),
            qualifiers=(Qualifier("a"), Qualifier("a")),
        )
