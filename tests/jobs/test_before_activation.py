"""What a changed program would do, asked of the store before it is activated."""

from __future__ import annotations

from datetime import date

import pytest

from jobs import payouts
from jobs.checked_settled import with_settled
from jobs.program_check import check_files
from jobs.refusals import Unusable
from jobs.store_facts import diff_store, facts_of_store
from rebates import parse_program

PROGRAM = """
key = "care"
starts = 2026-01-01
ends = 2026-12-31
period = "month"
[counts]
product.family = ["Care"]
[[tiers]]
name = "Silver"
threshold = "100"
rate = "10%"
[[tiers]]
name = "Gold"
threshold = "1000"
rate = "20%"
"""


@pytest.fixture
def story(shop):
    """Acme at 800 and Bell at 50 in June."""
    shop.program(PROGRAM)
    shop.product("Cream", family="Care")
    for name, amount in (("Acme", 800), ("Bell", 50)):
        shop.account(name)
        shop.order(name, name, date(2026, 6, 3), {"amount": amount, "product": "Cream"})
    shop.sync()
    return shop


def test_a_lower_threshold_shows_who_moves_and_by_how_much_and_changes_nothing(story):
    before = story.standings()
    new = PROGRAM.replace('"1000"', '"800"')
    found = diff_store(story.opened, parse_program(PROGRAM, "old"), parse_program(new, "new"))
    assert any(
        f"{found.names[one.member]} ({one.member}) " in line for one in found.moved for line in found.lines()
    )
    (moved,) = found.moved
    assert (moved.member, moved.period, moved.change) == (story.id_of("Acme"), "2026-06", 80)
    assert found.by_tier == {("Silver", "Gold"): (1, 80)}
    assert found.unchanged == 1
    assert story.standings() == before
    assert story.broken_promises() == []


def test_two_programs_are_not_two_versions(story):
    with pytest.raises(Unusable, match="two programs"):
        diff_store(
            story.opened, parse_program(PROGRAM, "a"), parse_program(PROGRAM.replace("care", "x"), "b")
        )


def test_a_rule_that_matches_nothing_in_the_store_is_found(story, tmp_path):
    path = tmp_path / "new.toml"
    path.write_text(PROGRAM.replace('["Care"]', '["Caer"]'))
    (checked,) = check_files([path], known=facts_of_store(story.opened))
    assert any("Caer" in finding.message for finding, _ in checked.findings)
    path.write_text(PROGRAM)
    (checked,) = check_files([path], known=facts_of_store(story.opened))
    assert not any("Care" in finding.message for finding, _ in checked.findings)


def warned(shop, *texts):
    files = []
    for number, text in enumerate(texts):
        files.append(shop.folder / f"new{number}.toml")
        files[-1].write_text(text)
    checked = with_settled(shop.opened, check_files(files, known=facts_of_store(shop.opened)))
    return [finding.message for one in checked for finding, _ in one.findings if finding.code == "settled"]


def test_terms_that_would_correct_what_was_settled_say_so_with_the_money(story):
    story.today(date(2026, 7, 2))
    story.sync()
    assert warned(story, PROGRAM) == []
    cheaper = PROGRAM.replace('"10%"', '"6%"')
    told = "with these terms a sync changes 1 amount that care had settled by -32.00 USD"
    assert warned(story, cheaper) == [told]
    later = cheaper.replace("starts =", 'effective_from = 2026-07-01\namendment = "{}"\nstarts =')
    assert warned(story, later.format("latest")) == [told]
    assert warned(story, later.format("as_of")) == [], "the earlier terms are in force"
    assert warned(story, PROGRAM, later.format("as_of")) == []
    story.program(cheaper)
    assert "by -32.00 USD" in story.sync().problems[0]
    assert story.broken_promises() == []


ALONE = PROGRAM.replace("[counts]", 'stacking = "exclusive"\n[counts]', 1)
RIVAL = ALONE.replace('"care"', '"rival"').replace('"10%"', '"5%"')


def corrected(shop):
    """By how much a sync corrected each program."""
    sums = {}
    for one in payouts.listed(shop.opened):
        if one.due.kind == "adjustment":
            sums[one.due.program] = sums.get(one.due.program, 0) + one.due.amount
    return sums


def test_terms_that_move_what_a_rival_had_settled_say_so_of_both(story):
    """Acme has June by care, the better deal; with these terms it has it by its rival."""
    story.program(ALONE)
    story.program(RIVAL, "rival")
    story.today(date(2026, 6, 20))
    story.sync()
    story.today(date(2026, 7, 2))
    story.sync()
    before = story.standings()
    better = RIVAL.replace('"5%"', '"15%"')
    assert warned(story, RIVAL) == []
    said = warned(story, better)
    assert said == [
        "with these terms a sync changes 1 amount that rival had settled by 120.00 USD",
        "with these terms a sync changes 1 amount that care had settled by -80.00 USD",
    ]
    assert story.standings() == before
    story.program(better, "rival")
    story.sync()
    assert corrected(story) == {"rival": 120, "care": -80}
    assert story.broken_promises() == []


def test_a_rival_that_comes_after_the_settlement_moves_nothing_and_nothing_is_said(story):
    story.program(ALONE)
    story.today(date(2026, 7, 2))
    story.sync()
    story.today(date(2026, 7, 4))
    better = RIVAL.replace('"5%"', '"15%"')
    assert warned(story, better) == []
    story.program(better, "rival")
    story.sync()
    assert corrected(story) == {}
    assert story.broken_promises() == []


def test_terms_that_leave_less_to_the_program_after_it_say_so_of_both(story):
    first = PROGRAM.replace("[counts]", 'stacking = {mode = "sequential", order = 1}\n[counts]', 1)
    second = PROGRAM.replace('"care"', '"after"').replace(
        "[counts]", 'stacking = {mode = "sequential", order = 2}\n[counts]', 1
    )
    story.program(first)
    story.program(second, "after")
    story.today(date(2026, 6, 20))
    story.sync()
    story.today(date(2026, 7, 2))
    story.sync()
    more = first.replace('"10%"', '"15%"')
    said = warned(story, more)
    story.program(more)
    story.sync()
    sums = corrected(story)
    assert sums.keys() == {"care", "after"}
    assert [f"that {key} had settled by {sums[key]:.2f} USD" for key in ("care", "after")] == [
        one.partition("1 amount ")[2] for one in said
    ]


def test_a_sync_of_a_new_program_tells_of_a_rate_that_pays_everything_and_of_a_family_that_nobody_has(story):
    story.program(PROGRAM.replace('"20%"', "1").replace('["Care"]', '["Caer"]'))
    said = story.sync().problems
    assert any("1 is 100% of what it is paid on" in line and 'did you mean "1%"?' in line for line in said)
    assert any('no product has family "Caer"' in line and "in use: Care" in line for line in said)
    assert story.sync().problems == ()
