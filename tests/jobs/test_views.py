"""What a mapping can write of a standing: every value has its name, and most are worked out only when one asks."""

from __future__ import annotations

from datetime import date

import pytest

from jobs.documents import document_of
from jobs.views import Shown, Views
from mappings.vocabulary import VALUES
from rebates import parse_program, standing
from state.people import Member
from state.totals import Cell

TEXT = (
    'key = "{key}"\nname = "{key} of 2026"\nstarts = 2026-01-01\nends = 2026-12-31\nperiod = "quarter"\n'
    '[[tiers]]\nthreshold = "1000"\nrate = "5%"\n[[tiers]]\nthreshold = "5000"\nrate = "8%"\n'
)
MEMBER = Member(1, "001000000000001AAA", "Glow", None, None, None, None, "USD", gone=False)


def shown(program, amount="2500", period="2026-Q4"):
    at = standing(program, period, amount=amount, as_of=date(2026, 11, 24), member="A1")
    return Shown(Cell(1, 2), document_of(at), program, at.period, MEMBER)


def view(views, one):
    return views.of(one, today=date(2026, 11, 24))


def test_a_view_has_every_value_that_a_mapping_can_name():
    found = view(Views("00D000000000001AAA"), shown(parse_program(TEXT.format(key="retail"))))

    for group in ("member", "account", "standing", "program", "period"):
        for name in VALUES[group]:
            found[group][name]  # whatever it is, it is there
    with pytest.raises(KeyError):
        found["standing"]["rebates"]


def test_standings_of_several_programs_and_periods_are_each_shown_under_their_own():
    views = Views("00D000000000001AAA")
    retail, parts = (parse_program(TEXT.format(key=key)) for key in ("retail", "parts"))

    for program, period in ((retail, "2026-Q4"), (parts, "2026-Q3"), (retail, "2026-Q3"), (parts, "2026-Q4")):
        found = view(views, shown(program, period=period))
        assert found["program"]["name"] == f"{program.key} of 2026"
        assert found["period"]["key"] == period


def test_a_program_with_other_terms_is_shown_with_them():
    views = Views("00D000000000001AAA")
    former = parse_program(TEXT.format(key="retail"))
    terms = parse_program(TEXT.format(key="retail").replace("of 2026", "of the year"))

    assert view(views, shown(former))["program"]["name"] == "retail of 2026"
    assert view(views, shown(terms))["program"]["name"] == "retail of the year"


def test_documents_of_one_ladder_differ_where_their_members_stand():
    program = parse_program(TEXT.format(key="retail"))
    ladders = {amount: shown(program, amount).document["ladder"] for amount in ("10", "2500", "7000", "10")}

    reached = {amount: [tier["reached"] for tier in ladder["tiers"]] for amount, ladder in ladders.items()}
    assert reached == {"10": [False, False], "2500": [True, False], "7000": [True, True]}
    assert [ladder["value"] for ladder in ladders.values()] == list(ladders)
